"""Looking public addresses up: what each source gives, what stays when it gives nothing."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

import pytest

from mcnet.codec.public_address import decode
from mcnet.probe import public_address
from mcnet.probe.public_address import PublicAddresses
from tests.fakes.eventually import eventually

A, B, C6 = ip_address("198.51.100.7"), ip_address("198.51.100.9"), ip_address("2001:db8::7")


class Names:
    """A resolver in memory; a name that it does not know fails as the real one does."""

    def __init__(self) -> None:
        self.answers: dict[str, list[str]] = {}

    async def getaddrinfo(self, name: str, *_: Any, **__: Any) -> list[Any]:
        if name not in self.answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(0, 0, 0, "", (address, 0)) for address in self.answers[name]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    made = Names()
    monkeypatch.setattr(public_address, "AGAIN", 0.02)
    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", lambda _, *a, **k: made.getaddrinfo(*a, **k))
    return made


@asynccontextmanager
async def looking(
    text: str, load_balancer: Callable[[str], Any] | None = None
) -> AsyncIterator[tuple[PublicAddresses, list[str]]]:
    async def none(_: str) -> list[str]:
        return []

    told: list[str] = []
    addresses = PublicAddresses(load_balancer or none)
    addresses.on_change = lambda: told.append("changed")
    addresses.ask(decode(text))
    task = asyncio.create_task(addresses.run())
    try:
        yield addresses, told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_sources_in_their_order(names: Names) -> None:
    names.answers = {"gw.example": ["2001:db8::7", str(B)]}
    async with looking(f"{A},dns:gw.example") as (addresses, told):
        await eventually(lambda: bool(told))
        assert addresses.found == [(A,), (B, C6)]
        assert addresses.problems == ()


async def test_a_load_balancer_by_address_or_by_name(names: Names) -> None:
    names.answers = {"elb.example": [str(B)], str(A): [str(A)]}

    async def given(service: str) -> list[str]:
        assert service == "gw"
        return [str(A), "elb.example"]

    async with looking("lb:gw", given) as (addresses, told):
        await eventually(lambda: bool(told))
        assert addresses.found == [(A, B)]


async def test_what_was_found_stays_while_nobody_answers(names: Names) -> None:
    names.answers = {"gw.example": [str(A)]}
    async with looking("dns:gw.example") as (addresses, told):
        await eventually(lambda: addresses.found == [(A,)])
        names.answers.clear()
        await eventually(lambda: bool(addresses.problems))
        assert addresses.found == [(A,)]
        (problem,) = addresses.problems
        assert problem.startswith("public address dns:gw.example: ")
        assert "Name or service not known" in problem
        names.answers = {"gw.example": [str(B)]}
        await eventually(lambda: addresses.found == [(B,)] and not addresses.problems)
        assert told == ["changed"] * 3


async def test_an_address_that_is_no_hosts_counts_as_none(names: Names) -> None:
    names.answers = {"gw.example": ["127.0.0.1"]}
    async with looking("dns:gw.example") as (addresses, _):
        await eventually(lambda: addresses.problems == ("public address dns:gw.example: there is none",))
        assert addresses.found == [()]


async def test_a_load_balancer_that_can_not_be_read_is_named(names: Names) -> None:
    async def refuses(_: str) -> list[str]:
        raise OSError("services gw is forbidden")

    async with looking("lb:gw", refuses) as (addresses, _):
        await eventually(lambda: addresses.problems == ("public address lb:gw: services gw is forbidden",))


async def test_a_load_balancer_that_has_no_address_yet_is_asked_sooner(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_address, "AGAIN", 600.0)
    monkeypatch.setattr(public_address, "SOON", 0.01)
    names.answers = {str(A): [str(A)], str(B): [str(B)]}
    given: list[str] = []
    asked = 0

    async def load_balancer(_: str) -> list[str]:
        nonlocal asked
        asked += 1
        return given

    async with looking(f"{B},lb:gw", load_balancer) as (addresses, _):
        await eventually(lambda: addresses.found == [(B,), ()] and asked > 1)
        given.append(str(A))
        await eventually(lambda: addresses.found == [(B,), (A,)])


async def test_other_sources_are_asked_at_once(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_address, "AGAIN", 600.0)
    async with looking(str(A)) as (addresses, told):
        await eventually(lambda: addresses.found == [(A,)])
        addresses.ask(decode(str(B)))
        await eventually(lambda: addresses.found == [(B,)])
        addresses.ask(())
        await eventually(lambda: addresses.found == [])
        assert len(told) >= 2


async def test_a_web_server_that_says_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the real HTTP client, from a server on this machine."""
    said = {"/": b"198.51.100.7\n", "/words": b"<html>", "/gone": b""}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readline()).split()[1].decode()
        while (await reader.readline()).strip():
            continue
        status = b"404 Not Found" if path == "/gone" else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n" + said[path])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    real = public_address._fetched
    monkeypatch.setattr(public_address, "_fetched", lambda url: real(url.replace("https:", "http:", 1)))
    sources = f"api:127.0.0.1:{port},api:127.0.0.1:{port}/words,api:127.0.0.1:{port}/gone"
    async with server, looking(sources) as (addresses, told):
        await eventually(lambda: bool(told))
        assert addresses.found == [(A,), (), ()]
        words, gone = addresses.problems
        assert "does not appear to be an IPv4 or IPv6 address" in words
        assert "answered 404 Not Found" in gone
