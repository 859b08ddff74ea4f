"""What the checks of overlay and cables have in common: both ends of every path, and what mends a broken one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mcnet.diagnose.site import Looks
from mcnet.model.diagnosis import Finding, Verdict
from mcnet.model.look import Path, Tunnel
from mcnet.plan.tunnel_paths import Break, End, Stage, answered_in_part, judge

PACKETS = {
    Tunnel.OVERLAY: ("overlay", "gateway-probes"),
    Tunnel.CABLE: ("vxlan-cable", "wireguard-cable", "libreswan-cable", "cable"),
}
"""What the packets of a tunnel are called where chains of other programs drop them; beginnings."""


@dataclass(frozen=True, slots=True)
class Member:
    """The looks at one member's nodes. `option` names its context to our commands."""

    cluster: str
    option: str
    looks: Looks


@dataclass(frozen=True, slots=True)
class Evidence:
    """The member in question, and those others that can be read."""

    own: Member
    others: tuple[Member, ...] = ()


def pairs(evidence: Evidence, tunnel: Tunnel) -> Iterator[tuple[Path, End, End, Path | None]]:
    """Every path of a tunnel with both its ends, each pair of ends once, seen from this member."""
    done: set[frozenset[str]] = set()
    own = evidence.own
    for node, order in sorted(own.looks.orders.items()):
        for path in order.paths:
            here = end_name(own, node, tunnel)
            pair = frozenset({here, path.peer})
            if path.tunnel is not tunnel or pair in done:
                continue
            done.add(pair)
            far, back = _far(evidence, path, here)
            yield path, _end(own, node, here), far, back


def end_name(member: Member, node: str, tunnel: Tunnel) -> str:
    """As the other end's paths name it: a node, or `CLUSTER.GATEWAY`."""
    return node if tunnel is Tunnel.OVERLAY else f"{member.cluster}.{node}"


def findings(evidence: Evidence, tunnel: Tunnel) -> Iterator[Finding]:
    """What is not well between the ends of all paths of a tunnel."""
    for path, near, far, back in pairs(evidence, tunnel):
        broken = judge(path, near, far, back)
        for one in broken:
            yield _finding(evidence, tunnel, one)
        for this, end in () if broken else ((path, near), (back, far)):
            if this is not None and (said := answered_in_part(this, end)):
                about = f"{end.name} → {this.peer}"
                remedy = f"mcnet show connections{evidence.own.option}"
                yield Finding(Verdict.WARNING, about, said, remedy)


def _far(evidence: Evidence, path: Path, here: str) -> tuple[End, Path | None]:
    if path.tunnel is Tunnel.OVERLAY:
        member, node = evidence.own, path.peer
    else:
        cluster, _, node = path.peer.partition(".")
        found = next((other for other in evidence.others if other.cluster == cluster), None)
        if found is None:
            return End(path.peer, None, f"no context of the kubeconfig leads to {cluster}"), None
        member = found
    order = member.looks.orders.get(node)
    paths = order.paths if order else ()
    back = next((one for one in paths if (one.tunnel, one.peer) == (path.tunnel, here)), None)
    return _end(member, node, path.peer), back


def _end(member: Member, node: str, name: str) -> End:
    look = member.looks.answers.get(node)
    return End(name, look, "" if look else member.looks.failures.get(node, "it is no node that can be looked at"))


def _finding(evidence: Evidence, tunnel: Tunnel, broken: Break) -> Finding:
    about = f"{broken.source.name} → {broken.target.name}"
    match broken.stage:
        case Stage.NO_DEVICE | Stage.NOT_SENT:
            remedy, place = _on_node(evidence, tunnel, broken.source)
            said = f"{broken.source.name}: {broken.said}"
        case Stage.DROPPED:
            remedy, place = _on_node(evidence, tunnel, broken.target)
            said = f"{broken.target.name}: {broken.said}"
        case Stage.LOST | Stage.UNKNOWN:
            remedy, place, said = f"mcnet show ports{evidence.own.option}", "", broken.said
    verdict = Verdict.UNKNOWN if broken.stage is Stage.UNKNOWN else Verdict.WRONG
    return Finding(verdict, about, said, remedy, place)


def _on_node(evidence: Evidence, tunnel: Tunnel, end: End) -> tuple[str, str]:
    """The command that mends what a node does to the packets, and the node to run it on."""
    members = (evidence.own, *evidence.others)
    owner = next((one for one in members if end.look and end.look in one.looks.answers.values()), evidence.own)
    if end.look is None:
        return f"mcnet diagnose foreign-chains{owner.option}", ""
    for drop in end.look.drops:
        if any(packet.startswith(PACKETS[tunnel]) for packet in drop.packets):
            return drop.remedy, end.look.node
    if any(port.startswith("UDP ") for port in end.look.taken_ports):
        return f"mcnet diagnose host-ports{owner.option}", ""
    return f"mcnet diagnose foreign-chains tables pods{owner.option}", ""


def unseen(looks: Iterable[Looks]) -> int:
    """How many nodes could not be looked at."""
    return sum(len(one.failures) for one in looks)
