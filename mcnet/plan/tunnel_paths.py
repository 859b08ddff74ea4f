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


def judge(path: Path, near: End, far: End, back: Path | None = None) -> tuple[Break, ...]:
    """What is broken between `near`, whose path this is, and `far`, in both directions; () if `near` was answered
    and `far` too, as far as it was looked at. `back` is the path as `far` has it, if it has it."""
    back = back or _mirrored(path, near.name)
    tried, tried_back = _tried(path, near.look), _tried(back, far.look)
    if all(one is None or one.answered for one in (tried, tried_back)):
        return ()
    broken = [
        found
        for found in (_direction(path, near, far, tried, tried_back), _direction(back, far, near, tried_back, tried))
        if found
    ]
    certain = [one for one in broken if one.stage is not Stage.UNKNOWN]
    if certain or broken:
        return tuple(certain or broken[:1])
    return (_nowhere(path, near, far, tried, tried_back),)


def answered_in_part(path: Path, near: End) -> str:
    """A sentence if only few echoes of a path were answered, else ""."""
    tried = _tried(path, near.look)
    if tried is None or not tried.answered or tried.answered * 2 > tried.sent:
        return ""
    return f"{tried.answered} of {tried.sent} echoes to UDP {path.port} of {path.outer_target} were answered"


def _direction(path: Path, source: End, target: End, tried: Tried | None, tried_back: Tried | None) -> Break | None:
    """Where what `source` sends to `target` ends; None if it gets there and is taken, or nothing is known."""
    if tried is not None and not tried.device_mtu:
        return Break(source, target, Stage.NO_DEVICE, f"it has no device {path.device}: nothing can be sent")
    for end in (source, target):
        if end.look and (why := end.look.faults.get("capture")):
            return Break(source, target, Stage.UNKNOWN, f"packets of {end.name} can't be watched: {why}")
    out = _count(source.look, path, outgoing=True)
    if tried is not None and tried.sent and not out.packets and path.driver == "libreswan":
        # Without a Child SA echoes go nowhere, and only one side begins, at growing intervals.
        said = (
            f"no Child SA carries the echoes to {path.outer_target}, and its pluto sent nothing to UDP {path.port} "
            "while it was watched"
        )
        return Break(source, target, Stage.UNKNOWN, said)
    if tried is not None and tried.sent and not out.packets:
        why = f" ({tried.refused})" if tried.refused else ""
        said = f"not sent: none of {tried.sent} echoes to UDP {path.port} of {path.outer_target} left its interfaces"
        return Break(source, target, Stage.NOT_SENT, said + why)
    return _arrival(path, source, target, out, tried_back)


def _arrival(path: Path, source: End, target: End, out: Seen, tried_back: Tried | None) -> Break | None:
    """What becomes of packets that have left `source`."""
    came = _count(target.look, path, outgoing=False)
    if target.look and out.packets and not came.packets:
        return _lost(path, source, target, out)
    answers = _count(target.look, _mirrored(path, source.name), outgoing=True).replies
    said = ""
    if came.requests >= ENOUGH and not answers:
        said = (
            f"dropped on arrival: {came.requests} {_ASKED[path.driver]} from {path.outer_source} to UDP {path.port} "
            f"reached its interfaces, and its {_answerer(path)} answered none"
        )
    elif came.replies and tried_back is not None and not tried_back.answered:
        said = (
            f"answers dropped on arrival: {came.replies} {_ANSWERS[path.driver]} from {path.outer_source} to UDP "
            f"{path.port} reached its interfaces, and its {_answerer(path)} took none"
        )
    return Break(source, target, Stage.DROPPED, said) if said else None


_ASKED = {"vxlan": "echo requests", "wireguard": "WireGuard handshakes", "libreswan": "IKE requests"}
_ANSWERS = {"vxlan": "echo replies", "wireguard": "answers to WireGuard handshakes", "libreswan": "IKE responses"}
"""What a watcher sees of a question, and of its answer, by driver."""


def _answerer(path: Path) -> str:
    return "pluto" if path.driver == "libreswan" else "kernel"


def _lost(path: Path, source: End, target: End, out: Seen) -> Break:
    assert source.look is not None
    assert target.look is not None
    both = together(source.look, target.look)
    where = f"UDP {path.port} from {path.outer_source} to {path.outer_target}"
    if both < TOGETHER:
        said = (
            f"{where}: not answered, and the two nodes were not watched at the same time (only {both:.1f} s), so "
            "it is not known where packets end"
        )
        return Break(source, target, Stage.UNKNOWN, said)
    said = (
        f"lost on the way: {out.packets} packets to {where} left its interfaces, and none arrived in the {both:.0f} "
        "s in which both nodes were watched"
    )
    return Break(source, target, Stage.LOST, said)


def _nowhere(path: Path, near: End, far: End, tried: Tried | None, tried_back: Tried | None) -> Break:
    """Not answered, and it can't be told where it ends."""
    one = tried if tried is not None and not tried.answered else tried_back
    sent = one.sent if one else 0
    where = f"UDP {path.port} from {path.outer_source} to {path.outer_target}"
    if near.look is None or far.look is None:
        blind = near if near.look is None else far
        said = (
            f"none of {sent} echoes was answered ({where}), and nothing came back; {blind.name} can't be looked at: "
            f"{blind.why}"
        )
        return Break(near, far, Stage.LOST, said)
    return Break(
        near, far, Stage.UNKNOWN, f"none of {sent} echoes was answered ({where}), and it is not seen where they end"
    )


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
