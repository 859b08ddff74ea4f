"""Where packets between two tunnel ends get lost, from looks at both: not sent, lost on the way, dropped on arrival.

A packet socket sees packets on a node's interfaces before its firewall on the way in, and after it on the way out.
So what is counted there tells the node's own doing from that of the network between. Pure; commands that mend are
the checks' (mcnet.diagnose.tunnels).
"""

from dataclasses import dataclass
from enum import Enum

from mcnet.model.look import NodeLook, Path, Seen, Tried
from mcnet.plan.watches import TOGETHER, together

ENOUGH = 2
"""Echo requests that must have come in before it means something that none was answered."""


class Stage(Enum):
    """Where the packets of one direction end."""

    NO_DEVICE = "no device"
    NOT_SENT = "not sent"
    LOST = "lost on the way"
    DROPPED = "dropped on arrival"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class End:
    """One end of a path: what it is called, and the look at its node, or why there is none."""

    name: str
    look: NodeLook | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Break:
    """The packets from `source` to `target` end at `stage`; `said` is a sentence without the names of both."""

    source: End
    target: End
    stage: Stage
    said: str


@dataclass(frozen=True, slots=True)
class _Side:
    """One end with the path as it has it: behind NAT the two know each other by other addresses."""

    end: End
    path: Path

    @property
    def tried(self) -> Tried | None:
        return _tried(self.path, self.end.look)


def judge(path: Path, near: End, far: End, back: Path | None = None) -> tuple[Break, ...]:
    """What is broken between `near`, whose path this is, and `far`, in both directions; () if `near` was answered
    and `far` too, as far as it was looked at. `back` is the path as `far` has it, if it has it."""
    here, there = _Side(near, path), _Side(far, back or _mirrored(path, near.name))
    if all(one.tried is None or one.tried.answered for one in (here, there)):
        return ()
    broken = [found for found in (_direction(here, there), _direction(there, here)) if found]
    certain = [one for one in broken if one.stage is not Stage.UNKNOWN]
    if certain or broken:
        return tuple(certain or broken[:1])
    return (_nowhere(here, there),)


def answered_in_part(path: Path, near: End) -> str:
    """A sentence if only few echoes of a path were answered, else ""."""
    tried = _tried(path, near.look)
    if tried is None or not tried.answered or tried.answered * 2 > tried.sent:
        return ""
    return f"{tried.answered} of {tried.sent} echoes to UDP {path.port} of {path.outer_target} were answered"


def _direction(source: _Side, target: _Side) -> Break | None:
    """Where what `source` sends to `target` ends; None if it gets there and is taken, or nothing is known."""
    path, tried, ends = source.path, source.tried, (source.end, target.end)
    if tried is not None and not tried.device_mtu:
        return Break(*ends, Stage.NO_DEVICE, f"it has no device {path.device}: nothing can be sent")
    for end in ends:
        if end.look and (why := end.look.faults.get("capture")):
            return Break(*ends, Stage.UNKNOWN, f"packets of {end.name} can't be watched: {why}")
    out = _count(source.end.look, path, outgoing=True)
    if tried is not None and tried.sent and not out.packets and path.driver == "libreswan":
        # Without a Child SA echoes go nowhere, and only one side begins, at growing intervals.
        said = (
            f"no Child SA carries the echoes to {path.outer_target}, and its pluto sent nothing to UDP {path.port} "
            "while it was watched"
        )
        return Break(*ends, Stage.UNKNOWN, said)
    if tried is not None and tried.sent and not out.packets:
        why = f" ({tried.refused})" if tried.refused else ""
        said = f"not sent: none of {tried.sent} echoes to UDP {path.port} of {path.outer_target} left its interfaces"
        return Break(*ends, Stage.NOT_SENT, said + why)
    return _arrival(source, target, out)


def _arrival(source: _Side, target: _Side, out: Seen) -> Break | None:
    """What becomes of packets that have left `source`."""
    seen_as = _mirrored(target.path, target.end.name)
    came = _count(target.end.look, seen_as, outgoing=False)
    if target.end.look and out.packets and not came.packets:
        return _lost(source, target, out)
    answers = _count(target.end.look, target.path, outgoing=True).replies
    reached = f"from {seen_as.outer_source} to UDP {seen_as.port} reached its interfaces"
    driver, said = source.path.driver, ""
    who = "pluto" if driver == "libreswan" else "kernel"
    if came.requests >= ENOUGH and not answers:
        said = f"dropped on arrival: {came.requests} {_ASKED[driver]} {reached}, and its {who} answered none"
    elif came.replies and target.tried is not None and not target.tried.answered:
        said = f"answers dropped on arrival: {came.replies} {_ANSWERS[driver]} {reached}, and its {who} took none"
    return Break(source.end, target.end, Stage.DROPPED, said) if said else None


_ASKED = {"vxlan": "echo requests", "wireguard": "WireGuard handshakes", "libreswan": "IKE requests"}
_ANSWERS = {"vxlan": "echo replies", "wireguard": "answers to WireGuard handshakes", "libreswan": "IKE responses"}
"""What a watcher sees of a question, and of its answer, by driver."""


def _lost(source: _Side, target: _Side, out: Seen) -> Break:
    assert source.end.look is not None
    assert target.end.look is not None
    both = together(source.end.look, target.end.look)
    where = _where(source.path)
    if both < TOGETHER:
        said = (
            f"{where}: not answered, and the two nodes were not watched at the same time (only {both:.1f} s), so "
            "it is not known where packets end"
        )
        return Break(source.end, target.end, Stage.UNKNOWN, said)
    said = (
        f"lost on the way: {out.packets} packets to {where} left its interfaces, and none arrived in the {both:.0f} "
        "s in which both nodes were watched"
    )
    return Break(source.end, target.end, Stage.LOST, said)


def _nowhere(near: _Side, far: _Side) -> Break:
    """Not answered, and it can't be told where it ends."""
    one = near.tried if near.tried is not None and not near.tried.answered else far.tried
    sent, where = one.sent if one else 0, _where(near.path)
    blind = next((side.end for side in (near, far) if side.end.look is None), None)
    if blind is not None:
        said = (
            f"none of {sent} echoes was answered ({where}), and nothing came back; {blind.name} can't be looked at: "
            f"{blind.why}"
        )
        return Break(near.end, far.end, Stage.LOST, said)
    said = f"none of {sent} echoes was answered ({where}), and it is not seen where they end"
    return Break(near.end, far.end, Stage.UNKNOWN, said)


def _where(path: Path) -> str:
    return f"UDP {path.port} from {path.outer_source} to {path.outer_target}"


def _tried(path: Path, look: NodeLook | None) -> Tried | None:
    found = look.tried if look else ()
    return next((one for one in found if (one.tunnel, one.peer) == (path.tunnel, path.peer)), None)


def _count(look: NodeLook | None, path: Path, *, outgoing: bool) -> Seen:
    wanted = outgoing, path.outer_source, path.outer_target, path.port
    empty = Seen(*wanted)
    seen = look.seen if look else ()
    return next((one for one in seen if (one.outgoing, one.source, one.target, one.port) == wanted), empty)


def _mirrored(path: Path, peer: str) -> Path:
    return Path(
        tunnel=path.tunnel,
        peer=peer,
        device=path.device,
        target=path.source,
        source=path.target,
        outer_source=path.outer_target,
        outer_target=path.outer_source,
        port=path.back_port or path.port,
        back_port=path.port,
    )
