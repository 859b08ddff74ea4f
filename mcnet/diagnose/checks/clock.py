"""Whether the clocks of API servers, of the broker, of the nodes and of this machine agree."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from mcnet.diagnose.broker import read_broker
from mcnet.diagnose.check import Check
from mcnet.diagnose.looked import not_looked_at
from mcnet.diagnose.site import Looks, Site
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.errors import McnetError

TOLERATED: Final = 30.0
"""Seconds. Half of what the strictest of those who compare clocks grants: API servers let a token be 60 s early or
late (go-jose's leeway), and a member's Lease at the broker lasts 60 s."""
BREAKING: Final = 60.0
"""Seconds from which on tokens and Leases are judged wrong."""
ROUNDED: Final = 1.0
"""Seconds: a Date header has no fractions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How many seconds clocks are ahead of this machine's. None: it could not be read, or tells no time."""

    cluster: str
    own: float | None
    """The API server's."""
    broker: float | None = None
    same: bool = False
    """Whether broker and own API server are one."""
    others: Mapping[str, float]
    """Of the other members' API servers, by cluster."""
    nodes: Mapping[str, float]
    """Of nodes, by name: 0 as long as nothing contradicts."""
    looks: Looks


async def gather(site: Site) -> Evidence:
    broker = await read_broker(site)
    clock = broker.held.clock if broker.held else None
    others: dict[str, float] = {}
    for other in site.others:
        try:
            if (seen := await _ahead(other)) is not None:
                others[other.member.cluster] = seen
        except McnetError:
            continue  # its own diagnosis says so
    looks = await site.looks()
    return Evidence(
        cluster=site.member.cluster,
        own=await _ahead(site),
        broker=(clock[0] - clock[1]).total_seconds() if clock else None,
        same=bool(broker.credential) and broker.server == site.api.server,
        others=others,
        nodes=node_clocks(looks),
        looks=looks,
    )


async def _ahead(site: Site) -> float | None:
    clock = await site.clock()
    return (clock[0] - clock[1]).total_seconds() if clock else None


def node_clocks(looks: Looks) -> Mapping[str, float]:
    """How far each node's clock must be ahead at least (behind: below 0), since its look lay between the moments
    at which the pods were asked for and had ended."""
    found = {}
    for node, look in looks.answers.items():
        if not looks.answered or not look.ended:
            continue
        most, least = look.began - looks.asked, look.ended - looks.answered
        found[node] = min(most, 0.0) if most < 0 else max(least, 0.0)
    return found


def judge(evidence: Evidence) -> Judgement:
    servers = {evidence.cluster: evidence.own, "broker": evidence.broker, **evidence.others}
    known = {name: seconds for name, seconds in servers.items() if seconds is not None}
    findings: list[Finding] = [*not_looked_at(evidence.looks)]
    shift = _of_this_machine(evidence, known)
    if shift:
        verdict = Verdict.WRONG if abs(shift) >= BREAKING else Verdict.WARNING
        said = f"its clock is {_apart(-shift)} that of {len(known)} API servers, which agree with each other"
        findings.append(Finding(verdict, "this machine", said, "timedatectl set-ntp true"))
    findings += _servers(evidence, shift)
    findings += [
        Finding(_verdict(ahead), f"node {node}", f"its clock is at least {_apart(ahead)} this machine's",
                "timedatectl set-ntp true", node)
        for node, ahead in sorted(evidence.nodes.items())
        if abs(ahead - shift) >= TOLERATED
    ]  # fmt: skip
    apart = max((abs(seconds) for seconds in (*known.values(), *evidence.nodes.values())), default=0.0)
    looked = f"{len(known)} API servers and {len(evidence.nodes)} nodes within {max(apart, ROUNDED):.0f} s"
    return Judgement(looked, tuple(findings))


def _of_this_machine(evidence: Evidence, known: Mapping[str, float]) -> float:
    """By how much this machine is behind all API servers, if they are several and agree; else 0."""
    machines = [seconds for name, seconds in known.items() if name != "broker" or not evidence.same]
    if len(machines) < 2 or max(machines) - min(machines) >= TOLERATED:
        return 0.0
    middle = sorted(machines)[len(machines) // 2]
    return middle if abs(middle) >= TOLERATED else 0.0


def _servers(evidence: Evidence, shift: float) -> Iterable[Finding]:
    asked = [(f"API server of {evidence.cluster}", evidence.own)]
    if not evidence.same:
        asked.append(("API server of the broker", evidence.broker))
    for about, ahead in asked:
        if ahead is None:
            if about.endswith(evidence.cluster):
                yield Finding(Verdict.UNKNOWN, about, "it does not tell its time (there is no Date in its answers)")
        elif abs(ahead - shift) >= TOLERATED:
            said = f"its clock is {_apart(ahead - shift)} this machine's"
            yield Finding(_verdict(ahead - shift), about, said, "timedatectl set-ntp true, on the machine it runs on")


def _verdict(seconds: float) -> Verdict:
    return Verdict.WRONG if abs(seconds) >= BREAKING else Verdict.WARNING


def _apart(seconds: float) -> str:
    """ "42 s ahead of", "42 s behind"."""
    return f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'}"


CHECK = Check(
    name="clock",
    title="Clocks",
    matters="tokens and certificates of a cluster whose clock is off are refused, and living members count as stale",
    gather=gather,
    judge=judge,
)
