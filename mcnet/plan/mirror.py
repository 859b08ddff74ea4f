"""What discovery writes: the broker's objects into the member's cluster, the member's own to the broker.

The own Endpoints and the status of the own Cluster are the member's, and are restored at the broker; the specs
of Clusters, other members' Endpoints and the ClusterSet are the broker's, and are restored locally. Whose an
object is follows from its name, which nobody can change, never from its label. How to read and write belongs
to the daemon.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, TypeAlias

from mcnet.codec import cluster as cluster_codec
from mcnet.codec import pins as pins_codec
from mcnet.model.cluster import Cluster, ClusterId
from mcnet.model.member import CLUSTER_LABEL, CLUSTERSET_NAME, MANAGED_LABEL
from mcnet.model.trust import Farewell
from mcnet.plan.trust import Refused, Verdict, judge

JsonObject: TypeAlias = dict[str, Any]


class Place(Enum):
    """Where an object lies."""

    LOCAL = "local"
    BROKER = "broker"


class Verb(Enum):
    """What is done to an object. REPLACE and REPLACE_STATUS carry the resource version that was seen."""

    CREATE = "create"
    REPLACE = "replace"
    REPLACE_STATUS = "replace the status of"
    DELETE = "delete"


_ORDER = (Verb.REPLACE, Verb.REPLACE_STATUS, Verb.CREATE, Verb.DELETE)
"""What is in use changes before anything new comes, of which there may be thousands; what goes, goes last."""


@dataclass(frozen=True, slots=True)
class Objects:
    """What one place holds of the three kinds that are mirrored, as JSON."""

    clustersets: tuple[JsonObject, ...] = ()
    clusters: tuple[JsonObject, ...] = ()
    endpoints: tuple[JsonObject, ...] = ()


Faults: TypeAlias = Mapping[tuple[Place, str, str], str]
"""Why an object can't be understood, by place, kind and name; those that can are not in it."""


@dataclass(frozen=True, slots=True)
class World:
    """The inputs of a round: all that both places hold, complete as of when they were seen last."""

    cluster: ClusterId
    local: Objects
    broker: Objects
    namespace: str
    broker_namespace: str
    faults: Faults = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)
    """The status that the own Cluster is to have (mcnet.codec.cluster.encode_status)."""
    pins: JsonObject | None = None
    """The ConfigMap of the pins, as it is."""
    farewells: Mapping[ClusterId, Sequence[Farewell]] = field(default_factory=dict)
    """Of clusters whose keys are not those pinned (mcnet.plan.trust.changed)."""
    owner: Mapping[str, Any] | None = None
    """Owner reference to the member's own ServiceAccount at the broker, which a Cluster there must have."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write; `obj` is the whole object to write, or the one to delete."""

    place: Place
    verb: Verb
    obj: JsonObject
    reason: str

    @property
    def name(self) -> str:
        return str(self.obj["metadata"]["name"])

    @property
    def kind(self) -> str:
        return str(self.obj["kind"])


@dataclass(frozen=True, slots=True)
class Problem:
    """An object that is left alone, and why; `name` is "Kind NAME"."""

    place: Place
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Writes in the order to do them, and what was left out."""

    writes: tuple[Write, ...] = ()
    problems: tuple[Problem, ...] = ()
    refused: tuple[Refused, ...] = ()
    """What of the broker's is not believed; named among the problems too."""


def plan(world: World) -> Plan:
    """The writes that make both places agree; none with a broker that holds no ClusterSet.

    A broker without ClusterSet is not one (any more): it was emptied or is another API server at its address;
    taking its emptiness for "all members have left" would cut every cable.
    """
    if not is_broker(world.broker.clustersets):
        why = "the broker holds none: nothing is copied from or to it"
        return Plan(problems=(Problem(Place.BROKER, f"ClusterSet {CLUSTERSET_NAME}", why),))
    verdict = judge(
        remote_clusters(world), _understood_endpoints(world), pins_codec.decode(world.pins), world.farewells
    )
    unbelieved = {(Place.BROKER, "Endpoint", one.name): one.why for one in verdict.refused if one.kind == "Endpoint"}
    world = replace(world, faults={**world.faults, **unbelieved})
    parts = (
        _clustersets(world),
        _clusters(world, verdict),
        _own_cluster(world),
        _remote_endpoints(world, verdict),
        _own_endpoints(world),
    )
    writes = tuple(write for part in parts for write in part.writes)
    ordered = sorted(writes, key=lambda write: _ORDER.index(write.verb))
    problems = (
        *(problem for part in parts for problem in part.problems),
        *(
            Problem(Place.BROKER, f"{one.kind} {one.name}", one.why)
            for one in verdict.refused
            if one.kind == "Cluster" or one.name in verdict.dropped
        ),
    )
    # Pins before all else: what is copied is what they let through.
    return Plan((*_pins(world, verdict), *ordered), problems, verdict.refused)


