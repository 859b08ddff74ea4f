"""Whether all daemons run the image that the member is to run: half-finished upgrades, images edited by hand."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mcnet.diagnose.check import Check
from mcnet.diagnose.site import Site
from mcnet.install.leave import IMAGE_ANNOTATION
from mcnet.install.rollout import DNS, WORKLOADS
from mcnet.kube import kinds
from mcnet.kube.kinds import JsonObject
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.member import SYSTEM_NAMESPACE
from mcnet.plan.pods import pod_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`image` is what the namespace's annotation names, "" without one; `platforms` says by node what may make
    image IDs differ: architecture and container runtime."""

    kubectl: str
    option: str = ""
    image: str
    workloads: tuple[JsonObject, ...] = ()
    pods: tuple[JsonObject, ...] = ()
    platforms: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Running:
    """A pod's container of ours."""

    pod: JsonObject
    component: str
    node: str
    image: str
    identity: str

    @property
    def name(self) -> str:
        return str(self.pod["metadata"]["name"])


async def gather(site: Site) -> Evidence:
    names = {one.name for one in (*WORKLOADS, DNS)}
    found = [*await site.listed(kinds.DAEMON_SET), *await site.listed(kinds.DEPLOYMENT)]
    pods = [pod for pod in await site.listed(kinds.POD) if _labels(pod).get("app.kubernetes.io/name") == "mcnet"]
    annotations = (await site.namespace())["metadata"].get("annotations") or {}
    return Evidence(
        kubectl=site.kubectl,
        option=site.option,
        image=str(annotations.get(IMAGE_ANNOTATION, "")),
        workloads=tuple(obj for obj in found if obj["metadata"]["name"] in names),
        pods=tuple(pods),
        platforms={str(node["metadata"]["name"]): _platform(node) for node in await site.listed(kinds.NODE)},
    )


def judge(evidence: Evidence) -> Judgement:
    running = [one for pod in evidence.pods if (one := _running(pod))]
    templates = {_component(obj): image for obj in evidence.workloads if (image := _template_image(obj))}
    findings = [*_workloads(evidence), *_pods(evidence, templates, running), *_contents(evidence, running)]
    images = sorted({*templates.values(), *(one.image for one in running)})
    return Judgement(f"{len(running)} pods run {', '.join(images) or 'nothing'}", tuple(findings))


def _workloads(evidence: Evidence) -> Iterable[Finding]:
    images = {_named(obj): image for obj in evidence.workloads if (image := _template_image(obj))}
    counted = Counter(images.values())
    if counted and evidence.image not in counted and len(counted) == 1:
        (image,) = counted
        said = f"all daemons run {image}, but the annotation {IMAGE_ANNOTATION} says {evidence.image or 'nothing'}"
        kubectl = evidence.kubectl.removesuffix(f" -n {SYSTEM_NAMESPACE}")
        remedy = f"{kubectl} annotate namespace {SYSTEM_NAMESPACE} --overwrite {IMAGE_ANNOTATION}={image}"
        yield Finding(Verdict.WARNING, f"namespace {SYSTEM_NAMESPACE}", said, remedy)
        return
    for obj in evidence.workloads:
        name = _named(obj)
        if name in images and images[name] != evidence.image:
            container = _containers(obj)[0]["name"]
            said = f"it is to run {images[name]}, but the member's image is {evidence.image or 'not known'}"
            remedy = f"{evidence.kubectl} set image {name.lower()} {container}={evidence.image}"
            yield Finding(Verdict.WRONG, name.replace("/", " "), said, remedy if evidence.image else _join(evidence))


def _pods(evidence: Evidence, templates: Mapping[str, str], running: Iterable[_Running]) -> Iterable[Finding]:
    """Pods of another version than their workload's."""
    running = list(running)
    for one in running:
        wanted = templates.get(one.component, one.image)
        if one.image == wanted:
            continue
        said = f"it runs {one.image}, but is to run {wanted}: the upgrade has not come this far"
        stuck = any(
            other.image == wanted and pod_problem(other.pod) for other in running if other.component == one.component
        )
        remedy = f"{evidence.kubectl} delete pod {one.name}"
        if stuck:
            said += f", and pods with {wanted} don't become ready"
            remedy = f"{_join(evidence)} --image {one.image}"
        yield Finding(Verdict.WARNING, f"pod {one.name} on {one.node}", said, remedy)


def _contents(evidence: Evidence, running: Iterable[_Running]) -> Iterable[Finding]:
    """The same name, but not the same content on all nodes."""
    groups: dict[tuple[str, str, bool], dict[str, list[_Running]]] = {}
    for one in running:
        if one.identity:
            key = one.image, evidence.platforms.get(one.node, ""), "@" in one.identity
            groups.setdefault(key, {}).setdefault(one.identity, []).append(one)
    for (image, _, _), identities in sorted(groups.items()):
        if len(identities) < 2:
            continue
        *fewer, most = sorted(identities.values(), key=lambda pods: (len(pods), pods[0].identity))
        nodes = sorted({one.node for pods in fewer for one in pods})
        yield Finding(
            Verdict.WARNING,
            f"image {image}",
            f"it has another content on {', '.join(nodes)} than on {most[0].node}: its name was given twice",
            f"{_join(evidence)} --image {image} --image-pull-policy Always",
        )


def _join(evidence: Evidence) -> str:
    return f"mcnet join broker-info.mcnet{evidence.option}"


def _running(pod: JsonObject) -> _Running | None:
    containers = _list(pod.get("spec"), "containers")
    if not containers:
        return None
    statuses = _list(pod.get("status"), "containerStatuses")
    return _Running(
        pod=pod,
        component=_component(pod),
        node=str((pod.get("spec") or {}).get("nodeName") or "no node"),
        image=str(containers[0].get("image", "")),
        identity=str(statuses[0].get("imageID") or "") if statuses else "",
    )


def _named(obj: JsonObject) -> str:
    """As kubectl takes it, but for the case: "DaemonSet/mcnet-gateway"."""
    return f"{obj['kind']}/{obj['metadata']['name']}"


def _component(obj: JsonObject) -> str:
    return str(_labels(obj).get("app.kubernetes.io/component", ""))


def _labels(obj: JsonObject) -> Mapping[str, Any]:
    return obj["metadata"].get("labels") or {}


def _containers(workload: JsonObject) -> list[JsonObject]:
    template = (workload.get("spec") or {}).get("template") or {}
    return _list(template.get("spec"), "containers")


def _template_image(workload: JsonObject) -> str:
    containers = _containers(workload)
    return str(containers[0].get("image", "")) if containers else ""


def _list(obj: JsonObject | None, key: str) -> list[JsonObject]:
    return (obj or {}).get(key) or []


def _platform(node: JsonObject) -> str:
    info = (node.get("status") or {}).get("nodeInfo") or {}
    return f"{info.get('architecture', '')} {str(info.get('containerRuntimeVersion', '')).partition(':')[0]}"


CHECK = Check(
    name="image",
    title="Image",
    matters="daemons of different images behave differently, and what `mcnet leave` cleans nodes with must be there",
    gather=gather,
    judge=judge,
)
