"""`python -m mcnet_route_agent`."""

import os
import sys

from mcnet.loop.run import run
from mcnet_route_agent.main import RouteAgent
from mcnet_route_agent.settings import Settings

if __name__ == "__main__":
    sys.exit(run(RouteAgent(Settings.from_environment(os.environ)).main))
