"""Asks the API server whether the caller may do what an operation will need, before it does any of it."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import Kind
from mcnet.model.errors import ForbiddenError
from mcnet.model.member import SYSTEM_NAMESPACE


@dataclass(frozen=True, slots=True)
class Right:
    """`verb` on `kind`, in `namespace` if it is a namespaced kind."""

    verb: str
    kind: Kind
    namespace: str | None = None
    subresource: str = ""

    def __str__(self) -> str:
        what = f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {what}{where}"


def broker_rights(namespace: str) -> tuple[Right, ...]:
    """What `deploy-broker` and `token create` need."""
    cluster_wide = (kinds.NAMESPACE, kinds.CRD, kinds.ADMISSION_POLICY, kinds.ADMISSION_POLICY_BINDING)
    inside = (kinds.CLUSTERSET, kinds.LEASE, kinds.ROLE, kinds.ROLE_BINDING, kinds.SERVICE_ACCOUNT)
    return (
        *(Right(verb, kind) for kind in cluster_wide for verb in ("create", "patch")),
        *(Right(verb, kind, namespace) for kind in inside for verb in ("create", "patch")),
        Right("create", kinds.SERVICE_ACCOUNT, namespace, "token"),
    )


def token_rights(namespace: str) -> tuple[Right, ...]:
    """What letting a cluster in needs at the broker."""
    inside = (kinds.ROLE, kinds.ROLE_BINDING, kinds.SERVICE_ACCOUNT)
    return (
        *(Right(verb, kind, namespace) for kind in inside for verb in ("create", "patch", "delete")),
        Right("create", kinds.SERVICE_ACCOUNT, namespace, "token"),
        Right("list", kinds.CLUSTER, namespace),
    )


def members_rights(namespace: str) -> tuple[Right, ...]:
    """What approving, renewing and removing members needs at the broker."""
    mirrored = (kinds.CLUSTER, kinds.ENDPOINT, kinds.LEASE, kinds.EXPORTED_SERVICE, kinds.ENDPOINT_SLICE)
    return (
        *token_rights(namespace),
        *(Right(verb, kind, namespace) for kind in mirrored for verb in ("list", "delete")),
        Right("patch", kinds.CLUSTER, namespace),
        Right("list", kinds.SERVICE_ACCOUNT, namespace),
    )


def member_rights() -> tuple[Right, ...]:
    """What `join` needs in the joining cluster."""
    cluster_wide = (kinds.NAMESPACE, kinds.CRD, kinds.CLUSTER_ROLE, kinds.CLUSTER_ROLE_BINDING)
    inside = (
        kinds.SERVICE_ACCOUNT, kinds.ROLE, kinds.ROLE_BINDING, kinds.SECRET, kinds.DAEMON_SET, kinds.DEPLOYMENT,
        kinds.MEMBER,
    )  # fmt: skip
    return (
        *(Right(verb, kind) for kind in cluster_wide for verb in ("create", "patch")),
        *(Right(verb, kind, SYSTEM_NAMESPACE) for kind in inside for verb in ("create", "patch")),
        *(Right(verb, kinds.POD, SYSTEM_NAMESPACE) for verb in ("create", "delete", "list")),
        Right("list", kinds.NODE),
        Right("patch", kinds.NODE),
    )


async def missing(api: Api, rights: Iterable[Right]) -> list[Right]:
    """Those of `rights` that the caller does not have."""
    wanted = tuple(rights)
    answers = await asyncio.gather(
        *(api.can_i(one.verb, one.kind, one.namespace, subresource=one.subresource) for one in wanted)
    )
    return [one for one, allowed in zip(wanted, answers, strict=True) if not allowed]


async def require(api: Api, rights: Iterable[Right], doing: str) -> None:
    """Raises ForbiddenError that names what is missing."""
    lacking = await missing(api, rights)
    if lacking:
        where = f"context {api.context}" if api.context else api.server
        named = ", ".join(str(one) for one in lacking[:4])
        more = f" and {len(lacking) - 4} more" if len(lacking) > 4 else ""
        raise ForbiddenError(
            f"{where} lacks the rights for {doing}: {named}{more}",
            "use a context of a cluster administrator (--context)",
        )
