"""What the kernel under the tests can do, found by trying, and how long things take on it.

The level `vm` runs on Debian's kernel in an emulated machine (tests/vm): tests that it shares with `netns` ask here,
so that each says which of the two ways it went.
"""

import os
import subprocess
from functools import cache
from typing import Final

EMULATED: Final = "MCNET_VM" in os.environ
"""Whether this is the machine of tests/vm, which sets the variable."""
SLOWER: Final = 5 if EMULATED else 1
"""How many times longer than on a real machine a test may take."""


@cache
def has_wireguard() -> bool:
    """Whether the kernel makes WireGuard devices itself. False without root."""
    trial = ["unshare", "--net", "ip", "link", "add", "trial", "type", "wireguard"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0
