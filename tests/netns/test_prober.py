"""The process that probes, over a real VXLAN between two namespaces: it sees what happens, its end moves nothing."""

import asyncio
import os
import signal

from mcnet.probe.supervised import SupervisedProber
from tests.netns.namespaces import Namespace, eventually, shell
from tests.netns.test_ping import INTERVAL, pair, targets

__all__ = ["pair"]


def states(prober: SupervisedProber) -> set[str]:
    return {path.state for path in prober.snapshot().values()}


def test_a_silent_drop_is_seen_and_a_killed_process_moves_nothing(pair: tuple[Namespace, Namespace]) -> None:
    async def body() -> None:
        seen: list[set[str]] = []
        prober = SupervisedProber(interval=INTERVAL)
        prober.on_change = lambda: seen.append(states(prober))
        prober.set_targets(targets())
        running = asyncio.create_task(prober.run())
        await eventually(lambda: states(prober) == {"up"})
        seen.clear()
        since = {key: path.since for key, path in prober.snapshot().items()}
        for _ in range(3):
            before = prober.process_id
            os.kill(before, signal.SIGKILL)
            await eventually(lambda: prober.process_id not in (0, before))  # noqa: B023
            counted = prober.snapshot()
            await eventually(lambda: all(path != counted[key] for key, path in prober.snapshot().items()))  # noqa: B023
        assert seen == []
        assert {key: path.since for key, path in prober.snapshot().items()} == since
        drop = "nft 'table inet t { chain i { type filter hook input priority 0; udp dport 4520 drop; }; }'"
        await asyncio.to_thread(pair[1].run, shell(drop))
        await eventually(lambda: states(prober) == {"down"})
        await asyncio.to_thread(pair[1].run, shell("nft delete table inet t"))
        await eventually(lambda: states(prober) == {"up"})
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    pair[0].run(body())
