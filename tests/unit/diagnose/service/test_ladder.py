"""The rungs: of each the case where all is well, and every fault with its sentence and the command that mends it."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from mcnet.codec import service as service_codec
from mcnet.codec.service_state import decode_endpoints, decode_export, decode_import
from mcnet.diagnose.broker import API_NAME
from mcnet.diagnose.inside import Lookup
from mcnet.diagnose.service.evidence import Evidence, Place, Reached, Tried
from mcnet.diagnose.service.ladder import LADDER
from mcnet.model.cluster import ClusterId
from mcnet.model.diagnosis import Judgement, Verdict, worst
from mcnet.model.service import Port
from tests.fakes import service_objects as fakes
from tests.fakes.service_objects import EXPORTED, NO_SERVICE, WEB, condition

WEST, EAST, NORTH = ClusterId("west"), ClusterId("east"), ClusterId("north")
NAME = "web.shop.svc.clusterset.local"
IP = "10.102.0.77"
REACHED = Reached(
    {NAME: Lookup((IP,)), API_NAME: Lookup(("10.96.0.1",))}, (Tried(IP, 80, 4),)
)  # fmt: skip
IMPORT = decode_import(fakes.service_import("east"))
HEADLESS = decode_import(fakes.service_import("east", headless=True))
SLICE = decode_endpoints(fakes.imported_slice("east", "10.1.0.1", "10.1.0.2"))
DERIVED = service_codec.decode(fakes.derived())
IMPORTER = Place(
    cluster=WEST, context="w", service_import=IMPORT, derived=DERIVED, endpoints=(SLICE,), reached=REACHED
)  # fmt: skip
IMPORTER_OF_NOTHING = replace(IMPORTER, endpoints=())
EXPORTER = replace(
    IMPORTER, cluster=EAST, context="e", source=True, export=decode_export(fakes.export(*EXPORTED))
)  # fmt: skip
WELL = Evidence(service=WEB, places=(EXPORTER, IMPORTER), records=frozenset({EAST}))

LOGS = "kubectl --context {} -n mcnet-system logs -l app.kubernetes.io/component=discovery --tail 20"
Change = Callable[[Evidence], Evidence]


def exporter(**changes: Any) -> Change:
    return lambda evidence: replace(evidence, places=(replace(evidence.places[0], **changes), evidence.places[1]))


def importer(**changes: Any) -> Change:
    return lambda evidence: replace(evidence, places=(evidence.places[0], replace(evidence.places[1], **changes)))


def whole(**changes: Any) -> Change:
    return lambda evidence: replace(evidence, **changes)


def export(*conditions: dict[str, Any]) -> Change:
    return exporter(export=decode_export(fakes.export(*conditions)))


def imported(**changes: Any) -> Change:
    return importer(service_import=replace(IMPORT, **changes))


def judged(rung: str, evidence: Evidence) -> Judgement:
    (found,) = [one for one in LADDER if one.name == rung]
    return found.judge(evidence)


@pytest.mark.parametrize(
    ("rung", "looked"),
    [
        ("export", "by east"),
        ("broker", "records of east"),
        ("import", "into east, west"),
        ("derived", f"east {IP}; west {IP}"),
        ("endpoints", "ready: east 2 of 2; west 2 of 2"),
        ("dns", f"east {IP}; west {IP}"),
        ("connect", "east 4 of 4 connections; west 4 of 4 connections"),
    ],
)
def test_all_is_well(rung: str, looked: str) -> None:
    assert judged(rung, WELL) == Judgement(looked)


def test_every_rung_has_a_name_a_title_and_a_reason_of_its_own() -> None:
    for values in ([one.name for one in LADDER], [one.title for one in LADDER], [one.matters for one in LADDER]):
        assert len(set(values)) == len(LADDER)
    assert [one.by_pods for one in LADDER] == sorted(one.by_pods for one in LADDER), "pods are the last to be asked"


PENDING = condition("Ready", False, "Pending", "The broker can't be reached now")
FAILED = condition("Ready", False, "Failed", "The broker refused it")
NOT_USABLE = condition("Valid", False, "RefusedService", "It is derived from an import")
NO_FAMILY = condition("Ready", False, "IPFamilyNotSupported", "The service has IPv6")
CONFLICT = condition("Conflict", True, "PortConflict", "The ports differ")
OTHER = Tried(IP, 80, 4, ("no answer within 4 s",))
REFUSED = Tried(IP, 80, 4, ("Connection refused",) * 4)


def names(found: Lookup, other: Lookup = REACHED.names[API_NAME]) -> Change:
    return importer(reached=replace(REACHED, names={NAME: found, API_NAME: other}))


FAULTS: list[tuple[str, Change, Verdict, str, str, str]] = [
    # rung, what is changed, verdict, about, what is said, the command
    ("export", exporter(export=None), Verdict.WRONG, "service shop/web",
     "no cluster exports it, though east has a Service of that name", "mcnet export service web -n shop --context e"),
    ("export", exporter(export=None, source=False), Verdict.WRONG, "service shop/web",
     "no cluster exports it, and there is no Service of that name in east, west", "mcnet show services"),
    ("export", whole(places=(IMPORTER,), records=None, absent=(EAST,)), Verdict.UNKNOWN, "service shop/web",
     "no cluster that could be read exports it; east could not be", "mcnet export service web -n shop --context"),
    ("export", whole(places=(IMPORTER,), records=frozenset(), absent=(EAST,)), Verdict.WRONG, "service shop/web",
     "no cluster exports it, and there is no Service of that name in west; east could not be looked at",
     "mcnet export service web -n shop --context CONTEXT"),
    ("export", export(), Verdict.WRONG, "cluster east", "nobody has looked at the ServiceExport", LOGS.format("e")),
    ("export", export(*NO_SERVICE), Verdict.WRONG, "cluster east", "There is no Service web in the namespace shop",
     "kubectl --context e -n shop get services"),
    ("export", export(NOT_USABLE, FAILED), Verdict.WRONG, "cluster east", "It is derived from an import",
     "mcnet unexport service web -n shop --context e"),
    ("export", export(*EXPORTED[:2], CONFLICT), Verdict.WARNING, "cluster east",
     "its exports differ: The ports differ", "mcnet unexport service web -n shop --context e"),
    ("export", importer(installed=False), Verdict.WRONG, "cluster west", "does not have the kinds of the MCS API",
     "mcnet join broker-info.mcnet --context w"),
    ("export", importer(unread="not allowed"), Verdict.UNKNOWN, "cluster west",
     "its services can't be read: not allowed", ""),
    ("broker", whole(records=None, broker_unread="no answer"), Verdict.UNKNOWN, "the broker",
     "what it holds can't be read: no answer", "mcnet diagnose broker"),
    ("broker", whole(records=frozenset()), Verdict.WRONG, "cluster east",
     "the broker has no record of its export", LOGS.format("e")),
    ("broker", whole(records=frozenset({EAST, WEST})), Verdict.WARNING, "cluster west",
     "the broker has a record of an export that is no more", LOGS.format("w")),
    ("broker", export(EXPORTED[0], PENDING), Verdict.WRONG, "cluster east",
     "its export is not at the broker: The broker can't be reached now", "mcnet diagnose broker --context e"),
    ("broker", export(EXPORTED[0], FAILED), Verdict.WRONG, "cluster east",
     "its export is not at the broker: The broker refused it", LOGS.format("e")),
    ("broker", export(EXPORTED[0]), Verdict.WRONG, "cluster east",
     "its export is not at the broker: nothing is said", LOGS.format("e")),
    ("import", importer(service_import=None), Verdict.WRONG, "cluster west",
     "there is no ServiceImport, though the service is exported by east", LOGS.format("w")),
    ("import", imported(ours=False), Verdict.WRONG, "cluster west", "its ServiceImport is not mcnet's",
     "kubectl --context w -n shop get serviceimport web -o yaml"),
    ("import", imported(conditions=()), Verdict.WRONG, "cluster west",
     "its ServiceImport is not ready: nothing is said of it", LOGS.format("w")),
    ("import", imported(conditions=decode_export(fakes.export(NO_FAMILY)).conditions), Verdict.WRONG, "cluster west",
     "its ServiceImport is not ready: The service has IPv6", "mcnet show networks --context w"),
    ("import", imported(clusters=(WEST,)), Verdict.WARNING, "cluster west",
     "what east exports is not part of its ServiceImport", LOGS.format("w")),
    ("import", whole(places=(replace(IMPORTER, namespace=False),), absent=(EAST,)), Verdict.WRONG, "cluster west",
     "it has no namespace shop", "kubectl --context w create namespace shop"),
    ("derived", importer(derived=None), Verdict.WRONG, "cluster west", "there is no derived Service mcnet-",
     LOGS.format("w")),
    ("derived", importer(derived=replace(DERIVED, derived=False)), Verdict.WRONG, "cluster west",
     "is somebody else's, and mcnet leaves it alone", "kubectl --context w -n shop get service mcnet-"),
    ("derived", importer(derived=replace(DERIVED, cluster_ips=())), Verdict.WRONG, "cluster west",
     "has got no ClusterIP", "kubectl --context w -n shop describe service mcnet-"),
    ("derived", importer(derived=replace(DERIVED, cluster_ips=(ip_address("10.102.0.8"),))), Verdict.WRONG,
     "cluster west", f"has 10.102.0.8, but the ServiceImport says {IP}", LOGS.format("w")),
    ("derived", imported(ips=()), Verdict.WRONG, "cluster west", f"has {IP}, but the ServiceImport says none",
     LOGS.format("w")),
    ("endpoints", importer(endpoints=(), lost=frozenset({EAST})), Verdict.WRONG, "cluster west",
     "no cable leads to east, so its endpoints are not used", "mcnet show connections --context w"),
    ("endpoints", importer(endpoints=()), Verdict.WRONG, "cluster west",
     "no endpoint of east is in use: discovery has left them out, or the service has none",
     "kubectl --context w -n mcnet-system get events.events.k8s.io --field-selector reason=ServiceNotWhole"),
    ("endpoints", importer(endpoints=(), service_import=replace(IMPORT, traffic="remote-only")), Verdict.WRONG,
     "cluster west", "no endpoint of east is in use: the annotation mcnet.dev/traffic sends traffic elsewhere",
     "mcnet show services -o wide --context w"),
    ("endpoints", whole(places=(IMPORTER_OF_NOTHING,), absent=(EAST,)), Verdict.WRONG, "cluster west",
     "no endpoint of east is in use: discovery has left them out, or the service has none", "kubectl --context w"),
    ("endpoints", importer(endpoints=(replace(SLICE, ready=()),)), Verdict.WRONG, "cluster west",
     "none of 2 endpoints of east is ready",
     "kubectl --context e -n shop get endpointslices -l kubernetes.io/service-name=web"),
    ("endpoints", imported(clusters=(EAST, NORTH)), Verdict.WARNING, "cluster west",
     "no endpoint of north is in use: discovery has left them out", "kubectl --context w -n mcnet-system get events"),
    ("endpoints", importer(endpoints=(), service_import=replace(IMPORT, clusters=())), Verdict.WRONG, "cluster west",
     "there is no endpoint of any cluster", LOGS.format("w")),
    ("endpoints", importer(endpoints=(replace(SLICE, attached=""),)), Verdict.WRONG, "cluster west",
     "1 of its imported EndpointSlices do not belong to the derived Service", LOGS.format("w")),
    ("dns", importer(reached=None, unreached="no image"), Verdict.UNKNOWN, "cluster west",
     "no pod could look: no image", ""),
    ("dns", names(Lookup(problem="Name or service not known")), Verdict.WRONG, "cluster west",
     f"{NAME} is not answered in its pods, though {API_NAME} is: Name or service not known",
     "mcnet join broker-info.mcnet --context w"),
    ("dns", names(Lookup(problem="no answer"), Lookup(problem="no answer")), Verdict.WRONG, "cluster west",
     "and no other name is: no answer", "mcnet diagnose dns --context w"),
    ("dns", importer(reached=Reached({})), Verdict.WRONG, "cluster west", "it was not looked up",
     "mcnet join broker-info.mcnet --context w"),
    ("dns", names(Lookup((IP, "10.9.9.9"))), Verdict.WRONG, "cluster west",
     f"is answered with 10.9.9.9, which is not a clusterset IP ({IP})",
     "kubectl --context w -n kube-system get pods -l k8s-app=kube-dns"),
    ("connect", importer(reached=None, unreached="no image"), Verdict.UNKNOWN, "cluster west",
     "no pod could try: no image", ""),
    ("connect", importer(reached=replace(REACHED, connections=(OTHER,))), Verdict.WRONG, f"west → {IP} port 80",
     "1 of 4 connections from a pod failed: no answer within 4 s", "mcnet diagnose connections cable-port mtu"),
    ("connect", importer(reached=replace(REACHED, connections=(REFUSED,))), Verdict.WRONG, f"west → {IP} port 80",
     "4 of 4 connections from a pod failed: Connection refused",
     "kubectl --context e -n shop describe service web"),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{one[0]}: {one[4][:30]}" for one in FAULTS])
def test_what_is_not_well(fault: tuple[str, Change, Verdict, str, str, str]) -> None:
    rung, change, verdict, about, said, remedy = fault
    (finding,) = judged(rung, change(WELL)).findings
    assert (finding.verdict, finding.about) == (verdict, about)
    assert said in finding.said
    assert finding.remedy.startswith(remedy)
    assert bool(finding.remedy) == bool(remedy)


@pytest.mark.parametrize(
    ("rung", "change"), [(rung, change) for rung, change, verdict, *_ in FAULTS if verdict is Verdict.WRONG]
)
def test_the_rungs_before_a_fault_hold_where_they_can(rung: str, change: Change) -> None:
    """So that the first broken rung is the one that is at fault."""
    evidence = change(WELL)
    order = [one.name for one in LADDER]
    for earlier in order[: order.index(rung)]:
        assert worst(one.verdict for one in judged(earlier, evidence).findings) is not Verdict.WRONG, earlier


def test_of_a_cluster_that_can_t_be_read_the_broker_tells() -> None:
    evidence = replace(WELL, places=(IMPORTER,), absent=(EAST,))
    assert judged("export", evidence) == Judgement("by east (says the broker)")
    unread = replace(WELL, places=(Place(cluster=EAST, unread="no answer"), IMPORTER))
    assert judged("export", unread).looked == "by east (says the broker)"
    assert judged("import", unread).looked == "into west"
    assert unread.exporters == (EAST,)


def test_a_cluster_without_the_namespace_is_named_and_no_fault() -> None:
    bare = Place(cluster=NORTH, namespace=False)
    evidence = replace(WELL, places=(*WELL.places, bare))
    assert judged("import", evidence) == Judgement("into east, west; north has no namespace shop")
    assert judged("endpoints", evidence) == judged("endpoints", WELL)


ONLY_EAST = decode_export(fakes.export(*EXPORTED, annotations={"mcnet.dev/export-to": "north"}))
ALONE = replace(IMPORTER, service_import=None, derived=None, endpoints=())


def test_a_cluster_that_it_is_not_exported_to_is_named_and_no_fault() -> None:
    evidence = replace(WELL, places=(replace(EXPORTER, export=ONLY_EAST), ALONE))
    assert judged("import", evidence) == Judgement("into east; not exported to west")
    assert judged("endpoints", evidence) == Judgement("ready: east 2 of 2")
    lone = replace(EXPORTER, export=ONLY_EAST, service_import=None)
    (finding,) = judged("import", replace(WELL, places=(lone, ALONE))).findings
    assert finding.about == "cluster east", "an export is always for its own cluster"


def test_where_it_is_exported_to_none_that_was_asked_the_way_ends() -> None:
    to = (EAST, NORTH)
    evidence = replace(WELL, places=(ALONE,), absent=(EAST,), audiences={EAST: to})
    (finding,) = judged("import", evidence).findings
    assert (finding.verdict, finding.about) == (Verdict.WRONG, "cluster west")
    assert finding.said == "the service is not exported to west: east exports it to east, north only"
    assert finding.remedy == "mcnet export service web -n shop --to east,north,west --context CONTEXT"
    (finding,) = judged("import", replace(evidence, audiences={})).findings
    assert "there is no ServiceImport, though the service is exported by east" in finding.said


def test_a_headless_service_needs_no_derived_service_and_is_its_endpoints() -> None:
    answer = Lookup(("10.1.0.1",))
    loose = decode_endpoints(fakes.imported_slice("east", "10.1.0.1", "10.1.0.2", attached=False))
    place = replace(
        IMPORTER, service_import=HEADLESS, derived=None, endpoints=(loose,),
        reached=Reached({NAME: answer, API_NAME: answer}, (Tried("10.1.0.1", 8080, 4),)),
    )  # fmt: skip
    evidence = replace(WELL, places=(place,), absent=(EAST,))
    assert judged("derived", evidence) == Judgement("headless: it needs none")
    for rung in ("import", "endpoints", "dns", "connect"):
        assert judged(rung, evidence).findings == (), rung
    wrong = replace(place, reached=Reached({NAME: Lookup(("10.1.0.9",))}))
    (finding,) = judged("dns", replace(evidence, places=(wrong,))).findings
    assert finding.said == f"{NAME} is answered with 10.1.0.9, which is not an endpoint that is ready"


def test_an_exporter_without_ready_endpoints_is_named_everywhere() -> None:
    places = tuple(replace(place, endpoints=()) for place in WELL.places)
    findings = judged("endpoints", replace(WELL, places=places)).findings
    assert [(one.about, one.said) for one in findings] == [
        ("cluster east", "the service has no ready endpoint in east"),
        ("cluster west", "the service has no ready endpoint in east"),
    ]
    look = "kubectl --context e -n shop get endpointslices -l kubernetes.io/service-name=web"
    assert {one.remedy for one in findings} == {look}


def test_where_traffic_is_chosen_only_lost_clusters_are_told() -> None:
    made = replace(IMPORT, clusters=(EAST, NORTH), traffic="failover=east,north")
    assert judged("endpoints", importer(service_import=made)(WELL)).findings == ()
    (finding,) = judged("endpoints", importer(service_import=made, lost=frozenset({NORTH}))(WELL)).findings
    assert (finding.verdict, finding.said.partition(",")[0]) == (Verdict.WARNING, "no cable leads to north")


def test_ports_that_can_t_be_tried_are_named() -> None:
    made = replace(IMPORT, ports=(Port("http", "TCP", 80), Port("dns", "UDP", 53)))
    evidence = importer(service_import=made)(WELL)
    assert judged("connect", evidence).looked.endswith("west 4 of 4 connections (UDP 53 can't be tried)")
