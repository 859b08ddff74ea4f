"""What `mcnet benchmark latency` measures and says. Times are in microseconds, positions in seconds since the start.

How samples become these values is mcnet.plan's, how they are written down mcnet.codec.latency's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from mcnet.model.cluster import ClusterId

PROTOCOLS: Final = ("icmp", "tcp")


class Way(StrEnum):
    """The two ways that are compared."""

    PODS = "pods"
    """From pod to pod: by mcnet where the clusters differ."""
    NODES = "nodes"
    """From node to node over the nodes' own addresses, without mcnet."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A node at one end of a path. `gateway`: it is one of its cluster's gateways."""

    cluster: ClusterId
    node: str
    context: str = field(compare=False)
    gateway: bool = field(compare=False, default=False)


@dataclass(frozen=True, slots=True, order=True)
class Path:
    """From a pod on one node to a pod on another."""

    source: Place
    target: Place


@dataclass(frozen=True, slots=True)
class Series:
    """The samples of one protocol, family and way, in the order of sending: when, and the round trip (None: lost)."""

    protocol: str
    family: int
    way: Way
    at: tuple[float, ...]
    trips: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a series comes to. Without any answer the times are None. `jitter` is the mean difference between
    successive round trips, whatever its sign."""

    sent: int
    lost: int
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p999: float | None = None
    maximum: float | None = None
    jitter: float | None = None

    @property
    def loss(self) -> float:
        """Share lost, 0 to 1."""
        return self.lost / self.sent if self.sent else 0.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and the interval that holds it with the confidence asked for; infinite ends: nothing is known."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many round trips fall between `edges`, one more than counts; logarithmic. What lies outside counts in
    the first and the last."""

    edges: tuple[float, ...]
    pods: tuple[int, ...]
    nodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of time of both series: quantiles by name ("p50") of each way."""

    pods: Mapping[str, float]
    nodes: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One protocol on one path; the pods' family, and that of the nodes beside, which differs where they lack the
    pods'. `ratios`: pods to nodes by quantile's name, where both answered."""

    protocol: str
    family: int
    nodes_family: int
    pods: Summary
    nodes: Summary
    ratios: Mapping[str, Estimate] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()
    histogram: Histogram | None = None


@dataclass(frozen=True, slots=True)
class PathResult:
    """All measures of one path."""

    path: Path
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run: RFC 3339 time of its start, version of the command, settings in seconds, and its results."""

    time: str
    version: str
    duration: float
    interval: float
    results: tuple[PathResult, ...] = ()


class Verdict(StrEnum):
    """Of one comparison, and of all."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"


@dataclass(frozen=True, slots=True)
class Difference:
    """One comparison. `what` is "p50" … or "loss"; `change` is new to old as a factor, of loss a difference."""

    path: Path
    family: int
    protocol: str
    what: str
    change: Estimate
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Comparison:
    """All comparisons, what only one of the runs has, and the verdict: the worst there is."""

    differences: tuple[Difference, ...]
    only_old: tuple[Path, ...]
    only_new: tuple[Path, ...]

    @property
    def verdict(self) -> Verdict:
        verdicts = {one.verdict for one in self.differences}
        return next((one for one in (Verdict.WORSE, Verdict.BETTER) if one in verdicts), Verdict.SAME)
