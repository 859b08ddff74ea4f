"""Settings of one gateway: annotations of its node, checked before anything is written."""

import pytest

from mcnet.install.gateway_settings import Changed, change
from mcnet.kube.kinds import NODE
from mcnet.model.errors import UsageError
from tests.fakes.api import FakeServer
from tests.fakes.node_daemons import node_object


@pytest.fixture
def server() -> FakeServer:
    made = FakeServer()
    made.add(node_object(1, gateway=True), node_object(2, gateway=False))
    return made


def annotations(server: FakeServer, node: str = "n1") -> dict[str, str]:
    (obj,) = [one for one in server.all(NODE) if one["metadata"]["name"] == node]
    return dict(obj["metadata"].get("annotations") or {})


async def test_set_changed_and_taken_back(server: FakeServer) -> None:
    given = {"public-address": "198.51.100.7", "port-base": "4600"}
    assert await change(server.api(), "n1", given) == Changed("n1", given, gateway=True)
    assert annotations(server) == {"mcnet.dev/public-address": "198.51.100.7", "mcnet.dev/port-base": "4600"}
    assert (await change(server.api(), "n1", given)).values == {}, "a second run changes nothing"
    done = await change(server.api(), "n1", {"port-base": "default"})
    assert done.values == {"port-base": ""}
    assert annotations(server) == {"mcnet.dev/public-address": "198.51.100.7"}


async def test_a_dry_run_changes_nothing(server: FakeServer) -> None:
    done = await change(server.api(), "n1", {"port-base": "4600"}, dry_run=True)
    assert done.values == {"port-base": "4600"}
    assert annotations(server) == {}


async def test_a_node_that_is_no_gateway_is_told(server: FakeServer) -> None:
    assert not (await change(server.api(), "n2", {"port-base": "4600"})).gateway


@pytest.mark.parametrize(
    ("node", "given", "said"),
    [
        ("n9", {"port-base": "4600"}, "has no node 'n9'"),
        ("n1", {}, "nothing is to be set"),
        ("n1", {"port-base": "80"}, "--port-base: '80' is not a port from 1024 to 65500"),
        ("n1", {"public-port-base": "x"}, "--public-port-base: 'x' is not a port"),
        ("n1", {"public-address": "example.com"}, "--public-address: 'example.com' is no address"),
        ("n1", {"private-address": "here"}, "--private-address: 'here' is not an address"),
        ("n1", {"port-base": "4600", "public-address": "dns:"}, "--public-address: 'dns:' names no host"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_written(
    server: FakeServer, node: str, given: dict[str, str], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        await change(server.api(), node, given)
    assert annotations(server) == {}
