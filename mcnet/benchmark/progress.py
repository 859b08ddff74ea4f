"""What a benchmark tells while it runs. How it looks on a terminal is mcnet.cli's."""

from typing import Protocol


class Progress(Protocol):
    """Told in the order of happening; each text is one short line without a full stop."""

    def doing(self, text: str) -> None:
        """What is being waited for now; the next call of any kind replaces it."""

    def done(self, text: str) -> None:
        """What has been reached."""

    def warn(self, text: str) -> None:
        """What is not as it should be, but does not stop the run."""
