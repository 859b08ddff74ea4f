"""A machine of a lab: a network namespace with mounts and processes of its own, and programs in it.

Its first process holds it: when that one is killed, the kernel kills everything else in the machine,
containers too, and drops its mounts. Each machine has a /run, /var/log and /var/lib of its own, so its
programs use their standard paths without meeting those of another machine or of the host.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from mcnet.lab import processes
from mcnet.lab.processes import Completed
from mcnet.lab.store import ProcessRecord, Store
from mcnet.lab.topology import Machine
from mcnet.model.errors import McnetError

INIT = "init"
_BOOT_SECONDS = 15
_STOP_SECONDS = 5

# A private copy of the host's mounts would keep the namespaces of other labs alive: hence the first lines.
# Of the machine's own /var/lib, the lab's directory is a window into the host's.
_BOOT = """set -e
umount --lazy /run/netns/* 2>/dev/null || :
umount --recursive --lazy /run/netns 2>/dev/null || :
mount --make-rshared /
mkdir -p "$LIB$LAB_RELATIVE"
mount --rbind "$LAB" "$LIB$LAB_RELATIVE"
mount --rbind "$LIB" /var/lib
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/log
mount -t proc proc /proc
mkdir -p /run/netns /run/lock
echo ready
exec >/dev/null 2>&1
while :; do sleep 3600 & wait; done
"""


async def boot(store: Store, machine: Machine, files: Mapping[Path, str]) -> None:
    """Starts the machine's first process, with `files` (paths inside of it, below /var/lib) in place."""
    lib = store.machine(machine.name) / "lib"
    for path, content in files.items():
        place = lib / path.relative_to("/var/lib")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    lib.mkdir(parents=True, exist_ok=True)
    settings = f"LAB={store.directory}\nLIB={lib}\nLAB_RELATIVE=/{store.directory.relative_to('/var/lib')}\n"
    argv = [
        *("nsenter", f"--net=/run/netns/{machine.namespace}"),
        *("unshare", "--mount", "--propagation", "private", "--pid", "--fork"),
        *("sh", "-c", settings + _BOOT),
    ]
    log = store.log(machine.name, INIT)
    # A machine of this name may have been there before, and its log stays: only what this one says counts.
    before = log.stat().st_size if log.exists() else 0
    record = ProcessRecord(machine.name, INIT, tuple(argv))
    store.record(record)
    parent = processes.spawn(argv, mark=store.mark, log=log)
    pid = await processes.child_of(parent)
    if not pid or not await _said_ready(log, before, pid):
        said = _said(log, before).strip()[-400:] or "nothing"
        raise McnetError(f"machine {machine.name} did not start; it said: {said}", f"see {log}")
    store.record(ProcessRecord(machine.name, INIT, tuple(argv), pid, processes.start_time(pid)))


async def start(store: Store, machine: str, program: str, argv: list[str]) -> ProcessRecord:
    """Starts a program that stays, in a booted machine. A second start of the same name replaces its record."""
    command = [*_enter(init_pid(store, machine)), *argv]
    store.record(ProcessRecord(machine, program, tuple(argv)))
    parent = processes.spawn(command, mark=store.mark, log=store.log(machine, program))
    pid = await processes.child_of(parent)
    if not pid:
        log = store.log(machine, program)
        raise McnetError(f"{program} of {machine} ended at once", f"see {log}")
    record = ProcessRecord(machine, program, tuple(argv), pid, processes.start_time(pid))
    store.record(record)
    return record


async def stop(store: Store, machine: str, program: str, *, kill: bool = False) -> ProcessRecord:
    """Ends a program of a machine, by SIGTERM unless `kill`; after 5 seconds it is killed anyhow."""
    record = find(store, machine, program)
    with contextlib.suppress(ProcessLookupError):
        if processes.is_running(record.pid, record.started):
            os.kill(record.pid, signal.SIGKILL if kill else signal.SIGTERM)

    async def ended() -> bool:
        return not processes.is_running(record.pid, record.started)

    if not await processes.wait_until(ended, seconds=_STOP_SECONDS):
        processes.kill([record.pid])
    return record


def find(store: Store, machine: str, program: str) -> ProcessRecord:
    """The record of a program. Raises McnetError when the lab never started it."""
    for record in store.processes():
        if (record.machine, record.program) == (machine, program):
            return record
    raise McnetError(f"machine {machine} of lab {store.name!r} has no program {program!r}", "mcnet lab status")


def init_pid(store: Store, machine: str) -> int:
    """The machine's first process, as a process id of the host. Raises McnetError when it is not running."""
    record = find(store, machine, INIT)
    if not processes.is_running(record.pid, record.started):
        raise McnetError(
            f"machine {machine} of lab {store.name!r} is not running",
            f"mcnet lab down --name {store.name}, then mcnet lab up",
        )
    return record.pid


def entry(store: Store, machine: str) -> list[str]:
    """The command prefix that runs a program inside of a machine, keeping the working directory."""
    return [*_enter(init_pid(store, machine))[:-1], f"--wdns={Path.cwd()}", "--"]


async def call(store: Store, machine: str, argv: list[str], stdin: str | Path = "") -> Completed:
    """Runs a program inside of a machine to its end."""
    return await processes.call([*_enter(init_pid(store, machine)), *argv], mark=store.mark, stdin=stdin)


async def check(store: Store, machine: str, argv: list[str], stdin: str | Path = "") -> str:
    """Like `call`, but raises KernelError when the program fails; returns its output."""
    return await processes.check([*_enter(init_pid(store, machine)), *argv], mark=store.mark, stdin=stdin)


def _enter(pid: int) -> list[str]:
    return ["nsenter", "--target", str(pid), "--net", "--mount", "--pid", "--"]


async def _said_ready(log: Path, before: int, pid: int) -> bool:
    async with asyncio.timeout(_BOOT_SECONDS):
        while processes.is_running(pid):
            if "ready\n" in _said(log, before):
                return True
            await asyncio.sleep(0.02)
    return False


def _said(log: Path, before: int) -> str:
    """What a log has got beyond its first `before` bytes."""
    return log.read_bytes()[before:].decode(errors="replace") if log.exists() else ""
