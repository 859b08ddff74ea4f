"""What a DNS server counts: queries by type and outcome, and how long answers take. Cheap enough for each query."""

from bisect import bisect_left
from typing import Final, TypeAlias

from mcnet.model.dns import Rcode, Type

Tally: TypeAlias = list[int]
"""One number, in a list so that it can be counted up where it is."""
OTHER: Final = "other"
"""Instead of the names of types that nobody here has, of which there may be 65536."""
SECONDS: Final = (0.000005, 0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.005, 0.02, 0.1)
"""Upper bounds of the histogram's buckets."""
_TYPES: Final = {int(one): one.name for one in Type}


class Counts:
    """All that one process has counted since its start."""

    def __init__(self) -> None:
        self._queries: dict[tuple[str, str], Tally] = {}
        self.seconds = [0] * (len(SECONDS) + 1)
        """Answers by duration: a number for each of SECONDS, and for what took longer."""
        self.seconds_sum = 0.0
        self.unsent = 0
        """Answers that the kernel did not take."""

    @property
    def queries(self) -> dict[tuple[str, str], int]:
        """By type and rcode."""
        return {key: tally[0] for key, tally in self._queries.items()}

    def tally(self, kind: int | None, rcode: Rcode) -> Tally:
        """Where queries of this type (None: unreadable) with this outcome are counted."""
        name = OTHER if kind is None else _TYPES.get(kind, OTHER)
        return self._queries.setdefault((name, rcode.name), [0])

    def took(self, seconds: float, answers: int = 1) -> None:
        """So many answers took `seconds` together."""
        self.seconds[bisect_left(SECONDS, seconds / answers)] += answers
        self.seconds_sum += seconds
