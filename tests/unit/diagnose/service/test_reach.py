"""What runs in the pod: names and connections, and what is made of its answer."""

import asyncio
import json
import socket
from typing import Any

import pytest

from mcnet.diagnose.inside import Lookup
from mcnet.diagnose.service import reach
from mcnet.diagnose.service.evidence import Reached, Tried
from mcnet.diagnose.service.reach import MOST_ADDRESSES, TRIES, connect, decode, main
from mcnet.model.errors import McnetError
from tests.fakes.eventually import eventually


@pytest.fixture
def closed() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def test_each_address_and_port_is_tried_several_times(closed: int) -> None:
    seen: list[str] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(str(writer.get_extra_info("sockname")[0]))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        good, bad = await connect(["127.0.0.1"], [port, closed])
        await eventually(lambda: len(seen) == TRIES)
    assert good == Tried("127.0.0.1", port, TRIES)
    assert (bad.tries, len(bad.problems)) == (TRIES, TRIES)
    assert set(bad.problems) == {"Connection refused"}


async def test_silence_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(reach, "PATIENCE", 0.05)
    monkeypatch.setattr(asyncio, "open_connection", silent)
    (found,) = await connect(["192.0.2.1"], [80])
    assert found.problems == ("no answer within 0.05 s",) * TRIES


async def test_very_many_addresses_are_not_all_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: Any) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(asyncio, "open_connection", refused)
    found = await connect([f"192.0.2.{last}" for last in range(1, 200)], [80])
    assert len(found) == MOST_ADDRESSES


def test_what_is_printed_is_what_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], closed: int
) -> None:
    def look_up(names: list[str]) -> dict[str, Lookup]:
        assert names == ["web", "kubernetes"]
        return {"web": Lookup(("127.0.0.1",)), "kubernetes": Lookup(problem="no answer")}

    monkeypatch.setattr(reach, "look_up", look_up)
    assert main(["web", "kubernetes", str(closed)]) == 0
    found = decode("a warning of the runtime\n" + capsys.readouterr().out)
    assert found.names == {"web": Lookup(("127.0.0.1",)), "kubernetes": Lookup(problem="no answer")}
    assert [(one.address, one.port, len(one.problems)) for one in found.connections] == [("127.0.0.1", closed, TRIES)]
    assert main(["web", "kubernetes"]) == 0
    assert decode(capsys.readouterr().out).connections == ()


@pytest.mark.parametrize("words", [[], ["web"], ["web", "kubernetes", "http"], ["web", "kubernetes", "80", "-1"]])
def test_wrong_words(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "usage" in capsys.readouterr().err


GOOD: dict[str, Any] = {
    "names": {"web": {"addresses": ["10.0.0.1"], "problem": ""}},
    "connections": [{"address": "10.0.0.1", "port": 80, "tries": 4, "problems": []}],
}


@pytest.mark.parametrize(
    "text",
    ["", "hello", "[]", "{}", json.dumps(GOOD | {"names": []}), json.dumps(GOOD | {"connections": [{}]}),
     json.dumps(GOOD | {"connections": [{"address": "a", "port": "x", "tries": 1, "problems": []}]}),
     json.dumps(GOOD | {"connections": 5})],
)  # fmt: skip
def test_what_is_no_answer(text: str) -> None:
    assert decode(json.dumps(GOOD)) == Reached({"web": Lookup(("10.0.0.1",))}, (Tried("10.0.0.1", 80, 4),))
    with pytest.raises(McnetError, match="said nothing usable"):
        decode(text)
