"""Kubernetes versions: which ones mcnet needs, and whether a cluster's is one of them."""

import re
from typing import Final, NamedTuple

from mcnet.model.errors import McnetError


class Minor(NamedTuple):
    """Major and minor version."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


BROKER_MINIMUM: Final = Minor(1, 30)
"""ValidatingAdmissionPolicy is stable from 1.30 on."""
MEMBER_MINIMUM: Final = Minor(1, 27)


def parse(text: str) -> Minor | None:
    """Major and minor of "v1.37.2", "v1.30.4-gke.100" or "1.28+"; None if there is none, or for "v0.0.0-master",
    as servers built without a release's stamp call themselves."""
    found = re.match(r"v?([1-9]\d*)\.(\d+)", text)
    return Minor(int(found[1]), int(found[2])) if found else None


def require(text: str, minimum: Minor, what: str) -> None:
    """Raises McnetError if `what` (e.g. "the broker") runs a Kubernetes before `minimum`. An unreadable version
    passes: the features themselves are tried later anyway."""
    version = parse(text)
    if version is not None and version < minimum:
        raise McnetError(
            f"{what} runs Kubernetes {text}, but mcnet needs {minimum} or later there",
            "upgrade that cluster first, or choose another one",
        )
