"""What `mcnet leave` runs on every node: takes all of ours out of the kernel and prints what stayed, as JSON.

Run as `python3 -m mcnet.install.leave_node [SYSCTLS]`, where SYSCTLS is a JSON object of original sysctl values
from NodeState: they count where the notes in our nft table are gone (it was flushed).
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mcnet.kernel.leave import remove_all
from mcnet.kernel.sysctl import SysctlTree
from mcnet.model.errors import KernelError
from mcnet.model.kernel import Sysctl

PROC_VARIABLE: Final = "MCNET_PROC_SYS_NET"


async def clean(originals: Mapping[str, str], tree: SysctlTree) -> list[str]:
    """Removes everything and restores `originals`; one sentence for each thing that stayed."""
    failures = [str(failure.error.message) for failure in await remove_all(tree=tree)]
    for current in tree.read(originals.keys()):
        wanted = originals[current.path]
        if current.value != wanted:
            try:
                tree.write(Sysctl(current.path, wanted))
            except KernelError as error:
                failures.append(error.message)
    return failures


def main() -> int:
    """Prints {"failures": […]}; the exit status says whether there are any."""
    originals = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    tree = SysctlTree(Path(os.environ.get(PROC_VARIABLE, "/proc/sys/net")))
    try:
        failures = asyncio.run(clean(originals, tree))
    except KernelError as error:
        failures = [error.message]
    print(json.dumps({"failures": failures}))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
