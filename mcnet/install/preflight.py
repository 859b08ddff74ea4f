"""The part of preflight that needs pods: whether a gateway node can do what its daemons will, whether the image can
be pulled, and whether the broker can be reached from inside.

Everything happens in a throw-away namespace, which is always removed. What the answers mean for the join is
mcnet.plan.preflight's kind of Finding.
"""

import asyncio
import base64
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from mcnet.install.apply import SYSTEM_LABELS, apply_all
from mcnet.install.once import Outcome, run_once
from mcnet.install.progress import Progress
from mcnet.install.pull_secrets import copies, secret_names
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.broker import BrokerInfo
from mcnet.model.errors import ApiError, McnetError, UnreachableError
from mcnet.model.ownership import DISCOVERY_METRICS_PORT
from mcnet.plan import ports
from mcnet.plan.preflight import Finding
from mcnet.render.values import NodePodValues

MODULE: Final = "mcnet.install.preflight_probe"
SECONDS: Final = 90
"""How long the probes may take, the image's pull included."""
ACCOUNT_TIMEOUT: Final = 15.0
"""Seconds until a new namespace has its default ServiceAccount, without which no pod is admitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRequest:
    """What the probes need to know. `node` is the first gateway candidate."""

    node: str
    image: str
    info: BrokerInfo
    port_base: int
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    host_firewalls: bool = True
    """Whether to look for other programs' chains that drop; not where mcnet lets itself through."""
    discovery_on_host: bool = False
    """Whether discovery will be in the nodes' network: the broker is then looked for from there."""


async def probe(api: Api, request: ProbeRequest, progress: Progress) -> tuple[Finding, ...]:
    """Runs the two probe pods and returns what speaks against joining."""
    namespace = f"mcnet-preflight-{secrets.token_hex(3)}"
    progress.doing(f"Preflight: a probe pod on {request.node}")
    labels = {**SYSTEM_LABELS, "pod-security.kubernetes.io/enforce": "privileged"}
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
    try:
        await apply_all(api, [made, *await copies(api, request.pull_secrets, namespace)])
        await api.wait_for(
            kinds.SERVICE_ACCOUNT, "default", namespace, lambda found: found is not None, ACCOUNT_TIMEOUT
        )
        outcomes = await run_once(api, (_node_probe(request, namespace), _broker_probe(request, namespace)))
    except TimeoutError as error:
        raise McnetError(
            f"the namespace {namespace} got no default ServiceAccount within {ACCOUNT_TIMEOUT:g} s",
            "is kube-controller-manager running?",
        ) from error
    finally:
        await asyncio.shield(_remove(api, namespace, progress))
    findings = judge_probes(request, outcomes)
    if not any(finding.stops for finding in findings):
        progress.done(f"Preflight: {request.node} has all it takes, and the broker can be reached from inside")
    return findings


def judge_probes(request: ProbeRequest, outcomes: list[Outcome]) -> tuple[Finding, ...]:
    """What the two pods' ends mean: on the node, then in the pod network."""
    on_node, inside = outcomes
    findings = [*_findings(on_node, f"node {request.node}: ", _pod_hint(request))]
    if on_node.reason:  # the same image problem twice tells nothing more
        return tuple(findings)
    server = request.info.server
    hint = f"open the way to {server}, or deploy-broker with a --server URL that pods can reach"
    findings += _findings(inside, f"the broker {server} can't be reached from inside the cluster: ", hint)
    return tuple(findings)


def _findings(outcome: Outcome, prefix: str, hint: str) -> list[Finding]:
    if outcome.problem:
        if outcome.reason:
            return [Finding(f"the image {outcome.values.image} can't be run: {outcome.problem}", hint)]
        return [Finding(f"{prefix}the probe pod failed: {outcome.problem}", hint)]
    try:
        answer: dict[str, Any] = json.loads(outcome.output.strip().splitlines()[-1])
        problems, notes = list(answer["problems"]), list(answer["notes"])
    except (ValueError, KeyError, IndexError, TypeError):
        return [Finding(f"{prefix}the probe pod said nothing that can be read: {outcome.output[:200]!r}", hint)]
    stopping = [Finding(prefix + problem, hint if "broker" in prefix else "") for problem in problems]
    return stopping + [Finding(prefix + note, stops=False) for note in notes]


def _pod_hint(request: ProbeRequest) -> str:
    return f"check that {request.image} exists and can be pulled there: --image, --pull-secret"


def _node_probe(request: ProbeRequest, namespace: str) -> NodePodValues:
    tried = ports.of_nodes(request.port_base, (request.info.default_driver,))
    udp, tcp = (_numbers(tried, protocol) for protocol in (ports.Protocol.UDP, ports.Protocol.TCP))
    if request.discovery_on_host:
        tcp += f",{DISCOVERY_METRICS_PORT}"
    base = str(request.port_base) if request.host_firewalls else ""
    return _pod(request, namespace, "node", (udp, tcp, base, request.info.default_driver), node=request.node)


def _numbers(openings: Iterable[ports.Opening], protocol: ports.Protocol) -> str:
    numbers = [n for one in openings if one.protocol is protocol for n in range(one.first, one.last + 1)]
    return ",".join(map(str, numbers))


def _broker_probe(request: ProbeRequest, namespace: str) -> NodePodValues:
    ca = base64.b64encode(request.info.ca).decode()
    return _pod(request, namespace, "broker", (request.info.server, ca), on_host=request.discovery_on_host)


def _pod(
    request: ProbeRequest,
    namespace: str,
    look: str,
    arguments: tuple[str, ...],
    *,
    node: str = "",
    on_host: bool = True,
) -> NodePodValues:
    return NodePodValues(
        name=f"mcnet-preflight-{look}",
        node=node,
        image=request.image,
        module=MODULE,
        arguments=(look, *arguments),
        namespace=namespace,
        pull_policy=request.pull_policy,
        pull_secrets=secret_names(request.pull_secrets),
        host_network=on_host,
        seconds=SECONDS,
    )


async def _remove(api: Api, namespace: str, progress: Progress) -> None:
    try:
        await api.delete(kinds.NAMESPACE, namespace)
    except (ApiError, UnreachableError) as error:
        progress.warn(f"the namespace {namespace} could not be removed: {error.message}")
