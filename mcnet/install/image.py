"""Which image the daemons run. The one place that names it: a release puts its registry's reference here."""

import os
from typing import Final

from mcnet import __version__

IMAGE_VARIABLE: Final = "MCNET_IMAGE"
RELEASED: Final = f"localhost/mcnet:{__version__}"


def default_image() -> str:
    """The image of this version, unless $MCNET_IMAGE names another one."""
    return os.environ.get(IMAGE_VARIABLE) or RELEASED
