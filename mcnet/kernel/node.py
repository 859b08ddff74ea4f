"""A node's kernel as the daemons use it: read, apply, facts, events, with the place of the node's sysctls."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mcnet.kernel import execute, foreign, monitor, observe
from mcnet.kernel.execute import Failure
from mcnet.kernel.sysctl import SysctlTree
from mcnet.model.foreign import ForeignChain
from mcnet.model.kernel import Change, Event, HostFacts, KernelState
from mcnet.model.ownership import Partition


class Kernel(Protocol):
    """What a daemon needs of a kernel; in tests one in memory takes its place."""

    async def read(self, partition: Partition, *, sysctls: Collection[str] = ()) -> KernelState:
        """What the kernel holds of `partition`. Raises KernelError."""

    async def apply(self, changes: Sequence[Change]) -> tuple[Failure, ...]:
        """Perform `changes` in order; returns those that failed."""

    async def host_facts(self, *, sysctls: Collection[str] = ()) -> HostFacts:
        """Devices, default routes and features of the node. Raises KernelError."""

    async def foreign(self) -> tuple[ForeignChain, ...]:
        """Other programs' chains that filter, with our marked rules in them. Raises KernelError."""

    def watch(self, *, sysctls: Collection[str] = ()) -> AsyncIterator[Event]:
        """An event whenever something may have changed, `sysctls` among it."""


@dataclass(frozen=True, slots=True)
class NodeKernel:
    """The real one. `proc_sys_net` is where the node's /proc/sys/net is seen."""

    proc_sys_net: Path = Path("/proc/sys/net")

    @property
    def _tree(self) -> SysctlTree:
        return SysctlTree(self.proc_sys_net)

    async def read(self, partition: Partition, *, sysctls: Collection[str] = ()) -> KernelState:
        return await observe.read(partition, sysctls=sysctls, tree=self._tree)

    async def apply(self, changes: Sequence[Change]) -> tuple[Failure, ...]:
        return await execute.apply(changes, tree=self._tree)

    async def host_facts(self, *, sysctls: Collection[str] = ()) -> HostFacts:
        return await observe.host_facts(sysctls=sysctls, tree=self._tree)

    async def foreign(self) -> tuple[ForeignChain, ...]:
        return await foreign.read()

    def watch(self, *, sysctls: Collection[str] = ()) -> AsyncIterator[Event]:
        return monitor.watch(sysctls=sysctls, tree=self._tree)
