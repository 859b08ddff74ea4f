"""What there is of one service at both places, on API servers as simple as can be, and the plan performed on it."""

import copy
from collections.abc import Iterable
from typing import Any

from mcnet.model.cluster import ClusterId
from mcnet.model.service import derived_name
from mcnet.plan.mirror import Place, Verb, Write
from mcnet.plan.services import Seen, ServicePlan, Setting, plan
from tests.fakes.services import BROKER, WEB, WEST, importer

JsonObject = dict[str, Any]
Key = tuple[Place, str, str]
STEPS = 12


class World:
    """The objects of WEB at both places, as west sees them."""

    def __init__(self, *, local: Iterable[JsonObject] = (), broker: Iterable[JsonObject] = ()) -> None:
        self.objects: dict[Key, JsonObject] = {}
        self.version = 0
        self.namespace = True
        self.reachable = True
        self.now = "2026-02-01T00:00:00Z"
        self.cluster = WEST
        self.lost: frozenset[ClusterId] = frozenset()
        for place, objects in ((Place.LOCAL, local), (Place.BROKER, broker)):
            for obj in objects:
                self.put(place, obj)

    def put(self, place: Place, obj: JsonObject) -> None:
        self.version += 1
        obj = copy.deepcopy(obj)
        obj["metadata"] |= {"resourceVersion": str(self.version)}
        obj["metadata"].setdefault("uid", f"uid-{self.version}")
        if obj["kind"] == "Service":
            spec = obj["spec"]
            count = 2 if spec.get("ipFamilyPolicy") == "RequireDualStack" else 1
            spec.setdefault("clusterIPs", [f"10.96.1.{self.version % 250}", "fd00::1"][:count])
            for port in spec["ports"]:
                port.setdefault("targetPort", port["port"])
        self.objects[place, obj["kind"], obj["metadata"]["name"]] = obj

    def find(self, kind: str, name: str = "web", place: Place = Place.LOCAL) -> JsonObject | None:
        return self.objects.get((place, kind, name))

    def all(self, place: Place, kind: str) -> tuple[JsonObject, ...]:
        return tuple(
            obj for (there, found, _), obj in sorted(self.objects.items(), key=str) if (there, found) == (place, kind)
        )

    def seen(self) -> Seen:
        slices = self.all(Place.LOCAL, "EndpointSlice")
        return Seen(
            service=WEB,
            namespace=self.namespace,
            export=self.find("ServiceExport"),
            source=self.find("Service"),
            source_slices=tuple(obj for obj in slices if not is_ours(obj)),
            records=self.all(Place.BROKER, "ExportedService"),
            broker_slices=self.all(Place.BROKER, "EndpointSlice"),
            service_import=self.find("ServiceImport"),
            derived=self.find("Service", derived_name(WEB)),
            imported_slices=tuple(obj for obj in slices if is_ours(obj)),
        )

    def plan(self, *, failed: str = "", stuck: bool = False) -> ServicePlan:
        setting = Setting(importer(self.cluster, lost=self.lost), BROKER, "v1beta1", self.now, self.reachable)
        return plan(self.seen(), setting, failed=failed, stuck=stuck)

    def perform(self, write: Write) -> None:
        key = write.place, write.kind, write.name
        there = self.objects.get(key)
        match write.verb:
            case Verb.CREATE:
                assert there is None, f"{key} is there"
                self.put(write.place, {name: value for name, value in write.obj.items() if name != "status"})
            case Verb.REPLACE | Verb.REPLACE_STATUS:
                assert there is not None
                assert write.obj["metadata"]["resourceVersion"] == there["metadata"]["resourceVersion"]
                status = write.verb is Verb.REPLACE_STATUS
                assert {key: value for key, value in write.obj.items() if key != "status"} == {
                    key: value for key, value in there.items() if key != "status"
                } or not status
                self.put(write.place, write.obj if status else write.obj | {"status": there.get("status") or {}})
            case Verb.DELETE:
                assert there is not None
                del self.objects[key]

    def settle(self) -> list[Write]:
        """Plan and perform until nothing is left; all writes."""
        done: list[Write] = []
        for _ in range(STEPS):
            writes = [one for one in self.plan().writes if self.reachable or one.place is Place.LOCAL]
            if not writes:
                return done
            for write in writes:
                self.perform(write)
            done += writes
        raise AssertionError(f"not settled: {[(one.verb, one.kind, one.name) for one in done[-4:]]}")

    def addresses(self) -> set[str]:
        return {
            address
            for obj in self.all(Place.LOCAL, "EndpointSlice")
            if is_ours(obj)
            for end in obj["endpoints"]
            for address in end["addresses"]
        }

    def condition(self, kind: str) -> tuple[str, str]:
        export = self.find("ServiceExport")
        assert export is not None
        (found,) = (one for one in export["status"]["conditions"] if one["type"] == kind)
        return found["status"], found["reason"]


def is_ours(obj: JsonObject) -> bool:
    labels = obj["metadata"].get("labels") or {}
    return bool(labels.get("endpointslice.kubernetes.io/managed-by") == "discovery.mcnet.dev")
