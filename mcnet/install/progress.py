"""What an operation tells while it runs. How it looks on a terminal is mcnet.cli's."""

from typing import Protocol


class Progress(Protocol):
    """Told by operations, in the order of happening; each text is one short line without a full stop."""

    def doing(self, text: str) -> None:
        """What is being waited for now; the next call of any kind replaces it."""

    def done(self, text: str) -> None:
        """A step that is finished."""

    def warn(self, text: str) -> None:
        """Something the user should know, which does not stop the operation."""


class Silent:
    """Says nothing."""

    def doing(self, text: str) -> None:
        pass

    def done(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        pass
