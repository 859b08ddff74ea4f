"""`python -m mcnet_dns`."""

import os
import sys

from mcnet.loop.run import run
from mcnet_dns.main import start
from mcnet_dns.settings import Settings

if __name__ == "__main__":
    sys.exit(run(lambda stop: start(Settings.from_environment(os.environ), stop)))
