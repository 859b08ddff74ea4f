"""Gateways whose Endpoint has just gone: their packets are taken in for a while, nothing is sent to them any more.

A gateway that stops being one goes on with its cables until it has withdrawn them, and hears later than others that
it may not. Were they gone at once on this side, what it sends until then would be lost. A cluster that is no member
any more gets no such time.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from mcnet.model.endpoint import Endpoint
from mcnet.plan.remote import Remotes

LINGER: Final = 10.0
"""Seconds after the Endpoint has gone: longer than its gateway goes on (RETIREMENT)."""
RETIREMENT: Final = 5.0
"""Seconds that a node which is no gateway any more goes on as one: the others hear of it by two API servers."""

Memory = Mapping[str, tuple[Endpoint, float]]
"""Endpoints by name, and when (seconds, the caller's clock) each was there last."""


def remember(memory: Memory, present: Iterable[Endpoint], now: float) -> dict[str, tuple[Endpoint, float]]:
    """`memory` after a look: what is there, and what was there a moment ago."""
    young = {name: seen for name, seen in memory.items() if now - seen[1] < LINGER}
    return young | {endpoint.name: (endpoint, now) for endpoint in present}


def lingering(memory: Memory, present: Iterable[Endpoint], remotes: Remotes) -> tuple[Endpoint, ...]:
    """The remembered Endpoints, sorted by name, that are not `present`: of accepted clusters, on rails that nobody
    has taken over (the cable's addresses are the rail's)."""
    there = {endpoint.name for endpoint in present}
    clusters = {remote.cluster for remote in remotes.clusters}
    taken = {(endpoint.cluster, endpoint.rail) for endpoint in remotes.endpoints}
    found: dict[tuple[str, int], Endpoint] = {}
    for name, (endpoint, _) in sorted(memory.items(), key=lambda item: (item[1][1], item[0])):
        place = (endpoint.cluster, endpoint.rail)
        if name not in there and endpoint.cluster in clusters and place not in taken:
            found[place] = endpoint
    return tuple(sorted(found.values(), key=lambda endpoint: endpoint.name))
