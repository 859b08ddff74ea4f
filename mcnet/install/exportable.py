"""Whether a service can be exported from a cluster: by its name, and by what its API server has. Asked before
anything is written, so that a wrong word is told at once. The controllers check for themselves.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from mcnet.codec import member as member_codec
from mcnet.codec import service as service_codec
from mcnet.codec.errors import DecodeError
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.mcs import McsKinds, served_kinds
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import McnetError, UsageError
from mcnet.model.member import MEMBER_NAME, SYSTEM_NAMESPACE
from mcnet.model.service import DNS_LABEL, Service, ServiceName, is_refused_namespace

MOST_NAMED: Final = 8
"""So many names of what there is instead stand in a hint."""


def service_name(namespace: str, name: str) -> ServiceName:
    """Raises UsageError for what can be no service of the clusterset."""
    for what, text in (("namespace", namespace), ("Service", name)):
        if not DNS_LABEL.fullmatch(text):
            raise UsageError(f"{text!r} is no name of a {what}", "small letters, digits and '-', at most 63")
    return ServiceName(namespace, name)


async def member_of(api: Api, *, needed: bool) -> ClusterId | None:
    """The ID of the cluster; None if it is no member and needs not be one."""
    obj = await api.find(kinds.MEMBER, MEMBER_NAME, SYSTEM_NAMESPACE)
    if obj is not None:
        try:
            return member_codec.decode(obj).cluster
        except DecodeError as error:
            raise McnetError(f"the Member object of {place(api)} is damaged: {error}", "mcnet join again") from error
    if needed:
        raise UsageError(
            f"{place(api)} is no member of a clusterset: nobody would export it",
            f"join it: mcnet join broker-info.mcnet{option(api)}",
        )
    return None


async def require_members(api: Api, clusters: Iterable[str]) -> None:
    """Raises UsageError unless all of them are members of the clusterset, as this cluster knows it."""
    objects = await api.list(kinds.CLUSTER, SYSTEM_NAMESPACE)
    members = [str(one["metadata"]["name"]) for one in objects]
    for cluster in clusters:
        if cluster not in members:
            raise UsageError(
                f"{cluster!r} is no member of the clusterset of {place(api)}",
                _near(cluster, members, "its members are") or f"mcnet show members{option(api)}",
            )


async def mcs_kinds(api: Api) -> McsKinds:
    """The kinds of the MCS API as they are served. Raises UsageError if they are not."""
    served = await served_kinds(api)
    if served is None:
        raise UsageError(
            f"{place(api)} does not have the kind ServiceExport (multicluster.x-k8s.io)",
            f"a join installs it: mcnet join broker-info.mcnet{option(api)}",
        )
    return served


async def require_namespace(api: Api, service: ServiceName) -> None:
    """Raises UsageError if it is not there."""
    if await api.find(kinds.NAMESPACE, service.namespace) is not None:
        return
    names = [str(one["metadata"]["name"]) for one in await api.list(kinds.NAMESPACE)]
    raise UsageError(
        f"{place(api)} has no namespace {service.namespace!r}",
        _near(service.namespace, [name for name in names if not is_refused_namespace(name)], "its namespaces are"),
    )


async def require_source(api: Api, service: ServiceName) -> Service:
    """The Service to export. Raises UsageError unless there is one that can be."""
    if is_refused_namespace(service.namespace):
        raise UsageError(
            f"nothing of the namespace {service.namespace} is exported: it holds a cluster's own system",
            "serve it from a namespace of your own",
        )
    obj = await api.find(kinds.SERVICE, service.name, service.namespace)
    if obj is None:
        await require_namespace(api, service)
        names = [str(one["metadata"]["name"]) for one in await api.list(kinds.SERVICE, service.namespace)]
        hint = _near(service.name, names, "its Services are") or f"{kubectl(api)} get services -A"
        raise UsageError(
            f"there is no Service {service.name!r} in the namespace {service.namespace} of {place(api)}", hint
        )
    try:
        source = service_codec.decode(obj)
    except DecodeError as error:
        raise UsageError(f"the Service {service} is of a form that can't be exported: {error}") from error
    if source.type == "ExternalName":
        raise UsageError(
            f"the Service {service} is of type ExternalName, which has no endpoints to export",
            "make a Service of the same name of that type in the other clusters",
        )
    if source.derived:
        raise UsageError(
            f"the Service {service} is derived from an import: it leads to other clusters",
            f"export the Service that it leads to, where it is: mcnet show services{option(api)}",
        )
    return source


def _near(wanted: str, names: list[str], which: str) -> str:
    """What was perhaps meant, or all that there is."""
    if near := get_close_matches(wanted, names, 1):
        return f"do you mean {near[0]}?"
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{which} {', '.join(sorted(names)[:MOST_NAMED])}{more}" if names else ""


def place(api: Api) -> str:
    """The cluster, for sentences."""
    return f"context {api.context}" if api.context else api.server


def option(api: Api) -> str:
    """The option that makes our commands act there, with a blank before it."""
    return f" --context {api.context}" if api.context else ""


def kubectl(api: Api) -> str:
    """How the user reaches the cluster."""
    return f"kubectl{option(api)}"
