"""Take everything of ours out of a node: what `mcnet leave` runs on every node.

Found by ownership marks alone, so it works after any crash and any upgrade, and a second run finds nothing.
"""

from dataclasses import replace

from mcnet.kernel import foreign, observe
from mcnet.kernel.execute import Failure, apply
from mcnet.kernel.sysctl import NODE_SYSCTLS, SysctlTree
from mcnet.model.kernel import KernelState, Sysctl
from mcnet.model.ownership import GATEWAY, ROUTE_AGENT
from mcnet.plan.diff import diff
from mcnet.plan.host_firewall import present


async def remove_all(*, tree: SysctlTree = NODE_SYSCTLS) -> tuple[Failure, ...]:
    """Restore the sysctls noted in `inet mcnet`, then remove both partitions and our
    rules in other programs' chains; returns what could not be done.

    Sysctls come first: the notes go with the table. One that could not be restored is among the failures.
    Raises KernelError if the kernel can't be read.
    """
    found = await observe.read(ROUTE_AGENT, sysctls=(), tree=tree)
    originals = {name: value for table in found.tables for name, value in table.notes}
    node = await observe.read(ROUTE_AGENT, sysctls=originals, tree=tree)
    existing = {sysctl.path for sysctl in node.sysctls}
    wanted = frozenset(Sysctl(path, value) for path, value in originals.items() if path in existing)
    node = replace(node, host_rules=present(await foreign.read()))
    failures = await apply(diff(KernelState(sysctls=wanted), node), tree=tree)
    gateway = await observe.read(GATEWAY, sysctls=(), tree=tree)
    return failures + await apply(diff(KernelState(), gateway), tree=tree)
