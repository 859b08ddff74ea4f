"""What `mcnet diagnose` says: findings of checks, as values. How they come about is mcnet.diagnose's."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """How something was found. UNKNOWN: it could not be looked at, which is not the same as fine."""

    FINE = "fine"
    UNKNOWN = "unknown"
    WARNING = "warning"
    WRONG = "wrong"


SEVERITY: Final = {Verdict.FINE: 0, Verdict.UNKNOWN: 1, Verdict.WARNING: 2, Verdict.WRONG: 3}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The gravest of them, FINE of none."""
    return max(verdicts, key=SEVERITY.__getitem__, default=Verdict.FINE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    `about` is the subject ("node east-n2", "east-n2 → east-n1"), `said` one sentence with what was seen,
    `remedy` the command that mends it; with `place` the command is to be run on that node, else where mcnet is.
    """

    verdict: Verdict
    about: str
    said: str
    remedy: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a check's judge says: what was looked at, in a few words, and what is not fine."""

    looked: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The outcome of one check in one cluster."""

    check: str
    title: str
    matters: str
    """Why it matters: what goes wrong where it is not fine."""
    cluster: str
    looked: str
    findings: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> Verdict:
        return worst(finding.verdict for finding in self.findings)
