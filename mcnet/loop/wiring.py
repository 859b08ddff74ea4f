"""What holds a node daemon together: stores and loops run, health is served, changes and problems are said once."""

from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter

from mcnet.codec.wording import describe_change
from mcnet.loop.log import Log
from mcnet.loop.reconcile import Reconciler
from mcnet.loop.run import Stop, supervise
from mcnet.loop.serve import HealthServer
from mcnet.model.kernel import Change

LOGGED = 100
"""Changes of one round that are logged each; of more only the number."""


class Named(Protocol):
    """A kind of objects."""

    @property
    def plural(self) -> str: ...


class Source(Protocol):
    """A watched list of objects (mcnet.kube.store.Store)."""

    synced: bool

    @property
    def kind(self) -> Named: ...

    async def run(self) -> None: ...


async def run_daemon(
    stop: Stop,
    *,
    port: int,
    registry: CollectorRegistry,
    stores: Sequence[Source],
    loops: Sequence[Reconciler],
    others: Sequence[Coroutine[Any, Any, None]],
) -> None:
    """Run everything until stopped; live while every loop is, ready when `unready` has nothing to say."""
    server = HealthServer(
        port=port,
        registry=registry,
        live=lambda: next((loop.fault for loop in loops if loop.fault), ""),
        ready=lambda: unready(stores, loops),
    )
    await supervise(stop, server.run(), *others, *(loop.run() for loop in loops), *(store.run() for store in stores))


def unready(stores: Iterable[Source], loops: Iterable[Reconciler]) -> str:
    """Why not yet ready, "" if all is seen and done once."""
    waiting = [store.kind.plural for store in stores if not store.synced]
    if waiting:
        return f"not listed yet: {', '.join(waiting)}"
    return "" if all(loop.synced for loop in loops) else "no round has succeeded yet"


class Journal:
    """Says and counts what a daemon does to the kernel; says a problem when it is new."""

    def __init__(self, log: Log, *, changes: Counter, failures: Counter) -> None:
        self._log = log
        self._changes = changes
        self._failures = failures
        self._known: tuple[str, ...] = ()

    def kernel(self, changes: Sequence[Change], refused: Sequence[str], reason: str) -> None:
        """`changes` were tried because of `reason`; `refused` are the messages of those that failed."""
        self._changes.inc(len(changes))
        self._failures.inc(len(refused))
        for change in changes[:LOGGED]:
            self._log.info(describe_change(change), because=change.reason or reason)
        if len(changes) > LOGGED:
            self._log.info(f"and {len(changes) - LOGGED} changes more", because=reason)
        for message in refused:
            self._log.error(message)

    def problems(self, problems: tuple[str, ...]) -> None:
        """All problems there are now; those that were not there the last time are logged."""
        for problem in problems:
            if problem not in self._known:
                self._log.warning(problem)
        self._known = problems