def is_broker(clustersets: Iterable[JsonObject]) -> bool:
    """Whether an API server with these ClusterSets is a broker."""
    return any(_name(obj) == CLUSTERSET_NAME for obj in clustersets)


def remote_clusters(world: World) -> tuple[Cluster, ...]:
    """The other members' Clusters at the broker, as far as they can be understood."""
    return tuple(
        cluster_codec.decode(obj)
        for obj in world.broker.clusters
        if _name(obj) != world.cluster and _is_understood(world, obj)
    )


def _understood_endpoints(world: World) -> tuple[JsonObject, ...]:
    return tuple(obj for obj in world.broker.endpoints if _owner(obj) != world.cluster and _is_understood(world, obj))


def _is_understood(world: World, obj: JsonObject) -> bool:
    return (Place.BROKER, obj["kind"], _name(obj)) not in world.faults


def _pins(world: World, verdict: Verdict) -> tuple[Write, ...]:
    wanted = pins_codec.encode(verdict.pins, namespace=world.namespace)
    if world.pins is None:
        return (Write(Place.LOCAL, Verb.CREATE, wanted, "keys seen for the first time"),) if verdict.pins else ()
    if (world.pins.get("data") or {}) == wanted["data"]:
        return ()
    return (Write(Place.LOCAL, Verb.REPLACE, world.pins | {"data": wanted["data"]}, "keys or sequences are newer"),)


def _clustersets(world: World) -> Plan:
    originals = [obj for obj in world.broker.clustersets if _name(obj) == CLUSTERSET_NAME]
    return _mirror(_Copying(world, Place.LOCAL), originals, world.local.clustersets)


def _clusters(world: World, verdict: Verdict) -> Plan:
    """Specs of all Clusters, and the status of the others, from the broker. The own copy is never deleted.

    A cluster that is stopped has its networks here, so that they are rejected and never go to the default route, and
    the keys that it is known by.
    """
    known = {one.name: verdict.pins[ClusterId(one.name)].identity for one in verdict.refused if one.kind == "Cluster"}
    own = [obj for obj in world.broker.clusters if _name(obj) == world.cluster]
    others = [
        cluster_codec.with_identity(obj, known[_name(obj)]) if _name(obj) in known else obj
        for obj in world.broker.clusters
        if _name(obj) != world.cluster
    ]
    mine = [obj for obj in world.local.clusters if _name(obj) == world.cluster]
    if not own:
        mine = []
    theirs = [obj for obj in world.local.clusters if _name(obj) != world.cluster]
    return _join(
        _mirror(_Copying(world, Place.LOCAL), own, mine),
        _mirror(_Copying(world, Place.LOCAL, status=True), others, theirs),
    )


def _own_cluster(world: World) -> Plan:
    """The own Cluster's status at both places; at the broker the Cluster itself, should it have been deleted."""
    local = _find(world.local.clusters, world.cluster)
    remote = _find(world.broker.clusters, world.cluster)
    writes = []
    for place, obj in ((Place.LOCAL, local), (Place.BROKER, remote)):
        if obj and (obj.get("status") or {}) != world.status:
            writes.append(Write(place, Verb.REPLACE_STATUS, obj | {"status": dict(world.status)}, "own status"))
    if remote is None and local is not None and world.owner is not None:
        copy = _copy(local, world.broker_namespace, world.cluster)
        copy["metadata"]["ownerReferences"] = [dict(world.owner)]
        writes.append(Write(Place.BROKER, Verb.CREATE, copy, "own object was deleted"))
    return Plan(tuple(writes))


