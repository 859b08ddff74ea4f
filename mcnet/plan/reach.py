"""How far a cluster's gateways have come in connecting to the other members: what `join` waits for and tells."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from mcnet.model.gateway import Cable, CableState, Gateway


@dataclass(frozen=True, slots=True)
class Reach:
    """Cables that carry traffic, and a sentence for each that is awaited still."""

    connected: tuple[tuple[Gateway, Cable], ...] = ()
    missing: tuple[str, ...] = ()


def reach(reports: Collection[Gateway], nodes: Collection[str], others: Collection[str]) -> Reach:
    """Of the gateways `nodes`, by their reports, the cables to the clusters `others`.

    A member that has left may still be in a report: only `others` count. So may a gateway that was taken back: only
    `nodes` count.
    """
    by_node = {report.node: report for report in reports}
    there = [by_node[node] for node in nodes if node in by_node]
    connected = tuple(
        (report, cable)
        for report in there
        for cable in report.cables
        if cable.cluster in others and cable.state is CableState.CONNECTED
    )
    silent = [f"{node} has not reported yet" for node in nodes if node not in by_node]
    return Reach(connected, (*silent, *(sentence for report in there for sentence in _missing(report, others))))


def _missing(report: Gateway, others: Collection[str]) -> Iterator[str]:
    why = report.problems[0] if report.problems else "it is not configured yet"
    for other in others:
        cables = [cable for cable in report.cables if cable.cluster == other]
        if not cables:
            yield f"{report.node} has no cable to {other}: {why}"
        for cable in cables:
            if cable.state is not CableState.CONNECTED:
                reason = cable.reason or cable.state.value
                yield f"{report.node} is not connected to {other} ({cable.gateway}): {reason}"
