"""Whether Kubernetes is new enough, and all parts of mcnet are of one version: this command, daemons, members."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mcnet import __version__
from mcnet.diagnose.broker import read_broker
from mcnet.diagnose.check import Check
from mcnet.diagnose.site import Site
from mcnet.kube import kinds
from mcnet.model.cluster import PROTOCOL_VERSION
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.plan.versions import BROKER_MINIMUM, MEMBER_MINIMUM, Minor, parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Versions by where they run. `daemons` are this cluster's, by name; `members` the other clusters', as their
    discovery reported it; "" where nothing is reported yet. `contexts` are members that can be joined again from
    here, with the option for it."""

    cluster: str
    option: str = ""
    kubernetes: str = ""
    broker: str | None = None
    """The broker's Kubernetes, None if it could not be asked."""
    command: str = __version__
    daemons: Mapping[str, str]
    members: Mapping[str, str]
    protocols: Mapping[str, int]
    """Protocol version by member, as far as reported; of the clusterset under ""."""
    contexts: Mapping[str, str]


async def gather(site: Site) -> Evidence:
    broker = await read_broker(site)
    clusters = await site.clusters()
    own = next((one.version for one in clusters if one.id == site.member.cluster), "")
    daemons = {f"gateway on {one.node}": one.version for one in await site.gateways()}
    daemons |= {f"route agent on {one.node}": one.version for one in await site.node_states()}
    sets = await site.listed(kinds.CLUSTERSET)
    protocols = {str(obj["metadata"]["name"]): _protocol(obj, "status") for obj in await site.listed(kinds.CLUSTER)}
    protocols[""] = _protocol(sets[0], "spec") if sets else None
    return Evidence(
        cluster=site.member.cluster,
        option=site.option,
        kubernetes=await site.version(),
        broker=broker.held.version if broker.held else None,
        daemons={"discovery": own, **daemons},
        members={one.id: one.version for one in clusters if one.id != site.member.cluster},
        protocols={name: number for name, number in protocols.items() if number is not None},
        contexts={one.member.cluster: one.option for one in site.others},
    )


def _protocol(obj: dict[str, Any], part: str) -> int | None:
    number = (obj.get(part) or {}).get("protocolVersion")
    return number if isinstance(number, int) else None


def judge(evidence: Evidence) -> Judgement:
    findings = (*_kubernetes(evidence), *_daemons(evidence), *_members(evidence), *_protocols(evidence))
    broker = f", the broker {evidence.broker}" if evidence.broker else ""
    looked = f"mcnet {evidence.command}; Kubernetes {evidence.kubernetes or 'of unknown version'}{broker}"
    return Judgement(looked, tuple(findings))


def number(version: str) -> tuple[int, ...]:
    """What versions are ordered by: "0.2.0.dev1" is (0, 2, 0); () for one without numbers."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def _kubernetes(evidence: Evidence) -> Iterable[Finding]:
    asked: tuple[tuple[str, str, Minor], ...] = (
        (f"cluster {evidence.cluster}", evidence.kubernetes, MEMBER_MINIMUM),
        ("the broker", evidence.broker or "", BROKER_MINIMUM),
    )
    for about, text, minimum in asked:
        version = parse(text)
        if version is not None and version < minimum:
            said = f"it runs Kubernetes {text}, but mcnet needs {minimum} or later there"
            yield Finding(Verdict.WRONG, about, said, f"upgrade its Kubernetes to {minimum} or later")


def _daemons(evidence: Evidence) -> Iterable[Finding]:
    other: dict[str, list[str]] = {}
    for name, version in sorted(evidence.daemons.items()):
        if version and version != evidence.command:
            other.setdefault(version, []).append(name)
    for version, names in sorted(other.items()):
        listed = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        said = (
            f"{listed} {'is' if len(names) == 1 else 'are'} of version {version}, this command of {evidence.command}"
        )
        yield Finding(Verdict.WARNING, f"daemons of {evidence.cluster}", said, _remedy(evidence, version))


def _remedy(evidence: Evidence, version: str) -> str:
    if number(version) > number(evidence.command):
        return f'install mcnet {version} here, as README.md says under "Use it"'
    return f"mcnet join broker-info.mcnet{evidence.option}"


def _members(evidence: Evidence) -> Iterable[Finding]:
    own = evidence.daemons.get("discovery") or evidence.command
    for member, version in sorted(evidence.members.items()):
        if not version or version == own:
            continue
        older, option = (evidence.cluster, evidence.option)
        if number(version) < number(own):
            older, option = member, evidence.contexts.get(member, "")
        said = f"it runs mcnet {version}, {evidence.cluster} runs {own}"
        where = "" if option or older == evidence.cluster else f", where {member} is the current context"
        yield Finding(
            Verdict.WARNING, f"member {member}", said + where, f"mcnet join broker-info.mcnet{option}"
        )  # fmt: skip


def _protocols(evidence: Evidence) -> Iterable[Finding]:
    wanted = evidence.protocols.get("", PROTOCOL_VERSION)
    for member, spoken in sorted(evidence.protocols.items()):
        if spoken == wanted or not member:
            continue
        option = evidence.option if member == evidence.cluster else evidence.contexts.get(member, "")
        said = f"it speaks protocol version {spoken}, the clusterset's is {wanted}: they don't understand each other"
        yield Finding(Verdict.WRONG, f"member {member}", said, f"mcnet join broker-info.mcnet{option}")
    if wanted != PROTOCOL_VERSION:
        said = f"it speaks protocol version {PROTOCOL_VERSION}, the clusterset's is {wanted}"
        yield Finding(Verdict.WARNING, "this command", said, "install the mcnet that the clusterset's daemons have")


CHECK = Check(
    name="versions",
    title="Versions",
    matters="parts of different versions may not understand each other, or lack what was mended in others",
    gather=gather,
    judge=judge,
)
