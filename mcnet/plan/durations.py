"""Durations as people write them on a command line: "24h", "90m", "1d12h"."""

import re
from typing import Final

from mcnet.model.errors import UsageError

UNITS: Final = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_PATTERN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def parse_duration(text: str) -> int:
    """Seconds. Raises UsageError for anything else than digits with d, h, m or s."""
    found = _PATTERN.fullmatch(text.strip())
    if not found or not any(found.groups()):
        raise UsageError(f"{text!r} is not a duration", "write it like 24h, 90m or 7d")
    return sum(int(part or 0) * unit for part, unit in zip(found.groups(), UNITS.values(), strict=True))


def format_duration(seconds: float) -> str:
    """The two largest units: "2d3h", "5m", "12s"."""
    rest = max(0, int(seconds))
    parts = []
    for unit, size in UNITS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2]) or "0s"
