"""Whether every tunnel path carries packets as large as its device says, in one piece."""

from collections.abc import Iterator

from mcnet.diagnose.check import Check
from mcnet.diagnose.checks.cable_port import gather
from mcnet.diagnose.looked import not_looked_at
from mcnet.diagnose.tunnels import Evidence, pairs
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.look import Path, Tunnel
from mcnet.plan.path_mtu import Narrow, narrow
from mcnet.plan.tunnel_paths import End


def judge(evidence: Evidence) -> Judgement:
    found = [*not_looked_at(evidence.own.looks)]
    measured = 0
    for tunnel in Tunnel:
        for path, near, far, back in pairs(evidence, tunnel):
            measured += bool(near.look or far.look)
            found += _path(evidence, path, near, far, back)
    return Judgement(f"the largest packet measured on {measured} paths", tuple(found))


def _path(evidence: Evidence, path: Path, near: End, far: End, back: Path | None) -> Iterator[Finding]:
    found = narrow(path, near.look, far.look) if near.look else None
    if found is None and back is not None and far.look:
        found = narrow(back, far.look, near.look)
    if found is None:
        return
    about = f"{near.name} ↔ {far.name}"
    remedy = (
        f"mcnet config set underlay-mtu {found.underlay}{evidence.own.option}"
        if found.settable
        else f"give the network between {path.outer_source} and {path.outer_target} an MTU of 1350 bytes or more"
    )
    yield Finding(Verdict.WRONG if found.lost else Verdict.WARNING, about, _said(path, found), remedy)


def _said(path: Path, found: Narrow) -> str:
    if found.lost:
        return (
            f"packets of more than {found.carried} bytes vanish, {path.device} promises {found.promised}: the "
            f"network between carries {found.underlay} bytes, and nobody is told"
        )
    return (
        f"large packets come in fragments: {path.device} promises {found.promised} bytes, in one piece the network "
        f"between carries {found.underlay} bytes of ours, {found.carried} inside"
    )


CHECK = Check(
    name="mtu",
    title="Packet sizes",
    matters="connections over a path that carries less than promised begin, then hang with the first large packet; "
    "fragments cost throughput, and many firewalls drop them",
    gather=gather,
    judge=judge,
)
