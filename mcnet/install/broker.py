"""Makes a cluster the broker of a clusterset: namespace, kinds, roles, admission policy, ClusterSet. The kinds of the
Multi-Cluster Services API too, unless they are there: whoever makes a ServiceExport there before it joins is heard.

Nothing of ours runs there afterwards. Letting clusters in is `tokens`.
"""

from dataclasses import dataclass
from typing import Final

from mcnet import __version__
from mcnet.install import mcs_kinds, rights
from mcnet.install.apply import Applied, apply_all, changed, summary
from mcnet.install.progress import Progress
from mcnet.install.until import until
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject
from mcnet.model.broker import BrokerInfo
from mcnet.model.cluster import PROTOCOL_VERSION
from mcnet.model.errors import ApiError, ForbiddenError, McnetError, UsageError
from mcnet.model.member import BROKER_NAMESPACE, CLUSTERSET_NAME
from mcnet.plan import versions
from mcnet.plan.driver import DRIVERS, UNENCRYPTED
from mcnet.plan.networks import is_loopback
from mcnet.render.engine import render, sort_objects
from mcnet.render.values import BrokerValues

POLICY_PROBE: Final = "mcnet-policy-probe"
"""Objects of this name are refused to everybody by the admission policy: so its being in force can be seen."""
POLICY_TIMEOUT = 30.0
"""Seconds until an API server that has accepted the policy also enforces it; usually one or two."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """The broker, and what the run changed."""

    info: BrokerInfo
    applied: list[Applied]


async def deploy_broker(api: Api, *, default_driver: str = "", server: str = "", progress: Progress) -> Deployed:
    """Makes `api`'s cluster the broker, or completes it; a second run changes nothing.

    `default_driver` is "" for the one that is there, at first wireguard. `server` is the URL that members reach the
    API server by, "" for the one of the context. Raises McnetError when the cluster is too old, rights are missing,
    or the policy does not come into force.
    """
    if default_driver and default_driver not in DRIVERS:
        raise UsageError(f"{default_driver!r} is not a cable driver", f"choose one of: {', '.join(DRIVERS)}")
    where = api.context or api.server
    progress.doing(f"Asking {where} for its version and our rights")
    version = await api.version()
    versions.require(version, versions.BROKER_MINIMUM, f"the broker {where}")
    await rights.require(api, rights.broker_rights(BROKER_NAMESPACE), "deploy-broker")
    progress.done(f"{where} runs Kubernetes {version}")

    default_driver = default_driver or await _driver(api)
    values = BrokerValues(default_driver=default_driver, protocol_version=PROTOCOL_VERSION, version=__version__)
    objects = sort_objects((*render("crds"), *await mcs_kinds.to_apply(api), *render("broker", values)))
    applied = await apply_all(api, objects, told=lambda name: progress.doing(f"Applying {name}"))
    progress.done(f"Namespace, kinds, roles and admission policy: {summary(applied)}")
    progress.doing("Waiting until the admission policy is in force")
    await _policy_in_force(api)
    progress.done("The admission policy is in force")
    if default_driver in UNENCRYPTED:
        progress.warn(f"the cable driver {default_driver} neither encrypts nor authenticates: for networks you trust")
    info = await broker_info(api, server=server)
    if is_loopback(info.server):
        progress.warn(f"members can't reach {info.server}: give the URL that they reach it by with --server")
    if not changed(applied):
        progress.done("Nothing had to be changed")
    return Deployed(info, applied)


async def _driver(api: Api) -> str:
    """The default driver that a second run keeps."""
    there = await api.find(kinds.CLUSTERSET, CLUSTERSET_NAME, BROKER_NAMESPACE)
    return str(((there or {}).get("spec") or {}).get("defaultDriver") or DRIVERS[0])


async def broker_info(api: Api, *, server: str = "") -> BrokerInfo:
    """What members need to know of the broker behind `api`. Raises UsageError where none is deployed."""
    clusterset = await api.find(kinds.CLUSTERSET, CLUSTERSET_NAME, BROKER_NAMESPACE)
    if clusterset is None:
        raise UsageError(
            f"{api.context or api.server} is no broker: it has no ClusterSet in {BROKER_NAMESPACE}",
            "make it one with `mcnet deploy-broker`, or choose the broker's context",
        )
    spec = clusterset.get("spec") or {}
    return BrokerInfo(
        server=server or api.server,
        ca=api.ca,
        id=str(clusterset["metadata"]["uid"]),
        namespace=BROKER_NAMESPACE,
        default_driver=str(spec.get("defaultDriver") or "vxlan"),
    )


async def _policy_in_force(api: Api) -> None:
    """Asks for the reserved name, as a dry run, until it is refused."""
    lease: JsonObject = {"metadata": {"name": POLICY_PROBE, "namespace": BROKER_NAMESPACE}, "spec": {}}
    try:
        await until(lambda: _is_refused(api, lease), timeout=POLICY_TIMEOUT)
    except TimeoutError as error:
        raise McnetError(
            f"{api.server} does not enforce the admission policy mcnet-broker-ownership after {POLICY_TIMEOUT:g} s",
            "kubectl get validatingadmissionpolicy mcnet-broker-ownership -o yaml",
        ) from error


async def _is_refused(api: Api, lease: JsonObject) -> bool:
    try:
        await api.create(kinds.LEASE, lease, BROKER_NAMESPACE, dry_run=True)
    except ForbiddenError:
        return True
    except ApiError as error:
        if error.status == 422:  # servers that answer Invalid whatever the policy's reason
            return True
        raise
    return False
