"""Connects the cluster's own DNS with `clusterset.local`, and puts it back: what `join` and `leave` do about DNS.

What is changed is mcnet.plan.cluster_dns'. Each change is made on the very version that was looked at: an object that
its owner changes at the same moment is looked at again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from mcnet.install import dns_daemon
from mcnet.install.apply import SYSTEM_LABELS, Applied, Outcome, apply_all
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject
from mcnet.model.errors import ConflictError, McnetError, NotFoundError
from mcnet.model.kernel import Address
from mcnet.model.member import MANAGED_LABEL, SYSTEM_NAMESPACE
from mcnet.plan import cluster_dns
from mcnet.plan.cluster_dns import CONFIG_MAPS, ConfigMap, Edit, Found, LeftAlone, Plan
from mcnet.render.engine import render
from mcnet.render.values import CorednsValues, DnsValues

SYSTEM: Final = "kube-system"
SERVICE: Final = "mcnet-dns"
"""The DNS daemon's Service."""
TRIES: Final = 5
READ_WITHIN = 120.0
"""Seconds until a changed ConfigMap has come to the pods (a minute or so, by their kubelets), and CoreDNS has seen
it (its plugin `reload` looks twice a minute)."""
UNKNOWN: Final = ip_address("0.0.0.0")
"""Stands for the address of a Service that is not there yet."""
_PODS: Final = "k8s-app=kube-dns"
"""The label of the cluster's DNS, whichever it is, since there was only one."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found, and the objects that it was found in, by which they are changed."""

    found: Found
    maps: Mapping[ConfigMap, JsonObject]
    operator: JsonObject | None = None
    account: str = ""
    """The ServiceAccount of the pods that serve the cluster's DNS."""


async def look(api: Api) -> Looked:
    """What serves the cluster's DNS."""
    maps = {place: await api.find(kinds.CONFIG_MAP, place.name, place.namespace) for place in CONFIG_MAPS}
    there = {place: obj for place, obj in maps.items() if obj is not None}
    operator = await api.find(kinds.OPENSHIFT_DNS, "default")
    pods = [
        obj["spec"]["template"]["spec"]
        for kind in (kinds.DEPLOYMENT, kinds.DAEMON_SET)
        for obj in await api.list(kind, SYSTEM, labels=_PODS)
    ]
    images = [(container["image"], pod) for pod in pods for container in pod["containers"]]
    coredns: tuple[str, JsonObject] = next(((image, pod) for image, pod in images if "coredns" in image), ("", {}))
    servers = None if operator is None else tuple((operator.get("spec") or {}).get("servers") or ())
    found = Found(
        maps={place: obj.get("data") or {} for place, obj in there.items()},
        image=coredns[0],
        kube_dns=not coredns[0] and any("kube-dns" in image for image, _ in images),
        servers=servers,
    )
    return Looked(found, there, operator, str(coredns[1].get("serviceAccountName", "")))


async def has_imports(api: Api) -> bool:
    """Whether the cluster knows ServiceImports: without them there is nothing to be asked for."""
    return await api.find(kinds.CRD, f"{kinds.SERVICE_IMPORT.plural}.{kinds.SERVICE_IMPORT.group}") is not None


async def daemon(api: Api, *, imports: bool = False) -> DnsValues | None:
    """What the member's manifests are to have of the DNS daemon: nothing where the cluster's own DNS answers, or has
    nothing to answer. With `imports` the cluster is taken to know ServiceImports, as after a join."""
    wanted = (imports or await has_imports(api)) and cluster_dns.needs_daemon((await look(api)).found)
    return DnsValues() if wanted else None


@dataclass(frozen=True, slots=True)
class Connected:
    """What its owner has to change, and whether anything was changed: its programs read that within READ_WITHIN.
    `itself`: it answers without mcnet's DNS daemon."""

    left: tuple[LeftAlone, ...] = ()
    changed: bool = False
    itself: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """What `connect` would change, and what its owner would have to."""

    applied: tuple[Applied, ...]
    left: tuple[LeftAlone, ...] = ()


