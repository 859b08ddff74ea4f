"""How often paths are probed, and how soon one that is lost is noticed: a table, published in docs/datapath.md.

The wanted interval holds as long as a prober has few paths and a cluster few nodes; beyond that it grows, so that a
prober takes less than 2 % of a core (docs/decisions/prober.md has the figures), and a gateway's kernel, which every
node probes, answers no more than 2,000 echoes a second.
"""

from dataclasses import dataclass
from typing import Final

DEFAULT_INTERVAL: Final = 0.1
"""Seconds between two probes of a path."""
DEFAULT_MULTIPLIER: Final = 3
"""Lost probes in a row after which a path is down."""
BEFORE_THE_FIRST_ROUND: Final = 10
"""The same, at least, before a daemon has read which pace the cluster is to have: it may be a slow one because links
are bad."""
LOOK: Final = 0.05
"""Seconds after which the last of these probes is taken for lost, half an interval if that is less, where answers
come sooner: mean and four deviations of the round trips, or twice the mean (mcnet.plan.health)."""
PROMISED: Final = 0.5
"""Seconds within which a lost path is noticed, by default, up to PROMISED_CABLES with both IP families inside, and
PROMISED_NODES."""
PROMISED_CABLES: Final = 20
PROMISED_NODES: Final = 50


@dataclass(frozen=True, slots=True)
class Step:
    """Up to `paths` of one prober, and up to `nodes` of the cluster, are probed every `interval` seconds."""

    paths: int
    nodes: int
    interval: float


TABLE: Final = (
    Step(40, 200, 0.1),
    Step(80, 400, 0.2),
    Step(200, 1000, 0.5),
    Step(400, 2000, 1.0),
    Step(800, 4000, 2.0),
    Step(2000, 10000, 5.0),
    Step(4000, 20000, 10.0),
)
"""What is larger than the last step is probed less often in proportion."""


def interval(wanted: float, *, paths: int, nodes: int = 0) -> float:
    """Seconds between two probes of a path where `wanted` are asked for, by a prober with that many paths, in a
    cluster where that many nodes do the same."""
    last = TABLE[-1]
    fitting = next((step.interval for step in TABLE if paths <= step.paths and nodes <= step.nodes), None)
    least = fitting if fitting is not None else last.interval * max(paths / last.paths, nodes / last.nodes)
    return max(wanted, least)


def detection(interval: float, multiplier: int) -> float:
    """Seconds after which a lost path is noticed at the latest, where answers take less than 25 ms.

    The first probe to get lost is sent up to an interval after the path is; the last one is given LOOK, and where the
    first is the last an interval.
    """
    return interval * multiplier + (min(LOOK, interval / 2) if multiplier > 1 else interval)


def table() -> str:
    """The table as the documents have it."""
    headings = "| paths of one prober, up to | nodes of the cluster, up to | interval | noticed within |"
    lines = [headings, "|---|---|---|---|"]
    for step in TABLE:
        within = detection(step.interval, DEFAULT_MULTIPLIER)
        lines.append(f"| {step.paths} | {step.nodes} | {step.interval:g} s | {within:g} s |")
    return "\n".join(lines) + "\n"
