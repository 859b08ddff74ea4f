"""Whether other clusters are connected with one: what no API server but theirs can say. Reads only."""

from pathlib import Path

from mcnet.model.cluster import ClusterId
from mcnet.model.errors import McnetError
from mcnet.model.gateway import CableState
from mcnet.show.gather import Contexts, Seen

TIMEOUT = 5.0
"""Seconds that one context may take."""


async def connected_with(cluster: ClusterId, kubeconfig: Path | None) -> tuple[str, ...]:
    """Gateways of other clusters, as "CLUSTER/NODE", that report a living cable to `cluster`; of all contexts of the
    kubeconfig that can be read."""
    try:
        async with Contexts(None, kubeconfig, timeout=TIMEOUT) as contexts:
            readings = await contexts.read()
    except McnetError:
        return ()
    return tuple(
        f"{view.cluster}/{report.node}"
        for reading in readings
        if isinstance(reading, Seen) and (view := reading.member) is not None and view.cluster != cluster
        for report in view.gateways
        if report.node not in view.daemon_problems
        and any(cable.cluster == cluster and cable.state is CableState.CONNECTED for cable in report.cables)
    )