async def connect(api: Api, told: Callable[[str], None] = lambda text: None) -> Connected:
    """The cluster's DNS answers `clusterset.local` afterwards, but for what is left alone. The DNS daemon is there
    already where it is needed (cluster_dns.needs_daemon), else NotFoundError is raised."""
    for _ in range(TRIES):
        looked = await look(api)
        address = await _address(api) if cluster_dns.needs_daemon(looked.found) else None
        if address is None and looked.account:
            await apply_all(api, _roles(looked))
        made = cluster_dns.plan(looked.found, address)
        if await _perform(api, looked, made, told):
            changed = bool(made.edits) or made.servers is not None
            return Connected(made.left, changed, itself=address is None)
    raise _fought()


async def preview(api: Api) -> Preview:
    """What a join would do; changes nothing."""
    looked = await look(api)
    applied: list[Applied] = []
    address = None
    if cluster_dns.needs_daemon(looked.found):
        there = await api.find(kinds.SERVICE, SERVICE, SYSTEM_NAMESPACE)
        address = ip_address(there["spec"]["clusterIP"]) if there else UNKNOWN
    elif looked.account:
        applied += await apply_all(api, _roles(looked), dry_run=True)
    made = cluster_dns.plan(looked.found, address)
    for edit in made.edits:
        name = f"{edit.place.namespace}/{edit.place.name}"
        outcome = Outcome.CHANGED if edit.place in looked.maps else Outcome.CREATED
        applied.append(Applied("ConfigMap", name, outcome, (f"data.{edit.key}",)))
    if made.servers is not None:
        applied.append(Applied("DNS", "default", Outcome.CHANGED, ("spec.servers",)))
    if address is None and not made.left and await dns_daemon.is_there(api):
        applied.append(Applied("Deployment", SERVICE, Outcome.CHANGED, ("removed",)))
    return Preview(tuple(applied), made.left)


def _roles(looked: Looked) -> tuple[JsonObject, ...]:
    """What lets the cluster's CoreDNS read ServiceImports."""
    return render("coredns", CorednsValues(account=looked.account, namespace=SYSTEM))


async def disconnect(api: Api, told: Callable[[str], None] = lambda text: None) -> None:
    """The configuration of the cluster's DNS is as it was before."""
    for _ in range(TRIES):
        looked = await look(api)
        if await _perform(api, looked, cluster_dns.undo(looked.found), told):
            return
    raise _fought()


async def _perform(api: Api, looked: Looked, made: Plan, told: Callable[[str], None]) -> bool:
    """Whether all was done; not, if an object was changed by somebody else meanwhile."""
    try:
        for edit in made.edits:
            told(f"ConfigMap {edit.place.namespace}/{edit.place.name}: {edit.key}")
            await _edit(api, looked.maps.get(edit.place), edit)
        if made.servers is not None and looked.operator is not None:
            told("DNS default of OpenShift's operator: spec.servers")
            patch = {"spec": {"servers": [dict(one) for one in made.servers]}}
            await api.merge_patch(kinds.OPENSHIFT_DNS, "default", patch | _version(looked.operator))
    except (ConflictError, NotFoundError):
        return False
    return True


async def _edit(api: Api, obj: JsonObject | None, edit: Edit) -> None:
    place = edit.place
    if obj is None:
        metadata = {"name": place.name, "namespace": place.namespace, "labels": dict(SYSTEM_LABELS)}
        await api.create(kinds.CONFIG_MAP, {"metadata": metadata, "data": {edit.key: edit.value}})
        return
    if edit.value is None and _is_ours_alone(obj, edit.key):
        await api.delete(kinds.CONFIG_MAP, place.name, place.namespace, uid=obj["metadata"]["uid"])
        return
    patch = {"data": {edit.key: edit.value}} | _version(obj)
    await api.merge_patch(kinds.CONFIG_MAP, place.name, patch, place.namespace)


def _is_ours_alone(obj: JsonObject, key: str) -> bool:
    """Whether a ConfigMap was made by mcnet and holds nothing else."""
    ours = (obj["metadata"].get("labels") or {}).get(MANAGED_LABEL) == "mcnet"
    return ours and set(obj.get("data") or {}) <= {key} and not obj.get("binaryData")


def _version(obj: JsonObject) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": obj["metadata"]["resourceVersion"]}}


async def _address(api: Api) -> Address:
    service = await api.get(kinds.SERVICE, SERVICE, SYSTEM_NAMESPACE)
    return ip_address(service["spec"]["clusterIP"])


def _fought() -> McnetError:
    return McnetError(
        "the configuration of the cluster's DNS is changed by somebody else all the time",
        f"look who it is: kubectl get configmap coredns -n {SYSTEM} -o yaml --show-managed-fields",
    )