def _remote_endpoints(world: World, verdict: Verdict) -> Plan:
    """Those that nobody vouches for count as gone."""
    originals = [
        obj for obj in world.broker.endpoints if _owner(obj) != world.cluster and _name(obj) not in verdict.dropped
    ]
    copies = [obj for obj in world.local.endpoints if _owner(obj) != world.cluster]
    return _mirror(_Copying(world, Place.LOCAL), originals, copies)


def _own_endpoints(world: World) -> Plan:
    originals = [obj for obj in world.local.endpoints if _owner(obj) == world.cluster]
    copies = [obj for obj in world.broker.endpoints if _owner(obj) == world.cluster]
    return _mirror(_Copying(world, Place.BROKER), originals, copies)


@dataclass(frozen=True, slots=True)
class _Copying:
    """Where copies go, and whether their status is copied too."""

    world: World
    place: Place
    status: bool = False

    @property
    def namespace(self) -> str:
        return self.world.namespace if self.place is Place.LOCAL else self.world.broker_namespace

    @property
    def source(self) -> Place:
        return Place.BROKER if self.place is Place.LOCAL else Place.LOCAL


def _mirror(copying: _Copying, originals: Iterable[JsonObject], copies: Iterable[JsonObject]) -> Plan:
    """Make `copies` equal to `originals`, by name. A copy whose original can't be understood is left as it is."""
    there = {_name(obj): obj for obj in copies}
    writes: list[Write] = []
    problems: list[Problem] = []
    kept = set()
    for original in originals:
        name = _name(original)
        kept.add(name)
        if why := copying.world.faults.get((copying.source, original["kind"], name)):
            problems.append(Problem(copying.source, f"{original['kind']} {name}", why))
        else:
            writes += _one(copying, original, there.get(name))
    for name in sorted(there.keys() - kept):
        writes.append(Write(copying.place, Verb.DELETE, there[name], "its original is gone"))
    return Plan(tuple(writes), tuple(problems))


def _one(copying: _Copying, original: JsonObject, there: JsonObject | None) -> list[Write]:
    """The writes for one copy; a status follows a round after its object, since it needs the object's version."""
    owner = _owner(original)
    if there is None:
        copy = _copy(original, copying.namespace, owner)
        return [Write(copying.place, Verb.CREATE, copy, f"new in {copying.source.value}")]
    labels = there["metadata"].get("labels") or {}
    wanted = labels | _labels(owner)
    if there.get("spec") != original.get("spec") or labels != wanted:
        metadata = there["metadata"] | {"labels": wanted}
        obj = there | {"metadata": metadata, "spec": original["spec"]}
        return [Write(copying.place, Verb.REPLACE, obj, f"differs from {copying.source.value}")]
    status = original.get("status") or {}
    if copying.status and (there.get("status") or {}) != status:
        return [Write(copying.place, Verb.REPLACE_STATUS, there | {"status": status}, "status differs")]
    return []


def _copy(original: JsonObject, namespace: str, owner: str) -> JsonObject:
    """A new object with the original's spec and nothing else of it."""
    return {
        "apiVersion": original["apiVersion"],
        "kind": original["kind"],
        "metadata": {"name": _name(original), "namespace": namespace, "labels": _labels(owner)},
        "spec": original["spec"],
    }


def _labels(owner: str) -> dict[str, str]:
    return {MANAGED_LABEL: "mcnet"} | ({CLUSTER_LABEL: owner} if owner else {})


def _owner(obj: JsonObject) -> str:
    """The ID of the cluster whose object it is, by its name; "" for the ClusterSet, which is nobody's."""
    return "" if obj["kind"] == "ClusterSet" else _name(obj).split(".")[0]


def _name(obj: JsonObject) -> str:
    return str(obj["metadata"]["name"])


def _find(objects: Iterable[JsonObject], name: str) -> JsonObject | None:
    return next((obj for obj in objects if _name(obj) == name), None)


def _join(*parts: Plan) -> Plan:
    return Plan(
        tuple(write for part in parts for write in part.writes),
        tuple(problem for part in parts for problem in part.problems),
    )
