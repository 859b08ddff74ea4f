"""`mcnet version`. The bare form is answered by `entry` already; this is for its help."""

from mcnet import __version__
from mcnet.cli.main import application

app = application()


@app.command()
def version() -> None:
    """Print the version of this command.

    Example: mcnet version
    """
    print(f"mcnet {__version__}")
