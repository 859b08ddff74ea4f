"""The climb on API servers in memory: everything read, pods only where the rungs below hold, nothing left behind."""

import json
from typing import Any

import pytest

from mcnet.codec import member as member_codec
from mcnet.diagnose.broker import API_NAME
from mcnet.diagnose.service.climb import Climbed, climb
from mcnet.diagnose.service.gather import gather
from mcnet.diagnose.site import Site
from mcnet.kube import kinds
from mcnet.model.diagnosis import Verdict
from mcnet.model.errors import ForbiddenError, McnetError
from mcnet.model.member import SYSTEM_NAMESPACE
from tests.fakes import service_objects as fakes
from tests.fakes.kubelet import FakeKubelet, Ran
from tests.fakes.service_objects import EXPORTED, WEB
from tests.unit.diagnose.world import CREDENTIAL, broker_secret, cluster

JsonObject = dict[str, Any]
NAME = "web.shop.svc.clusterset.local"
RUNGS = ["export", "broker", "import", "derived", "endpoints", "dns", "connect"]


def answer(*problems: str, addresses: tuple[str, ...] = ("10.102.0.77",)) -> Ran:
    found = {"addresses": list(addresses), "problem": "" if addresses else "Name or service not known"}
    connections = [{"address": one, "port": 80, "tries": 4, "problems": problems} for one in addresses]
    names = {NAME: found, API_NAME: {"addresses": ["10.96.0.1"], "problem": ""}}
    return Ran(output=json.dumps({"names": names, "connections": connections}))


def server(name: str, *objects: JsonObject) -> FakeKubelet:
    made = FakeKubelet(server=f"https://{name}", context=name, play=lambda pod: answer())
    system = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}}
    made.add(system, fakes.namespace(), broker_secret(CREDENTIAL), cluster("east", 1), cluster("west", 2), *objects)
    return made


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> tuple[FakeKubelet, FakeKubelet, FakeKubelet]:
    """East, which exports, west, and the broker, which their credential leads to."""
    everywhere = (fakes.service_import("east"), fakes.derived(), fakes.imported_slice("east", "10.1.0.1"))
    east = server("east", fakes.service(), fakes.export(*EXPORTED), *everywhere)
    west = server("west", *everywhere)
    broker = FakeKubelet(server=CREDENTIAL.server, context="")
    record = fakes.record("east")
    record["metadata"]["namespace"] = CREDENTIAL.namespace
    broker.add(record)

    async def with_token(**_: Any) -> Any:
        return broker.api()

    monkeypatch.setattr("mcnet.diagnose.broker.with_token", with_token)
    monkeypatch.setattr("mcnet.diagnose.service.gather.with_token", with_token)
    return east, west, broker


def sites(*servers: FakeKubelet) -> list[Site]:
    made = [Site(one.api(), member_codec.decode(fakes.member_object(one.context))) for one in servers]
    for site in made:
        site.others = tuple(one for one in made if one is not site)
    return made


def verdicts(climbed: list[Climbed]) -> list[str]:
    return [str(one.verdict) if one.judgement else "-" for one in climbed]


async def test_to_the_top(servers: tuple[FakeKubelet, ...]) -> None:
    east, west, broker = servers
    said: list[str] = []
    climbed = await climb(sites(east, west), WEB, said.append)
    assert [one.rung.name for one in climbed] == RUNGS
    assert verdicts(climbed) == ["fine"] * 7, [one.judgement for one in climbed]
    assert len(said) == 2
    for one in (east, west):
        (pod,) = one.pods
        (container,) = pod["spec"]["containers"]
        assert container["command"][-1] == "mcnet.diagnose.service.reach"
        assert container["args"] == [NAME, API_NAME, "80"]
        assert "nodeName" not in pod["spec"], "in the pod network, as applications are"
        assert one.all(kinds.POD) == [], "it is gone again"
        assert {request.method for request in one.requests if "/pods" not in request.path} == {"GET"}
    assert {request.method for request in broker.requests} == {"GET"}


