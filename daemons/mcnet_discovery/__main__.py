"""`python -m mcnet_discovery`."""

import os
import sys

from mcnet.loop.run import run
from mcnet_discovery.main import start
from mcnet_discovery.settings import Settings

if __name__ == "__main__":
    sys.exit(run(lambda stop: start(Settings.from_environment(os.environ), stop)))
