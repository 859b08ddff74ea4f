"""Listening sockets of both families on one port, which several processes may share."""

import errno
import socket
from contextlib import ExitStack

import pytest

from mcnet.dns import sockets
from mcnet.dns.sockets import LOOPBACK


@pytest.mark.parametrize("make", [sockets.udp, sockets.tcp])
def test_both_families_have_one_port(make: object) -> None:
    assert callable(make)
    with ExitStack() as stack:
        opened = [stack.enter_context(one) for one in make(0, LOOPBACK)]
        assert [one.family for one in opened] == [socket.AF_INET, socket.AF_INET6]
        assert len({one.getsockname()[1] for one in opened}) == 1
        port = opened[0].getsockname()[1]
        again = [stack.enter_context(one) for one in make(port, LOOPBACK)]
        assert [one.getsockname()[1] for one in again] == [port, port]
        assert not any(one.getblocking() for one in opened)


def test_a_port_that_another_program_has_is_told() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="in use"):
            sockets.udp(taken.getsockname()[1], LOOPBACK)


def test_udp_and_tcp_have_one_port_that_is_free_by_both(monkeypatch: pytest.MonkeyPatch) -> None:
    original, times = sockets.tcp, [1, 2]

    def taken(port: int, hosts: sockets.Hosts) -> sockets.Sockets:
        if times:
            times.pop()
            raise OSError(errno.EADDRINUSE, "in use")
        return original(port, hosts)

    monkeypatch.setattr(sockets, "tcp", taken)
    datagrams, listening = sockets.both(0, LOOPBACK)
    assert len({one.getsockname()[1] for one in (*datagrams, *listening)}) == 1
    port = datagrams[0].getsockname()[1]
    for one in (*datagrams, *listening):
        one.close()
    times.append(1)
    with pytest.raises(OSError, match="in use"):
        sockets.both(port, LOOPBACK)


def test_a_kernel_without_ipv6_has_one_family(monkeypatch: pytest.MonkeyPatch) -> None:
    original = socket.socket

    def made(family: int, kind: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "no")
        return original(family, kind)

    monkeypatch.setattr(socket, "socket", made)
    opened = sockets.udp(0, LOOPBACK)
    assert [one.family for one in opened] == [socket.AF_INET]
    opened[0].close()
