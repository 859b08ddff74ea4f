"""What decoding says when an object or a datagram can't be understood."""

from typing import Final

LONGEST: Final = 300
"""Characters of each part: what is wrong may be a text of any length that another party wrote."""


class DecodeError(ValueError):
    """`name` is the object's name, `field` the path of the field ("spec.mtu"), `why` the fault.

    What has no name and fields, such as a datagram, gives its one sentence as `name`.
    """

    def __init__(self, name: str, field: str = "", why: str = "") -> None:
        self.name, self.field, self.why = map(_short, (name, field, why))
        super().__init__(": ".join(part for part in (self.name, self.field, self.why) if part))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
