"""Which chains of other programs drop packets of ours on a node, told short enough to leave the node."""

from collections.abc import Collection

from mcnet.model.foreign import ForeignChain
from mcnet.model.look import Drop, Order
from mcnet.plan.foreign_chains import Obstacle, obstacles
from mcnet.plan.host_firewall import passages, remedy


def drops(order: Order, chains: Collection[ForeignChain]) -> tuple[Drop, ...]:
    """One per chain and command that would let its packets through."""
    wanted = passages(
        families=order.families,
        underlay=order.underlay,
        gateway=order.gateway,
        port_base=order.port_base,
        peer_port_bases=order.peer_port_bases,
        delivered=order.remote if order.delivery == "cni" else (),
        drivers=order.drivers,
    )
    by_command: dict[tuple[str, str], list[Obstacle]] = {}
    for obstacle in obstacles(chains, [passage.packet for passage in wanted], with_ours=True):
        by_command.setdefault((obstacle.chain.place, remedy(obstacle)), []).append(obstacle)
    return tuple(
        Drop(
            chain=place,
            packets=tuple(dict.fromkeys(one.packet.name for one in found)),
            why=found[0].why,
            certain=all(one.certain for one in found),
            remedy=command,
        )
        for (place, command), found in by_command.items()
    )
