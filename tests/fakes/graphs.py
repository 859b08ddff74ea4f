"""Graphs for the tests of drawings: any that hypothesis finds, and full meshes."""

from itertools import combinations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from mcnet.plan.topology.graph import ClusterNode, GatewayNode, Graph, Link, graph
from tests.fakes.pictures import clusterset

ANY = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=25
)
NAMES = st.text(min_size=1, max_size=40)
STATES = st.sampled_from(["connected", "connecting", "error", "unknown", "missing"])


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Of up to 10 clusters with any names, some without a gateway, some without links."""
    clusters = tuple(
        ClusterNode(name, tuple(GatewayNode(one, rail) for rail, one in enumerate(sorted(gateways))))
        for name, gateways in sorted(
            draw(st.dictionaries(NAMES, st.sets(NAMES, max_size=3), min_size=1, max_size=10)).items()
        )
    )
    links = []
    for one, other in combinations(clusters, 2):
        for first in one.gateways or (GatewayNode(""),):
            for second in other.gateways or (GatewayNode(""),):
                if draw(st.booleans()):
                    trip = draw(st.none() | st.floats(min_value=0, max_value=9.9))
                    links.append(
                        Link(
                            (one.name, first.name), (other.name, second.name), draw(STATES), draw(st.booleans()), trip
                        )
                    )
    return Graph(clusters, tuple(links))


MESHES = {size: graph(clusterset({f"c{at}": 1 + at % 3 for at in range(size)})) for size in (1, 2, 3, 5, 8, 9, 20)}
