"""The process that probes: its news, its end, and what it loads. Real answers are in tests/netns/test_prober.py."""

import asyncio
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

from mcnet.codec.probing import News, Order, decode_news, encode_order
from mcnet.model.probe import PathHealth, Target
from mcnet.probe.ping import Prober
from mcnet.probe.process import Reporter
from mcnet.probe.supervised import COMMAND

TARGETS = frozenset(Target(key, ip_address("192.0.2.1"), "nowhere") for key in "ab")
HEAVY = ("kubernetes", "aiohttp", "jinja2", "pyroute2", "cryptography", "prometheus_client", "typer", "rich")
PATIENCE = 20.0


@asynccontextmanager
async def started() -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(*COMMAND, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    try:
        async with asyncio.timeout(PATIENCE):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def read(process: asyncio.subprocess.Process) -> News:
    assert process.stdout is not None
    return decode_news(await process.stdout.readline())


async def test_it_tells_of_all_paths_and_of_changes() -> None:
    async with started() as process:
        assert process.stdin is not None
        process.stdin.write(encode_order(Order(5, 0.1, 2, TARGETS)))
        first = await read(process)
        assert (first.number, set(first.paths)) == (5, {"a", "b"})
        news = first
        while {path.state for path in news.paths.values()} != {"down"}:
            news = await read(process)
        process.stdin.write(encode_order(Order(6, 0.1, 2, frozenset(list(TARGETS)[:1]))))
        while news.number == 5:
            news = await read(process)
        assert len(news.paths) == 1


async def test_it_goes_on_from_what_was_known() -> None:
    known = {"a": PathHealth("up", since=5.0), "b": PathHealth("down", falls=3, since=6.0)}
    async with started() as process:
        assert process.stdin is not None
        process.stdin.write(encode_order(Order(1, 60.0, 3, TARGETS, known)))
        paths = (await read(process)).paths
        assert {key: (path.state, path.since, path.falls) for key, path in paths.items()} == {
            "a": ("up", 5.0, 0),
            "b": ("down", 6.0, 3),
        }


async def test_it_ends_with_the_daemon() -> None:
    async with started() as process:
        assert process.stdin is not None
        process.stdin.write(encode_order(Order(1, 0.1, 3, TARGETS)))
        await read(process)
        process.stdin.close()
        assert await process.wait() == 0


async def test_it_ends_when_nobody_reads() -> None:
    """Its standard output is closed while its standard input is not."""
    async with started() as process:
        assert process.stdin is not None
        process.stdin.write(encode_order(Order(1, 0.1, 3, TARGETS)))
        await read(process)
        transport = process._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
        transport.close()
        assert await process.wait() == 0


async def test_an_order_that_is_none_ends_it() -> None:
    async with started() as process:
        assert process.stdin is not None
        process.stdin.write(b"hello\n")
        assert await process.wait() == 1
        assert process.stderr is not None
        assert b"DecodeError" in await process.stderr.read()


def test_it_loads_nothing_heavy() -> None:
    code = "import sys, mcnet.probe.process; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not set(HEAVY) & set(loaded)


class Pipe(asyncio.WriteTransport):
    """Takes what is written; the test says when it is full."""

    def __init__(self) -> None:
        super().__init__()
        self.news: list[News] = []

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high == 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.news.append(decode_news(bytes(data)))


async def test_a_daemon_that_does_not_read_costs_one_report_later() -> None:
    prober = Prober()
    reporter, pipe = Reporter(prober), Pipe()
    reporter.connection_made(pipe)
    prober.set_targets(TARGETS)
    reporter.ordered(1)
    assert len(pipe.news) == 1
    reporter.pause_writing()
    prober.set_targets(frozenset())
    for _ in range(5):
        reporter.changes()
        reporter.all()
    reporter.ordered(2)
    assert len(pipe.news) == 1
    reporter.resume_writing()
    assert pipe.news[1:] == [News(2, {})]
    reporter.pause_writing()
    reporter.resume_writing()
    assert len(pipe.news) == 2


async def test_only_what_changed_is_told_at_once() -> None:
    prober = Prober()
    reporter, pipe = Reporter(prober), Pipe()
    reporter.connection_made(pipe)
    prober.set_targets(TARGETS)
    reporter.ordered(1)
    prober.set_targets(TARGETS | {Target("c", ip_address("192.0.2.1"), "nowhere")})
    reporter.changes()
    assert [set(news.paths) for news in pipe.news] == [{"a", "b"}, {"c"}]
