"""What the DNS daemon sees: ServiceImports, their EndpointSlices and the namespaces of its own cluster.

Each object is decoded once, when it changes. Decides nothing about names.
"""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from mcnet.codec.dns_objects import SERVICE_NAME_LABEL, decode_import, decode_slice
from mcnet.codec.errors import DecodeError
from mcnet.kube.api import Api
from mcnet.kube.kinds import ENDPOINT_SLICE, NAMESPACE, JsonObject, Kind
from mcnet.kube.store import Store
from mcnet.model.dns import Import, Slice
from mcnet.plan.dns_zone import Key, Options, Service, service

Value = TypeVar("Value", Import, Slice)


class Decoded(Generic[Value]):
    """The values of a store's objects, by the service that they belong to."""

    def __init__(self, store: Store, decode: Callable[[JsonObject], Value], key: Callable[[Value], Key]) -> None:
        self._store = store
        self._decode: Callable[[JsonObject], Value] = decode
        self._key: Callable[[Value], Key] = key
        self._seen: dict[Key, tuple[str, Key | None]] = {}
        """The object's namespace and name -> its version, and its service; None where it can't be understood."""
        self._values: dict[Key, dict[Key, Value]] = {}
        self.problems: dict[Key, tuple[str, ...]] = {}
        """What could not be understood, by the object's namespace and name."""

    def values(self, key: Key) -> tuple[Value, ...]:
        """Those of a service, in the order of the objects' names."""
        there = self._values.get(key, {})
        return tuple(there[name] for name in sorted(there))

    def look(self) -> set[Key]:
        """Decode what has changed since the last look; the services that it belongs or belonged to."""
        touched: set[Key] = set()
        there, seen = self._store.by_key, self._seen
        for name in seen.keys() - there.keys():
            touched |= self._forget(name)
        for name, obj in there.items():
            version = obj["metadata"]["resourceVersion"]
            if name not in seen or seen[name][0] != version:
                touched |= self._forget(name)
                touched |= self._take(name, version, obj)
        return touched

    def _forget(self, name: Key) -> set[Key]:
        self.problems.pop(name, None)
        _, key = self._seen.pop(name, ("", None))
        if key is None:
            return set()
        self._values[key].pop(name)
        if not self._values[key]:
            del self._values[key]
        return {key}

    def _take(self, name: Key, version: str, obj: JsonObject) -> set[Key]:
        self._seen[name] = version, None
        try:
            value = self._decode(obj)
        except DecodeError as error:
            self.problems[name] = (f"{self._store.kind.kind} {name[0]}/{error}",)
            return set()
        if value.problems:
            self.problems[name] = tuple(f"{self._store.kind.kind} {name[0]}/{problem}" for problem in value.problems)
        key = self._key(value)
        self._seen[name] = version, key
        self._values.setdefault(key, {})[name] = value
        return {key}


class Watched:
    """The stores of the own API server, and what DNS makes of them."""

    def __init__(self, api: Api, imports: Kind, options: Options, trigger: Callable[[str], None]) -> None:
        self._options = options
        imported = Store(api, imports, on_change=lambda: trigger("imports"))
        slices = Store(api, ENDPOINT_SLICE, labels=SERVICE_NAME_LABEL, on_change=lambda: trigger("slices"))
        self._namespaces = Store(api, NAMESPACE, on_change=lambda: trigger("namespaces"))
        self._imports = Decoded(imported, decode_import, lambda one: (one.namespace, one.name))
        self._slices = Decoded(slices, decode_slice, lambda one: (one.namespace, one.service))
        self._unnamed: dict[Key, tuple[str, ...]] = {}
        self.stores = (imported, slices, self._namespaces)

    @property
    def waiting(self) -> list[str]:
        """Plurals of the kinds that have not been listed yet."""
        return [store.kind.plural for store in self.stores if not store.synced]

    @property
    def reachable(self) -> bool:
        """Whether the API server tells of changes now."""
        return all(store.reachable for store in self.stores)

    def namespaces(self) -> Iterator[str]:
        return (name for _, name in self._namespaces.by_key)

    def problems(self) -> Iterator[str]:
        """What of all objects is left out, and why."""
        for found in (self._imports.problems, self._slices.problems, self._unnamed):
            for key in sorted(found):
                yield from found[key]

    def changes(self) -> dict[Key, Service | None]:
        """The services that have changed since the last call, None for one that is gone."""
        touched = self._imports.look() | self._slices.look()
        return {key: self._service(key) for key in sorted(touched)}

    def _service(self, key: Key) -> Service | None:
        self._unnamed.pop(key, None)
        imported = self._imports.values(key)
        if not imported:
            return None
        made = service(imported[0], self._slices.values(key), self._options)
        if made.problems:
            self._unnamed[key] = made.problems
        return made
