"""A machine that loses power and comes back: its processes and its network namespace go, its disk stays.

What a reboot takes from a real node goes here too: devices, rules, routes, nft tables, sysctls, control groups,
/run. The network that comes back is the lab's own, with the same addresses; everything else has to be brought back
by whoever it belongs to (kubelet, kube-proxy, the CNI, mcnet).
"""

from mcnet.lab import cgroups, machines, network, processes
from mcnet.lab.bringup import runtime_ready
from mcnet.lab.store import ProcessRecord, Store
from mcnet.lab.topology import Machine, Topology
from mcnet.model.errors import McnetError

_ORDER = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "containerd",
    "kubelet",
    "kube-proxy",
)
_GONE_SECONDS = 90


async def power_off(store: Store, topology: Topology, machine: Machine) -> None:
    """Ends everything in the machine at once, and takes its network namespace away."""
    init = machines.init_pid(store, machine.name)
    processes.kill([init])

    async def ended() -> bool:
        processes.reap([record.pid for record in _records(store, machine)])
        return not processes.is_running(init)

    if not await processes.wait_until(ended, seconds=_GONE_SECONDS):
        raise McnetError(
            f"machine {machine.name} of lab {store.name!r} does not end", f"mcnet lab down --name {store.name}"
        )
    await network.remove_machine(topology, machine, store.mark)
    await cgroups.remove([store.machine(machine.name)])


async def power_on(store: Store, topology: Topology, machine: Machine) -> None:
    """Brings the machine back with the programs it had, and returns once they run; being Ready takes longer."""
    await network.build_machine(topology, machine, store.mark)
    await machines.boot(store, machine, {})
    for record in _records(store, machine):
        await machines.start(store, machine.name, record.program, list(record.argv))
        if record.program == "containerd":
            await runtime_ready(store, machine)


def _records(store: Store, machine: Machine) -> list[ProcessRecord]:
    """The machine's programs, in the order in which they start."""
    found = {record.program: record for record in store.processes() if record.machine == machine.name}
    return [found[program] for program in _ORDER if program in found]
