"""`python -m mcnet_cable`."""

import sys

from mcnet_cable.main import main

if __name__ == "__main__":
    sys.exit(main())
