"""`python -m mcnet.cli`: the command line without its installed name."""

import sys

from mcnet.cli.entry import main

sys.exit(main())
