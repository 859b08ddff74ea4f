"""Whether the long variants of tests run too: `python3 noxfile.py full` sets MCNET_FULL."""

import os
from typing import Final

FULL: Final = "MCNET_FULL" in os.environ
