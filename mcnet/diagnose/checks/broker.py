"""Whether the broker is reached from inside of the cluster, and whether the member's credential is good for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from mcnet.codec.broker import BrokerCredential, token_lifetime
from mcnet.diagnose.broker import Broker, look_inside, read_broker
from mcnet.diagnose.check import Check
from mcnet.diagnose.site import Site
from mcnet.kube import kinds
from mcnet.kube.kinds import JsonObject
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.errors import McnetError
from mcnet.model.member import MEMBER_NAME

OVERDUE: Final = timedelta(hours=1)
"""How long after its time a renewal may be missing: discovery tries every minute."""
USABLE: Final = "BrokerUsable"
UNUSABLE: Final = "BrokerUnusable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`inside` is why a pod could not reach the broker ("" if it could), None if no pod could look, for `unlooked`.
    `said` is discovery's newest event about the broker: its reason and note."""

    cluster: str
    option: str = ""
    kubectl: str = "kubectl -n mcnet-system"
    broker: Broker
    inside: str | None = ""
    unlooked: str = ""
    said: tuple[str, str] = ("", "")
    now: datetime


async def gather(site: Site) -> Evidence:
    broker = await read_broker(site)
    inside: str | None = None
    unlooked = ""
    try:
        inside = (await look_inside(site)).broker
    except McnetError as error:
        unlooked = error.message
    return Evidence(
        cluster=site.member.cluster,
        option=site.option,
        kubectl=site.kubectl,
        broker=broker,
        inside=inside,
        unlooked=unlooked,
        said=newest(await site.listed(kinds.EVENT)),
        now=datetime.now(UTC),
    )


def newest(events: Iterable[JsonObject]) -> tuple[str, str]:
    """Reason and note of discovery's newest event about the broker; "" without one."""
    found = [
        (str(event.get("eventTime") or ""), str(event["reason"]), str(event.get("note") or ""))
        for event in events
        if event.get("reason") in (USABLE, UNUSABLE)
        and (event.get("regarding") or {}).get("name") == MEMBER_NAME
    ]  # fmt: skip
    return max(found)[1:] if found else ("", "")


def judge(evidence: Evidence) -> Judgement:
    credential = evidence.broker.credential
    if credential is None:
        remedy = f"mcnet join broker-info.mcnet{evidence.option}"
        finding = Finding(Verdict.WRONG, f"cluster {evidence.cluster}", evidence.broker.missing, remedy)
        return Judgement("no credential of the broker", (finding,))
    findings = [*_reach(evidence, credential), *_credential(evidence, credential)]
    if not findings:
        findings += _discovery(evidence, credential)
    return Judgement(_looked(evidence, credential), tuple(findings))


def _looked(evidence: Evidence, credential: BrokerCredential) -> str:
    reached = "reached from a pod" if evidence.inside == "" else "tried from a pod"
    end = ends(credential)
    return f"{credential.server} {reached}" + (f"; the credential ends {end:%Y-%m-%d}" if end else "")


def ends(credential: BrokerCredential) -> datetime | None:
    """When the credential ends, None if nothing tells."""
    lifetime = token_lifetime(credential.token)
    return lifetime.expires if lifetime else credential.expires


def _reach(evidence: Evidence, credential: BrokerCredential) -> Iterable[Finding]:
    about = f"broker {credential.server}"
    if evidence.inside is None:
        yield Finding(Verdict.UNKNOWN, about, f"no pod could try to reach it: {evidence.unlooked}")
    elif evidence.inside:
        said = f"it can't be reached from the pods of {evidence.cluster}: {evidence.inside}"
        remedy = f"open the way from the nodes and pods of {evidence.cluster} to {credential.server}"
        yield Finding(Verdict.WRONG, about, said, remedy)


def _credential(evidence: Evidence, credential: BrokerCredential) -> Iterable[Finding]:
    about = f"credential of {evidence.cluster}"
    renew = f"mcnet member renew {evidence.cluster}{evidence.broker.option}"
    if member := evidence.option.strip().removeprefix("--context "):
        renew += f" --member-context {member}"
    lifetime, end = token_lifetime(credential.token), ends(credential)
    if end and end <= evidence.now:
        yield Finding(Verdict.WRONG, about, f"it ended at {end:%Y-%m-%d %H:%M} UTC", renew)
    elif evidence.broker.refused:
        said = f"the broker does not accept it: {evidence.broker.refused}"
        yield Finding(Verdict.WRONG, about, said, renew)
    elif end and lifetime and evidence.now > lifetime.renewal + OVERDUE:
        said = f"it ends at {end:%Y-%m-%d %H:%M} UTC and should have been renewed since {lifetime.renewal:%Y-%m-%d}"
        yield Finding(Verdict.WARNING, about, said, renew)
    elif evidence.broker.unreached and evidence.said[0] != USABLE:
        said = f"whether the broker accepts it could not be asked from here: {evidence.broker.unreached}"
        yield Finding(Verdict.UNKNOWN, about, said)


def _discovery(evidence: Evidence, credential: BrokerCredential) -> Iterable[Finding]:
    """What discovery says, where nothing else explains it."""
    reason, note = evidence.said
    if reason == UNUSABLE:
        remedy = f"{evidence.kubectl} logs -l app.kubernetes.io/component=discovery --tail 20"
        said = f"discovery can't use {credential.server}: {note}"
        yield Finding(Verdict.WARNING, f"discovery of {evidence.cluster}", said, remedy)


CHECK = Check(
    name="broker",
    title="Broker",
    matters="without the broker the data path goes on, but no change of any cluster reaches another",
    gather=gather,
    judge=judge,
)
