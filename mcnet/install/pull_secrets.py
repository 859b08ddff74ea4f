"""Copies registry secrets to where our pods are: a pod can only use secrets of its own namespace."""

from collections.abc import Iterable

from mcnet.install.apply import SYSTEM_LABELS
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject
from mcnet.model.errors import UsageError
from mcnet.model.member import SYSTEM_NAMESPACE

TYPES = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg")


def secret_names(references: Iterable[str]) -> tuple[str, ...]:
    """The names that the copies of NAMESPACE/NAME have. Raises UsageError for another form."""
    return tuple(_split(reference)[1] for reference in references)


async def copies(api: Api, references: Iterable[str], namespace: str = SYSTEM_NAMESPACE) -> list[JsonObject]:
    """The Secrets to apply to `namespace`. Raises UsageError if one is missing or of another type."""
    return [await _copy(api, reference, namespace) for reference in references]


async def _copy(api: Api, reference: str, namespace: str) -> JsonObject:
    source, name = _split(reference)
    secret = await api.find(kinds.SECRET, name, source)
    if secret is None:
        raise UsageError(f"the pull secret {reference} does not exist", f"kubectl -n {source} get secrets")
    if secret.get("type") not in TYPES:
        raise UsageError(
            f"the secret {reference} is of type {secret.get('type')}, not a registry's",
            f"kubectl -n {source} create secret docker-registry {name} --docker-server=…",
        )
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(SYSTEM_LABELS)},
        "type": secret["type"],
        "data": secret.get("data") or {},
    }


def _split(reference: str) -> tuple[str, str]:
    namespace, slash, name = reference.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise UsageError(f"{reference!r} does not name a pull secret", "write it like default/registry")
    return namespace, name
