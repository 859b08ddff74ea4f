"""What the discovery daemon sees of services: in the own cluster, and at the broker. Decides nothing."""

from collections.abc import Callable, Container, Coroutine
from typing import Any

from mcnet.kube.api import Api
from mcnet.kube.kinds import (
    ENDPOINT_SLICE,
    EXPORTED_SERVICE,
    NAMESPACE,
    SERVICE,
    JsonObject,
    Kind,
)
from mcnet.kube.mcs import McsKinds
from mcnet.kube.store import Store
from mcnet.model.service import ServiceName, derived_name
from mcnet.plan.service_difference import is_going, is_ours
from mcnet.plan.services import Seen
from mcnet_discovery.service_store import (
    KeyOf,
    ServiceStore,
    Told,
    by_name,
    is_imported,
    of_broker_slice,
    of_record,
    of_service,
    of_slice,
)


class BrokerServices:
    """Exports of all clusters as the broker holds them."""

    def __init__(self, api: Api, namespace: str, *, told: Told, changed: Callable[[], None]) -> None:
        self.records, self.slices = (
            ServiceStore(api, kind, key=key, told=told, changed=changed, namespace=namespace)
            for kind, key in ((EXPORTED_SERVICE, of_record), (ENDPOINT_SLICE, of_broker_slice))
        )

    @property
    def stores(self) -> tuple[Store, ...]:
        return self.records.store, self.slices.store

    @property
    def known(self) -> bool:
        """Whether all of it has been listed. It stays known while the broker is away."""
        return all(store.synced for store in self.stores)

    @property
    def reachable(self) -> bool:
        """Whether all of it is being watched now."""
        return all(store.reachable for store in self.stores)

    @property
    def error(self) -> str:
        """Why it is not known, "" as long as nothing has failed."""
        return next((store.error for store in self.stores if not store.synced and store.error), "")

    @property
    def names(self) -> set[ServiceName]:
        return self.records.services | self.slices.services

    def of(self, clusters: Container[str]) -> set[ServiceName]:
        """The services that any of these clusters exports."""
        found = self.records.store.objects
        services = {of_record(obj) for obj in found if str(obj["metadata"]["name"]).partition(".")[0] in clusters}
        return {one for one in services if one}

    def has(self, service: ServiceName) -> bool:
        return service in self.records.services or service in self.slices.services


class LocalServices:
    """The own cluster's, of all namespaces. `told` gets services that are exported or imported, or of which something
    is left: of the many others of a cluster nothing is said."""

    def __init__(self, api: Api, mcs: McsKinds, *, told: Told, changed: Callable[[], None]) -> None:
        self.version = mcs.service_import.version
        self._told = told

        def store(kind: Kind, key: KeyOf, to: Told) -> ServiceStore:
            return ServiceStore(api, kind, key=key, told=to, changed=changed)

        self.exports, self.imports = (
            store(kind, by_name, told) for kind in (mcs.service_export, mcs.service_import)
        )  # fmt: skip
        self.services, self.slices = (
            store(SERVICE, of_service, self._one_of_many),
            store(ENDPOINT_SLICE, of_slice, self._one_of_many),
        )
        self._namespaces = Store(api, NAMESPACE, on_change=changed, on_object=self._namespace)
        self._elsewhere: Callable[[ServiceName], bool] = lambda service: False
        self._derived: dict[ServiceName, ServiceName] = {}

    def exported_elsewhere(self, elsewhere: Callable[[ServiceName], bool]) -> None:
        """Take over how to find out whether the broker holds anything of a service."""
        self._elsewhere = elsewhere

    @property
    def stores(self) -> tuple[Store, ...]:
        return (*(one.store for one in self._by_service), self._namespaces)

    @property
    def synced(self) -> bool:
        return all(store.synced for store in self.stores)

    def coroutines(self) -> list[Coroutine[Any, Any, None]]:
        """What has to run for it to live."""
        return [store.run() for store in self.stores]

    @property
    def names(self) -> set[ServiceName]:
        """Services that are exported or imported, or of which something is left."""
        ours = {of_service(obj) for obj in self.services.store.objects if is_ours(obj)}
        left = {of_slice(obj) for obj in self.slices.store.objects if is_imported(obj)}
        return {*self.exports.services, *self.imports.services, *ours, *(one for one in left if one)}

    def seen(self, service: ServiceName, broker: BrokerServices) -> Seen:
        """The inputs of a service's plan."""
        namespace, derived = service.namespace, derived_name(service)
        self._derived[ServiceName(namespace, derived)] = service
        slices = self.slices.of(service)
        return Seen(
            service=service,
            namespace=self._has(namespace),
            export=self.exports.store.get(service.name, namespace),
            source=self.services.store.get(service.name, namespace),
            source_slices=tuple(obj for obj in slices if not is_imported(obj)),
            records=broker.records.of(service),
            broker_slices=broker.slices.of(service),
            service_import=self.imports.store.get(service.name, namespace),
            derived=self.services.store.get(derived, namespace),
            imported_slices=tuple(obj for obj in slices if is_imported(obj)),
        )

    @property
    def _by_service(self) -> tuple[ServiceStore, ...]:
        return self.exports, self.imports, self.services, self.slices

    def _has(self, namespace: str) -> bool:
        obj = self._namespaces.get(namespace)
        return obj is not None and not is_going(obj)

    def _one_of_many(self, service: ServiceName) -> None:
        """A Service or EndpointSlice has changed; one that bears a derived Service's name concerns its import."""
        concerned = self._derived.get(service, service)
        if (
            concerned in self.exports.services
            or concerned in self.imports.services
            or self._elsewhere(concerned)
            or any(is_ours(obj) for obj in self.services.of(concerned))
            or any(is_imported(obj) for obj in self.slices.of(concerned))
        ):
            self._told(concerned)

    def _namespace(self, before: JsonObject | None, after: JsonObject | None) -> None:
        """All services of a namespace that comes or goes are concerned."""
        if _is_there(before) == _is_there(after):
            return
        name = str((after or before or {})["metadata"]["name"])
        self._told(ServiceName(name, ""))


def _is_there(obj: JsonObject | None) -> bool:
    return obj is not None and not is_going(obj)
