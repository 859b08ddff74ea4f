"""The real transport against small servers of our own on loopback: what a network does to requests."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcnet.kube import connect, transport
from mcnet.kube.api import Api
from mcnet.kube.kinds import CONFIG_MAP, NODE
from mcnet.kube.transport import Request
from mcnet.model.errors import ApiError, ForbiddenError, UnreachableError
from tests.fakes.streams import listening

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Api]:
    """An Api on a server that reads a request and leaves the rest to `answer`."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(await reader.readuntil(b"\r\n\r\n"), writer)

    async with listening(handle) as port:
        server = f"http://127.0.0.1:{port}/"
        async with await connect.with_token(server=server, ca=b"", token="secret") as api:
            yield api


def head(status: str = "200 OK", *, chunked: bool = True) -> bytes:
    return f"HTTP/1.1 {status}\r\n{'Transfer-Encoding: chunked' if chunked else 'Content-Length: 2'}\r\n\r\n".encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def test_requests_carry_token_and_query() -> None:
    seen = []

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        seen.append(request.decode())
        writer.write(head(chunked=False) + b"{}")

    async with serving(answer) as api:
        assert await api.list(CONFIG_MAP, "n", labels="a=b,c", fields="metadata.name=x") == []
    (text,) = seen
    assert text.startswith(
        "GET /api/v1/namespaces/n/configmaps?labelSelector=a%3Db,c&fieldSelector=metadata.name%3Dx&limit=500 "
    )
    assert "authorization: Bearer secret\r\n" in text


@pytest.mark.parametrize("said", [b"<html>log in</html>", b"[]", b"[" * 100_000, b'{"items": ', b"\xff"])
async def test_an_answer_that_is_no_api_servers_counts_as_none(said: bytes) -> None:
    """A proxy's page with status 200, half an answer: the server is not reached, and the daemon tries again."""

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(said) + said)

    async with serving(answer) as api:
        with pytest.raises(UnreachableError, match="the answer is none of an API server's"):
            await api.list(CONFIG_MAP, "n")
        with pytest.raises(UnreachableError, match="the answer is none of an API server's"):
            await anext(api.watch(CONFIG_MAP))


async def test_an_event_that_is_not_known_is_passed_over() -> None:
    lines = b'{"type":"RENAMED","object":{}}\n{"object":3}\n{"type":"ADDED"}\n{"type":"ADDED","object":{"a":1}}\n'

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head() + chunk(lines) + b"0\r\n\r\n")

    async with serving(answer) as api:
        assert [event async for event, _ in api.watch(CONFIG_MAP)] == ["ADDED"]


async def test_lines_are_put_together_from_any_pieces() -> None:
    lines = (
        b'{"type":"ADDED","object":{"metadata":{"name":"\xc3\xa4"}}}\n{"type":"BOOKMARK","object":{"metadata":{}}}\n'
    )

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head())
        for position in range(0, len(lines), 7):
            writer.write(chunk(lines[position : position + 7]))
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")

    async with serving(answer) as api:
        events = [(event, obj["metadata"]) async for event, obj in api.watch(CONFIG_MAP, bookmarks=True)]
    assert events == [("ADDED", {"name": "ä"}), ("BOOKMARK", {})]


async def test_a_watch_cut_in_the_middle_is_an_error() -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head() + chunk(b'{"type":"ADDED","obj'))

    async with serving(answer) as api:
        with pytest.raises(UnreachableError, match="watch ConfigMap"):
            assert [event async for event in api.watch(CONFIG_MAP)] == []


async def test_a_watch_that_is_refused() -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head("403 Forbidden", chunked=False) + b"no")

    async with serving(answer) as api:
        with pytest.raises(ForbiddenError, match=r"watch ConfigMap n at http://127.*: no"):
            assert [event async for event in api.watch(CONFIG_MAP, "n")] == []


async def test_a_silent_watch_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcnet.kube.api.WATCH_SECONDS", 1)
    monkeypatch.setattr("mcnet.kube.api.WATCH_SLACK", 0.2)

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head() + chunk(b'{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n'))
        await asyncio.Event().wait()

    events = []
    async with serving(answer) as api:
        with pytest.raises(UnreachableError):  # noqa: PT012 - the events before it are part of the matter
            async for event, _ in api.watch(CONFIG_MAP):
                events.append(event)
    assert events == ["ADDED"]


async def test_a_dead_connection_is_asked_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """TCP keepalive is on for a watch: the kernel notices what sends nothing back."""
    options = []
    original = transport._keep_alive

    def seen(response: Any) -> None:
        original(response)
        sock = response.connection.transport.get_extra_info("socket")
        options.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        options.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE))

    monkeypatch.setattr(transport, "_keep_alive", seen)

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head() + chunk(b'{"type":"ADDED","object":{"metadata":{}}}\n'))
        await asyncio.Event().wait()

    async with serving(answer) as api:
        watch = api.watch(CONFIG_MAP)
        assert (await anext(watch))[0] == "ADDED"
        assert options == [1, 15]
        await watch.aclose()  # type: ignore[attr-defined]


async def test_a_silent_server_is_given_up() -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serving(answer) as api:
        with pytest.raises(UnreachableError, match="no answer in time"):
            await api._transport.send(Request("GET", "/version", "ask for the version", timeout=0.2))


async def test_nobody_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        server = f"https://127.0.0.1:{unused.getsockname()[1]}"
        async with await connect.with_token(server=server, ca=b"", token="x") as api:
            with pytest.raises(UnreachableError, match=f"list Node at {server}"):
                await api.list(NODE)


async def test_pages_that_expire_are_asked_for_at_once() -> None:
    asked = []

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        line = request.split(b" ")[1].decode()
        asked.append(line.partition("?")[2])
        if "continue" in line:
            writer.write(b"HTTP/1.1 410 Gone\r\nContent-Length: 2\r\n\r\n{}")
            return
        more = b',"continue":"token"' if "limit" in line else b""
        body = b'{"items":[{"metadata":{"name":"a"}}],"metadata":{"resourceVersion":"5"%s}}' % more
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    async with serving(answer) as api:
        items, version = await api.list_at(NODE)
    assert ([item["metadata"]["name"] for item in items], version) == (["a"], "5")
    assert asked == ["limit=500", "limit=500&continue=token", ""]


async def test_expiry_without_pages_is_an_error() -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 410 Gone\r\nContent-Length: 2\r\n\r\n{}")

    async with serving(answer) as api:
        with pytest.raises(ApiError) as caught:
            await api.list(NODE)
    assert caught.value.status == 410