async def test_no_pod_runs_where_the_way_is_broken_before(servers: tuple[FakeKubelet, ...]) -> None:
    east, west, _ = servers
    west.remove(kinds.SERVICE_IMPORT, "web", "shop")
    climbed = await climb(sites(east, west), WEB)
    assert verdicts(climbed) == ["fine", "fine", "wrong", "-", "-", "-", "-"]
    assert (east.pods, west.pods) == ([], [])


@pytest.mark.parametrize(
    ("ran", "expected"),
    [
        (answer(addresses=()), ["wrong", "-"]),
        (answer("no answer within 4 s"), ["fine", "wrong"]),
        (Ran(output="what?"), ["unknown", "unknown"]),
        (Ran(phase="Failed", output="no such module"), ["unknown", "unknown"]),
    ],
)
async def test_what_pods_see(servers: tuple[FakeKubelet, ...], ran: Ran, expected: list[str]) -> None:
    east, west, _ = servers
    west.play = lambda pod: ran
    assert verdicts(await climb(sites(east, west), WEB))[5:] == expected


async def test_one_context_alone_learns_of_the_others_by_the_broker(servers: tuple[FakeKubelet, ...]) -> None:
    _, west, _ = servers
    evidence = await gather(sites(west), WEB)
    assert (evidence.absent, evidence.exporters) == (("east",), ("east",))
    assert verdicts(await climb(sites(west), WEB)) == ["fine"] * 7


async def test_whom_an_export_is_for_tells_the_broker_where_its_cluster_can_t_be_asked(
    servers: tuple[FakeKubelet, ...],
) -> None:
    _, west, broker = servers
    west.remove(kinds.SERVICE_IMPORT, "web", "shop")
    record = fakes.record("east")
    record["metadata"]["namespace"] = CREDENTIAL.namespace
    for to, said in (
        (["east"], "the service is not exported to west: east exports it to east only"),
        (["East"], "there is no ServiceImport, though the service is exported by east"),
        (["west"], "there is no ServiceImport, though the service is exported by east"),
    ):
        broker.add(record | {"spec": record["spec"] | {"to": to}})
        judgement = (await climb(sites(west), WEB))[2].judgement
        assert judgement is not None
        assert [one.said for one in judgement.findings] == [said]


async def test_a_broker_that_can_t_be_read_is_no_broken_rung(servers: tuple[FakeKubelet, ...]) -> None:
    east, west, broker = servers
    broker.go_down(McnetError("no answer"))
    climbed = await climb(sites(east, west), WEB)
    assert verdicts(climbed) == ["fine", "unknown", *["fine"] * 5]
    judgement = climbed[1].judgement
    assert judgement is not None
    assert judgement.findings[0].said == "what it holds can't be read: no answer"


async def test_a_record_that_is_missing(servers: tuple[FakeKubelet, ...]) -> None:
    east, west, broker = servers
    (record,) = broker.all(kinds.EXPORTED_SERVICE)
    broker.remove(kinds.EXPORTED_SERVICE, record["metadata"]["name"], CREDENTIAL.namespace)
    assert verdicts(await climb(sites(east, west), WEB))[:3] == ["fine", "wrong", "-"]


@pytest.mark.parametrize("versions", [(), ("v1alpha1",)])
async def test_what_is_served(servers: tuple[FakeKubelet, ...], versions: tuple[str, ...]) -> None:
    east, west, _ = servers
    west.mcs_versions = versions
    climbed = await climb(sites(east, west), WEB)
    assert climbed[0].verdict is (Verdict.FINE if versions else Verdict.WRONG)


async def test_a_member_that_can_t_be_read_or_is_damaged_does_not_stop_the_others(
    servers: tuple[FakeKubelet, ...],
) -> None:
    east, west, _ = servers
    west.fail(lambda request: "serviceexports" in request.path, ForbiddenError("not allowed", status=403), times=99)
    climbed = await climb(sites(east, west), WEB)
    assert verdicts(climbed) == ["unknown", *["fine"] * 6]
    assert west.pods == []
    broken = fakes.imported_slice("east", "10.1.0.1")
    broken["addressType"] = "FQDN"
    east.add(broken)
    evidence = await gather(sites(east), WEB)
    assert evidence.places[0].unread.startswith("an object is not usable: ")
