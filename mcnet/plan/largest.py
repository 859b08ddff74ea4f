"""Finds the largest packet that a path carries by few questions: the whole size first, then halving.

Pure: `Search` says which size to ask next and takes the answers. Sending is mcnet.probe's.
"""

from dataclasses import dataclass, replace

STEP = 8
"""Bytes to which the answer is exact: fragments come in units of 8 (RFC 791)."""
FLOOR = 576
"""Bytes that every host accepts (RFC 791, 3.2); nothing below is asked."""


@dataclass(frozen=True, slots=True)
class Search:
    """`ask` bytes next, None once `found` stands (None: not even FLOOR passes)."""

    ask: int | None
    found: int | None = None
    too_big: int = 0

    @classmethod
    def below(cls, size: int) -> "Search":
        """The search for the largest size up to `size` bytes."""
        return cls(ask=size)

    def passed(self) -> "Search":
        """The size asked for passes."""
        assert self.ask is not None
        return replace(self, found=self.ask)._next()

    def lost(self) -> "Search":
        """The size asked for does not pass."""
        assert self.ask is not None
        return replace(self, too_big=self.ask)._next()

    def _next(self) -> "Search":
        if not self.too_big or (self.found is not None and self.too_big - self.found <= STEP):
            return replace(self, ask=None)
        if self.found is None:
            return replace(self, ask=FLOOR if self.too_big > FLOOR else None)
        return replace(self, ask=(self.found + self.too_big) // 2)
