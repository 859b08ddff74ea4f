"""Reads and changes the settings of a joined cluster, and those of the clusterset at its broker. What settings there
are is mcnet.plan.settings'; a change applies exactly what a join with it would.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mcnet.codec import cluster as cluster_codec
from mcnet.codec import clusterset as clusterset_codec
from mcnet.codec import member as member_codec
from mcnet.codec.batch import decode_all
from mcnet.install import dns_daemon
from mcnet.install.apply import Applied, Outcome, apply_all, changed
from mcnet.install.discover import discover
from mcnet.install.image import default_image
from mcnet.install.leave import IMAGE_ANNOTATION
from mcnet.install.manifests import manifests
from mcnet.install.progress import Progress
from mcnet.install.pull_secrets import copies
from mcnet.install.rollout import await_rollout
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject
from mcnet.model.cluster import Cluster, ClusterSet
from mcnet.model.errors import McnetError, UsageError
from mcnet.model.member import (
    API_GROUP,
    BROKER_NAMESPACE,
    CLUSTERSET_NAME,
    MEMBER_NAME,
    SYSTEM_NAMESPACE,
    Member,
)
from mcnet.model.node import GATEWAY_LABEL
from mcnet.plan import approval, gateway_choice, settings
from mcnet.plan import driver as drivers
from mcnet.plan.cluster_id import parse_cluster_id
from mcnet.plan.settings import Effect, Place, Setting

REPLACEMENT_ROLE = "mcnet-gateway-replacement"
"""ClusterRole and binding that let discovery label nodes where `gateways` is auto; without rules elsewhere."""


@dataclass(frozen=True, slots=True)
class State:
    """A cluster's settings, and the clusterset as this cluster knows it."""

    member: Member
    own: Cluster | None
    """Its record as approved."""
    others: tuple[Cluster, ...]
    clusterset: ClusterSet | None


@dataclass(frozen=True, slots=True)
class Change:
    """One setting before and after, what else has to be done to the nodes, and what the user should know."""

    setting: Setting
    state: State
    after: Member
    label: tuple[str, ...] = ()
    unlabel: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def before(self) -> str:
        return self.setting.form(getattr(self.state.member, self.setting.field))

    @property
    def wanted(self) -> str:
        return self.setting.form(getattr(self.after, self.setting.field))

    @property
    def needed(self) -> bool:
        """Whether anything changes; that the user's word is kept counts too."""
        return self.after != self.state.member or bool(self.label or self.unlabel)


async def read(api: Api) -> State:
    """Raises UsageError if the cluster has not joined."""
    member = await api.find(kinds.MEMBER, MEMBER_NAME, SYSTEM_NAMESPACE)
    if member is None:
        raise UsageError(f"{api.context or api.server} has not joined a clusterset", "mcnet join")
    clusters = decode_all(cluster_codec.decode, await api.list(kinds.CLUSTER, SYSTEM_NAMESPACE), [])
    options = await api.find(kinds.CLUSTERSET, CLUSTERSET_NAME, SYSTEM_NAMESPACE)
    value = member_codec.decode(member)
    if not value.image:  # joined by a version that did not note it
        namespace = await api.find(kinds.NAMESPACE, SYSTEM_NAMESPACE)
        noted = str(((namespace or {}).get("metadata", {}).get("annotations") or {}).get(IMAGE_ANNOTATION, ""))
        value = replace(value, image=noted or default_image())
    return State(
        member=value,
        own=next((one for one in clusters if one.id == value.cluster), None),
        others=tuple(one for one in clusters if one.id != value.cluster),
        clusterset=clusterset_codec.decode(options) if options else None,
    )


async def plan_change(api: Api, key: str, values: Sequence[str], *, take_back: bool = False) -> Change:
    """What setting `key` would change; changes nothing. Raises UsageError for a wrong key or value, McnetError for a
    value that would break connections."""
    setting = settings.find(key)
    if setting.place is Place.CLUSTERSET:
        raise UsageError(f"{key} is a setting of the whole clusterset", "set it at the broker: --broker-context")
    wanted = None if take_back else settings.parse(setting, values)
    state = await read(api)
    if take_back:
        after = settings.taken_back(state.member, key, await _found(api, setting))
    else:
        after = settings.changed(state.member, key, wanted)
    nodes = await api.list(kinds.NODE) if setting.effect is Effect.LABELS else []
    label, unlabel = await _labels(api, after, nodes)
    return Change(setting, state, after, label, unlabel, tuple(_notes(setting, state, after)))


