"""Whether all members of the clusterset are alive, have gateways, and are known here as the broker has them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from mcnet.codec import pins as pins_codec
from mcnet.diagnose.broker import Broker, Holding, read_broker
from mcnet.diagnose.check import Check
from mcnet.diagnose.site import Site
from mcnet.kube import kinds
from mcnet.kube.kinds import JsonObject
from mcnet.model.cluster import ClusterId
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.gateway import CableState
from mcnet.model.node import GATEWAY_LABEL
from mcnet.model.trust import PINS_NAME, Pin
from mcnet.plan.trust import is_stopped, keys_differ

GRACE: Final = 30.0
"""Seconds beyond a Lease's own duration until a member counts as stale: a renewal may just be on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the broker holds and what this cluster holds of it; `connected` are the clusters with a live cable."""

    cluster: str
    kubectl: str = "kubectl -n mcnet-system"
    broker: Broker
    clusters: tuple[JsonObject, ...] = ()
    connected: frozenset[str] = frozenset()
    pins: Mapping[ClusterId, Pin] = field(default_factory=dict)
    """By which keys the others are known here."""
    option: str = ""
    """The option that leads to this cluster."""
    contexts: Mapping[str, str]
    """The option that leads to another member, by cluster."""


async def gather(site: Site) -> Evidence:
    cables = [cable for gateway in await site.gateways() for cable in gateway.cables]
    return Evidence(
        cluster=site.member.cluster,
        kubectl=site.kubectl,
        broker=await read_broker(site),
        clusters=tuple(await site.listed(kinds.CLUSTER)),
        connected=frozenset(cable.cluster for cable in cables if cable.state is CableState.CONNECTED),
        pins=pins_codec.decode(await site.found(kinds.CONFIG_MAP, PINS_NAME)),
        option=site.option,
        contexts={one.member.cluster: one.option for one in (site, *site.others)},
    )


def judge(evidence: Evidence) -> Judgement:
    held = evidence.broker.held
    if held is None:
        said = f"the broker could not be read: {evidence.broker.unread}"
        finding = Finding(Verdict.UNKNOWN, "the clusterset's members", said, "mcnet diagnose broker")
        return Judgement("not looked at", (finding,))
    ids = [_name(obj) for obj in held.clusters]
    findings = [
        *(one for cluster in ids for one in _alive(evidence, held, cluster)),
        *(one for cluster in ids for one in _gateways(evidence, held, cluster)),
        *_trusted(evidence),
        *_mirrored(evidence, held),
    ]
    noun = "member" if len(ids) == 1 else "members"
    return Judgement(f"{len(ids)} {noun} at the broker: {', '.join(ids)}", tuple(findings))


def _alive(evidence: Evidence, held: Holding, cluster: str) -> Iterable[Finding]:
    if cluster in evidence.connected:
        return  # a live cable is more than a missing sign of life
    lease = next((obj for obj in held.leases if _name(obj) == cluster), None)
    silent = silence(lease, held.now) if lease else None
    if lease and (silent is None or silent <= _duration(lease) + GRACE):
        return
    seen = f"it was last seen {_ago(silent)} ago" if silent is not None else "it has never been seen"
    if cluster == evidence.cluster:
        said = f"{seen} at the broker: its discovery does not renew its Lease there"
        remedy = f"{evidence.kubectl} rollout restart deployment/mcnet-discovery"
        yield Finding(Verdict.WRONG, f"member {cluster}", said, remedy)
        return
    said = f"{seen} at the broker, and no cable to it is connected; if it is gone for good, remove it"
    remedy = f"mcnet member remove {cluster}{evidence.broker.option}"
    yield Finding(Verdict.WARNING, f"member {cluster}", said, remedy)


def silence(lease: JsonObject, now: datetime) -> float | None:
    """Seconds since a Lease was renewed; None if it does not tell."""
    text = (lease.get("spec") or {}).get("renewTime")
    try:
        renewed = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return (now - (renewed if renewed.tzinfo else renewed.replace(tzinfo=UTC))).total_seconds()


def _duration(lease: JsonObject) -> float:
    seconds = (lease.get("spec") or {}).get("leaseDurationSeconds")
    return float(seconds) if isinstance(seconds, int) else 60.0


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _gateways(evidence: Evidence, held: Holding, cluster: str) -> Iterable[Finding]:
    if any(_name(obj).partition(".")[0] == cluster for obj in held.endpoints):
        return
    option = evidence.contexts.get(cluster, "")
    remedy = f"kubectl{option} label node NODE {GATEWAY_LABEL}=true"
    if cluster != evidence.cluster and not option:
        remedy = f"mcnet show gateways, in {cluster}'s context"
    verdict = Verdict.WRONG if cluster == evidence.cluster else Verdict.WARNING
    yield Finding(verdict, f"member {cluster}", "it has published no gateway: no other cluster reaches it", remedy)


def _trusted(evidence: Evidence) -> Iterable[Finding]:
    for cluster, pin in sorted(evidence.pins.items()):
        if is_stopped(pin):
            said = f"its keys have changed ({keys_differ(pin)}): nothing of it is used here, its cables are stopped"
            # Without --yes: the fingerprint is to be compared, not the command to be run blindly.
            yield Finding(Verdict.WRONG, f"member {cluster}", said, f"mcnet member trust {cluster}{evidence.option}")


def _mirrored(evidence: Evidence, held: Holding) -> Iterable[Finding]:
    """Clusters that differ between here and the broker, which discovery is there to prevent."""
    here = {_name(obj): obj for obj in evidence.clusters}
    there = {_name(obj): obj for obj in held.clusters}
    remedy = f"{evidence.kubectl} rollout restart deployment/mcnet-discovery"
    stopped = {cluster for cluster, pin in evidence.pins.items() if is_stopped(pin)}
    for cluster in sorted((here.keys() | there.keys()) - stopped):
        if cluster not in here:
            said = f"the broker has it, but it is not known in {evidence.cluster}"
        elif cluster not in there:
            said = f"it is known in {evidence.cluster}, but the broker has it no more"
        elif here[cluster].get("spec") != there[cluster].get("spec"):
            said = f"what is known of it in {evidence.cluster} differs from what the broker has"
        else:
            continue
        yield Finding(Verdict.WRONG, f"member {cluster}", said, remedy)


def _name(obj: JsonObject) -> str:
    return str(obj["metadata"]["name"])


CHECK = Check(
    name="members",
    title="Members",
    matters="a member that is gone keeps its networks and its cables' error states until it is removed",
    gather=gather,
    judge=judge,
)
