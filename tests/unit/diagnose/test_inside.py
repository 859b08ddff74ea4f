"""The pod in the pod network: names looked up beside each other, and what is made of its answer."""

import json
import socket
import threading
from dataclasses import replace
from typing import Any

import pytest

from mcnet.diagnose import inside
from mcnet.diagnose.broker import API_NAME, look_inside, read_broker
from mcnet.diagnose.inside import Inside, Lookup, decode, look_up, main
from mcnet.kube import kinds
from mcnet.model.errors import McnetError
from tests.fakes.kubelet import FakeKubelet, Ran
from tests.unit.diagnose.world import CREDENTIAL, broker_secret, site


def resolver(monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[str] | None]) -> threading.Event:
    """Puts a resolver in place: addresses by name, None for one that hangs until the event is set."""
    release = threading.Event()

    def getaddrinfo(name: str, *_: Any, **__: Any) -> list[Any]:
        found = answers[name]
        if found is None:
            release.wait()
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(0, 0, 0, "", (address, 0)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return release


def test_a_name_that_hangs_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "PATIENCE", 0.1)
    release = resolver(monkeypatch, {"a": ["10.0.0.2", "10.0.0.1", "10.0.0.2"], "b": [], "c": None})
    try:
        assert look_up(["c", "a", "b"]) == {
            "a": Lookup(("10.0.0.1", "10.0.0.2")),
            "b": Lookup(problem="Name or service not known"),
            "c": Lookup(problem="no answer within 0.1 s"),
        }
    finally:
        release.set()


def test_what_is_printed_is_what_is_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    resolver(monkeypatch, {"a": ["10.0.0.1"], "b": []})
    assert main(["", "", "a", "b"]) == 0
    found = decode(capsys.readouterr().out)
    assert found == Inside({"a": Lookup(("10.0.0.1",)), "b": Lookup(problem="Name or service not known")})
    assert main(["x"]) == 2


@pytest.mark.parametrize("text", ["", "hello", "[]", '{"names": []}', '{"names": {"a": 1}, "broker": ""}'])
def test_what_is_no_answer(text: str) -> None:
    with pytest.raises(McnetError, match="said nothing usable"):
        decode(text)


def kubelet(ran: Ran) -> FakeKubelet:
    made = FakeKubelet(play=lambda pod: ran)
    metadata = {"name": "mcnet-system", "annotations": {"mcnet.dev/image": "image:1"}}
    made.add({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, broker_secret())
    return made


async def test_one_pod_for_all_checks_in_the_pod_network() -> None:
    made = kubelet(
        Ran(output=json.dumps({"names": {API_NAME: {"addresses": ["10.0.0.1"], "problem": ""}}, "broker": "no"}))
    )
    one = site(made)
    first, second = await look_inside(one), await look_inside(one)
    assert first is second
    assert (first.broker, first.names[API_NAME].addresses) == ("no", ("10.0.0.1",))
    (pod,) = made.pods
    assert pod["spec"]["hostNetwork"] is False
    arguments = pod["spec"]["containers"][0]["args"]
    assert arguments == [CREDENTIAL.server, "", API_NAME, "broker"]
    assert CREDENTIAL.token not in arguments
    assert made.all(kinds.POD) == []


async def test_where_discovery_is_in_the_nodes_network_the_pod_is_there_too() -> None:
    made = kubelet(Ran(output=json.dumps({"names": {}, "broker": ""})))
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    for name, status in (("n1", {}), ("n2", ready)):
        made.add({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status})
    one = site(made)
    one.member = replace(one.member, discovery_on_nodes=2)
    await look_inside(one)
    (pod,) = made.pods
    assert (pod["spec"]["hostNetwork"], pod["spec"]["nodeName"]) == (True, "n2")
    assert pod["spec"]["dnsPolicy"] == "ClusterFirstWithHostNet"


async def test_a_pod_that_fails_is_an_error_with_its_reason() -> None:
    with pytest.raises(McnetError, match="failed: OSError: no"):
        await look_inside(site(kubelet(Ran("Failed", "OSError: no\n"))))


async def test_without_a_credential_the_broker_says_what_is_missing() -> None:
    found = await read_broker(site(FakeKubelet()))
    assert (found.credential, found.unread) == (None, "there is no Secret mcnet-broker")
    odd = FakeKubelet()
    odd.add({**broker_secret(), "data": {"server": "!"}})
    assert (await read_broker(site(odd))).unread.startswith("the Secret mcnet-broker is damaged")