async def _found(api: Api, setting: Setting) -> Any:
    if setting.default is not None:
        return setting.default
    if setting.key == "image":
        return default_image()
    facts = await discover(api)
    found = facts.pod_prefixes if setting.key == "pod-cidr" else facts.service_prefixes
    if not found:
        raise McnetError(f"{setting.key} could not be found out", f"say it: mcnet config set {setting.key} CIDR")
    return found


def _notes(setting: Setting, state: State, after: Member) -> list[str]:
    if setting.effect is not Effect.APPROVAL:
        return []
    for clash in approval.pod_clashes(after.pod_prefixes, state.others):
        raise McnetError(
            f"{clash}: the connection to {clash.cluster} would be lost",
            "name a network that no other member has: mcnet member list, at the broker",
        )
    free, notes = approval.advertised(after.cluster, after.service_prefixes, state.others)
    wait = approval.difference(state.own.prefixes if state.own else (), (*after.pod_prefixes, *free))
    if wait and state.own:
        notes.append(f"{wait} waits for the broker's admin: mcnet member approve {after.cluster}")
    return notes


async def _labels(api: Api, after: Member, nodes: list[JsonObject]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which nodes become gateways and which stop being one: those with the highest rails go first."""
    if not nodes:
        return (), ()
    labelled = gateway_choice.labelled_gateways(nodes)
    chosen = gateway_choice.choose_gateways(nodes, after.gateways.number, dict(after.node_selector))
    surplus = len(labelled) - after.gateways.number
    if surplus <= 0:
        return tuple(node for node in chosen if node not in labelled), ()
    leases = await api.list(kinds.LEASE, SYSTEM_NAMESPACE)
    rails = {str((lease.get("spec") or {}).get("holderIdentity")): str(lease["metadata"]["name"]) for lease in leases}
    return (), tuple(sorted(labelled, key=lambda node: (rails.get(node, "~"), node), reverse=True)[:surplus])


async def change(api: Api, wanted: Change, *, dry_run: bool = False) -> list[Applied]:
    """Applies it; what changed."""
    objects = [
        obj for obj in manifests(wanted.after, await dns_daemon.values(api)) if _concerned(obj, wanted.setting)
    ]
    secrets = await copies(api, wanted.after.pull_secrets) if wanted.setting.key == "pull-secrets" else []
    applied = changed(await apply_all(api, [*secrets, *objects], dry_run=dry_run))
    for nodes, value in ((wanted.label, "true"), (wanted.unlabel, None)):
        for node in nodes:
            if not dry_run:
                await api.merge_patch(kinds.NODE, node, {"metadata": {"labels": {GATEWAY_LABEL: value}}})
            applied.append(Applied("Node", node, Outcome.CHANGED, (f"metadata.labels.{GATEWAY_LABEL}",)))
    return applied


def _concerned(obj: JsonObject, setting: Setting) -> bool:
    """Which objects a setting can change: so that nothing else of another version of this command is applied."""
    if obj["kind"] in (kinds.CLUSTER_ROLE.kind, kinds.CLUSTER_ROLE_BINDING.kind):
        return setting.effect is Effect.LABELS and bool(obj["metadata"]["name"] == REPLACEMENT_ROLE)
    if obj["kind"] == kinds.CRD.kind:
        return bool(obj["metadata"]["name"] == f"{kinds.MEMBER.plural}.{API_GROUP}")
    workloads = (kinds.NAMESPACE.kind, kinds.DAEMON_SET.kind, kinds.DEPLOYMENT.kind)
    return obj["kind"] == kinds.MEMBER.kind or (setting.effect is Effect.ROLLS and obj["kind"] in workloads)


async def settle(api: Api, wanted: Change, *, timeout: float, progress: Progress) -> None:
    """Waits until the daemons run as set, where the change restarts any."""
    if wanted.setting.effect in (Effect.ROLLS, Effect.LABELS):
        gateways = len(gateway_choice.labelled_gateways(await api.list(kinds.NODE)))
        await await_rollout(api, gateways=gateways, timeout=timeout, progress=progress)


async def set_clusterset(broker: Api, key: str, values: Sequence[str], *, dry_run: bool = False) -> tuple[str, str]:
    """Changes an option of the clusterset, as the broker's admin; its text before and after."""
    setting = settings.find(key)
    if setting.place is not Place.CLUSTERSET:
        raise UsageError(f"{key} is a setting of each cluster", f"mcnet config set {key} … --context CLUSTER")
    wanted = settings.parse(setting, values)
    obj = await broker.find(kinds.CLUSTERSET, CLUSTERSET_NAME, BROKER_NAMESPACE)
    if obj is None:
        raise UsageError(f"{broker.context or broker.server} is no broker", "mcnet deploy-broker")
    before = getattr(clusterset_codec.decode(obj), setting.field)
    if before != wanted and not dry_run:
        patch = {"spec": {_FIELDS[setting.field]: wanted}}
        await broker.merge_patch(kinds.CLUSTERSET, CLUSTERSET_NAME, patch, BROKER_NAMESPACE)
    return setting.form(before), setting.form(wanted)


async def set_pair(broker: Api, pair: Sequence[str], driver: str | None, *, dry_run: bool = False) -> tuple[str, str]:
    """The cable driver between two clusters, None for the clusterset's default; before and after. As the broker's
    admin. Raises UsageError."""
    one, other = (parse_cluster_id(name) for name in pair)
    if one == other:
        raise UsageError(f"{one} has no cable to itself", "name two clusters")
    obj = await broker.find(kinds.CLUSTERSET, CLUSTERSET_NAME, BROKER_NAMESPACE)
    if obj is None:
        raise UsageError(f"{broker.context or broker.server} is no broker", "mcnet deploy-broker")
    members = {str(found["metadata"]["name"]) for found in await broker.list(kinds.CLUSTER, BROKER_NAMESPACE)}
    if unknown := sorted({one, other} - members):
        raise UsageError(
            f"{' and '.join(unknown)} is no member of the clusterset",
            f"its members are {', '.join(sorted(members)) or 'none'}",
        )
    options = clusterset_codec.decode(obj)
    before = drivers.wanted(options, one, other)
    exceptions = {key: value for key, value in options.drivers_for_pairs.items() if key != {one, other}}
    if driver is not None:
        exceptions[frozenset({one, other})] = driver
    after = replace(options, drivers_for_pairs=exceptions)
    if after != options and not dry_run:
        spec = clusterset_codec.encode(after)["spec"]
        patch = {"spec": {"driverExceptions": spec.get("driverExceptions") or None}}
        await broker.merge_patch(kinds.CLUSTERSET, CLUSTERSET_NAME, patch, BROKER_NAMESPACE)
    return before, drivers.wanted(after, one, other)


_FIELDS = {"default_driver": "defaultDriver"}
"""Names of the clusterset's options in its object."""


def rows(state: State) -> list[dict[str, Any]]:
    """All settings as `config show` prints them."""
    shown = []
    for setting in settings.SETTINGS:
        owner: Any = state.member if setting.place is Place.MEMBER else state.clusterset
        value = getattr(owner, setting.field) if owner is not None else setting.default
        shown.append(
            {
                "key": setting.key,
                "value": setting.form(value),
                "default": _default(setting),
                "source": settings.source(setting, state.member) if setting.place is Place.MEMBER else "clusterset",
                "waiting": _waiting(setting, state),
                "effect": setting.effect.value,
                "help": setting.help,
            }
        )
    return shown


def _default(setting: Setting) -> str:
    if setting.key == "image":
        return default_image()
    return "found out" if setting.default is None else setting.form(setting.default)


def _waiting(setting: Setting, state: State) -> str:
    if setting.effect is not Effect.APPROVAL or state.own is None:
        return ""
    if setting.key == "pod-cidr":
        return str(approval.difference(state.own.pod_prefixes, state.member.pod_prefixes))
    free, _ = approval.advertised(state.member.cluster, state.member.service_prefixes, state.others)
    return str(approval.difference(state.own.service_prefixes, free))
