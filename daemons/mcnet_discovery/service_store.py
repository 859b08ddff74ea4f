"""A Store whose objects are found by the service that they belong to, and that says which services have changed."""

from collections.abc import Callable, KeysView
from typing import TypeAlias

from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject, Kind
from mcnet.kube.store import Store
from mcnet.model.service import (
    KUBE_SERVICE_LABEL,
    SERVICE_NAME_LABEL,
    SERVICE_NAMESPACE_LABEL,
    SLICE_MANAGER,
    SLICE_MANAGER_LABEL,
    ServiceName,
)
from mcnet.plan.service_difference import is_ours

KeyOf: TypeAlias = Callable[[JsonObject], ServiceName | None]
Told: TypeAlias = Callable[[ServiceName], None]


class ServiceStore:
    """`key` says to which service an object belongs, None for one that is nobody's concern; `told` gets each service
    of which something changed, `changed` is called when the store itself did (listed, reachable)."""

    def __init__(
        self, api: Api, kind: Kind, *, key: KeyOf, told: Told, changed: Callable[[], None], namespace: str = ""
    ) -> None:
        self.store = Store(
            api, kind, namespace=namespace or None, on_change=changed, on_object=self._moved
        )  # fmt: skip
        self._key = key
        self._told = told
        self._by_service: dict[ServiceName, dict[tuple[str, str], JsonObject]] = {}

    def of(self, service: ServiceName) -> tuple[JsonObject, ...]:
        """Its objects, by name."""
        found = self._by_service.get(service)
        return tuple(found[key] for key in sorted(found)) if found else ()

    @property
    def services(self) -> KeysView[ServiceName]:
        """Those of which there is anything."""
        return self._by_service.keys()

    def _moved(self, before: JsonObject | None, after: JsonObject | None) -> None:
        for obj, there in ((before, False), (after, True)):
            service = self._key(obj) if obj is not None else None
            if obj is None or service is None:
                continue
            place = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
            found = self._by_service.setdefault(service, {})
            found.pop(place, None)
            if there:
                found[place] = obj
            if not found:
                del self._by_service[service]
            self._told(service)


def by_name(obj: JsonObject) -> ServiceName:
    """Of what bears its service's name: ServiceExport, ServiceImport."""
    return ServiceName(obj["metadata"]["namespace"], obj["metadata"]["name"])


def of_service(obj: JsonObject) -> ServiceName:
    """Of a Service: a derived one belongs to its import."""
    name = _labels(obj).get(SERVICE_NAME_LABEL) if is_ours(obj) else None
    return ServiceName(obj["metadata"]["namespace"], name or obj["metadata"]["name"])


def of_slice(obj: JsonObject) -> ServiceName | None:
    """Of an EndpointSlice in the own cluster, imported ones included. A broker's, where this cluster is one, is none
    of its own."""
    labels = _labels(obj)
    if SERVICE_NAMESPACE_LABEL in labels:
        return None
    name = labels.get(SERVICE_NAME_LABEL if is_imported(obj) else KUBE_SERVICE_LABEL)
    return ServiceName(obj["metadata"]["namespace"], name) if name else None


def is_imported(obj: JsonObject) -> bool:
    """Whether a slice of the own cluster is one that mcnet made."""
    return bool(_labels(obj).get(SLICE_MANAGER_LABEL) == SLICE_MANAGER)


def of_record(obj: JsonObject) -> ServiceName | None:
    """Of an ExportedService; None where it does not even say of what it is."""
    spec = obj.get("spec")
    namespace, name = (spec.get("namespace"), spec.get("name")) if isinstance(spec, dict) else (None, None)
    return ServiceName(namespace, name) if isinstance(namespace, str) and isinstance(name, str) else None


def of_broker_slice(obj: JsonObject) -> ServiceName | None:
    """Of an EndpointSlice at the broker."""
    labels = _labels(obj)
    namespace, name = labels.get(SERVICE_NAMESPACE_LABEL), labels.get(SERVICE_NAME_LABEL)
    return ServiceName(namespace, name) if namespace and name else None


def _labels(obj: JsonObject) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}
