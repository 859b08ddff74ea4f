"""What a daemon does before its first round: it has watched what an earlier process of it has left in use.

Rounds need an API server, which may be away. What there is to probe is mcnet.plan.inherited's, what may be done about
it mcnet.plan.failover's.
"""

import asyncio
from typing import Protocol

from mcnet.loop.failover import Failover
from mcnet.loop.log import Log
from mcnet.model.errors import KernelError
from mcnet.model.kernel import KernelState
from mcnet.model.probe import Target
from mcnet.plan import inherited, pace
from mcnet.plan.inherited import Inherited

log = Log("inheritance")


class Prober(Protocol):
    """What probes for a daemon (mcnet.probe.supervised)."""

    def set_pace(self, *, interval: float, multiplier: int) -> None: ...

    def set_targets(self, targets: frozenset[Target]) -> None: ...


class Paced(Protocol):
    """A daemon's settings: seconds between two probes, and lost ones in a row."""

    @property
    def probe_interval(self) -> float: ...

    @property
    def probe_multiplier(self) -> int: ...


class Inheritance:
    """One per daemon."""

    def __init__(self, failover: Failover, prober: Prober, own: Paced) -> None:
        """`own` is the daemon's pace, which the cluster's may differ from."""
        self._failover = failover
        self._prober = prober
        self._own = own
        self._over = False
        self.found = Inherited()
        """What there was to probe before the first round."""

    async def run(self) -> None:
        """Find what is in use and have it watched, unless a round has come first. Until cancelled."""
        try:
            found = inherited.found(await self._failover.read())
        except KernelError as error:
            log.warning("paths in use are watched from the first round on only", because=error.message)
            found = None
        if found is not None and not self._over:
            self.found = found
            self._failover.finds(found.state)
            multiplier = max(self._own.probe_multiplier, pace.BEFORE_THE_FIRST_ROUND)
            self._prober.set_pace(interval=found.interval(self._own.probe_interval), multiplier=multiplier)
            self._prober.set_targets(found.targets)
        await asyncio.Event().wait()

    def end(self, state: KernelState) -> None:
        """The first round begins to change the kernel, which holds `state`."""
        self._over = True
        self._failover.holds(state)

    def refuse(self) -> None:
        """Nothing that was found is this daemon's to change: the node is in no clusterset, or is no gateway."""
        self.found = Inherited()
        self._prober.set_targets(frozenset())
        self.end(KernelState())
