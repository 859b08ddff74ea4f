"""`python -m mcnet_gateway`."""

import os
import sys

from mcnet.loop.run import run
from mcnet_gateway.main import Gateway
from mcnet_gateway.settings import Settings

if __name__ == "__main__":
    sys.exit(run(Gateway(Settings.from_environment(os.environ)).main))
