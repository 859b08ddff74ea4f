"""Which family the overlay inside a cluster uses: one for all nodes, since its device has one outer address.

Every node computes the same from the Node objects alone. What cables use is mcnet.plan.cable's.
"""

from collections.abc import Iterable

from mcnet.model.kernel import Address
from mcnet.model.node import Node


def overlay_family(nodes: Iterable[Node]) -> int:
    """The family in which most nodes have an InternalIP; of two equal ones the first of the oldest node, so that a
    node that lists its addresses the other way round is reached all the same."""
    by_age = sorted((node for node in nodes if node.addresses), key=lambda node: (node.created, node.uid, node.name))
    if not by_age:
        return 4
    first = by_age[0].addresses[0].version
    count = {family: sum(outer_address(node, family) is not None for node in by_age) for family in (4, 6)}
    return max((first, 10 - first), key=lambda family: count[family])


def outer_address(node: Node, family: int) -> Address | None:
    """The node's first InternalIP of `family`, None if it has none."""
    return next((address for address in node.addresses if address.version == family), None)
