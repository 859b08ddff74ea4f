"""The small server: whatever is asked, it answers something finite, or nothing."""

import asyncio
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcnet.probe import echo
from mcnet.probe.echo import serve_http
from tests.fakes.mutations import damaged
from tests.fakes.streams import listening


async def asked(request: bytes) -> bytes:
    """All that it answers before it closes the connection."""
    async with listening(serve_http) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
    return answer


async def test_it_says_who_asks() -> None:
    head, _, body = (await asked(b"GET / HTTP/1.1\r\n\r\n")).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b'"client": "127.0.0.1"' in body


@pytest.mark.parametrize(
    ("count", "sent"), [("0", 0), ("1", 1), ("70000", 70000), ("-1", 0), ("-70000", 0), ("9" * 20, 1 << 20)]
)
async def test_as_many_bytes_as_asked_for_and_never_without_end(
    count: str, sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(echo, "LARGEST", 1 << 20)
    head, _, body = (await asked(f"GET /bytes/{count} HTTP/1.1\r\n\r\n".encode())).partition(b"\r\n\r\n")
    assert (len(body), f"Content-Length: {sent}" in head.decode()) == (sent, True)


@pytest.mark.parametrize(
    "request_", [b"", b"\n", b"GET", b"GET /bytes/x\r\n\r\n", b"GET \xff\r\n\r\n", b"x" * 100_000]
)
async def test_what_is_no_request_is_not_answered(request_: bytes) -> None:
    assert await asked(request_) == b""


async def test_a_damaged_request_is_answered_or_not_without_a_fault() -> None:
    """All at once over one server: what is raised in it ends up in its task."""
    faults: list[BaseException] = []

    async def noting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve_http(reader, writer)
        except BaseException as error:
            faults.append(error)
            raise

    async def one(port: int, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    async with listening(noting) as port:
        requests = list(damaged(b"GET /bytes/9 H\r\n\r\n"))
        answers = await asyncio.gather(*(one(port, request) for request in requests))
    assert faults == []
    assert all(not answer or answer.startswith(b"HTTP/1.1 200 OK\r\n") for answer in answers)
    assert len({len(answer) for answer in answers}) > 2


@settings(max_examples=25)
@given(st.binary(max_size=40))
async def test_any_path(path: bytes) -> None:
    for text in (path.replace(b"\n", b"").replace(b" ", b""), quote_from_bytes(path).encode()):
        answer = await asked(b"GET /" + text + b" HTTP/1.1\r\n\r\n")
        assert len(answer) < 1000
