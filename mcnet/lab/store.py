"""What is remembered of a lab, under /var/lib/mcnet-lab/NAME: its spec, its address block, its processes.

The state is written before anything else is made, in one step, so that whatever a killed command leaves
behind is found by its plan. What to do with it is decided elsewhere.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from mcnet.lab.addresses import BLOCKS, Block
from mcnet.lab.spec import Families, IpFamily, LabSpec, NatKind, RuleSyntax
from mcnet.lab.topology import Topology, plan
from mcnet.model.errors import McnetError, UsageError

STATE_ROOT = Path("/var/lib/mcnet-lab")
_STATE = "state.json"
_LOCK = ".lock"


class Phase(StrEnum):
    """How far a lab has come; `starting` stays after an `up` that was interrupted."""

    STARTING = "starting"
    UP = "up"


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process of the lab. `pid` 0 until it runs; with `started` (clock ticks) it names one process."""

    machine: str
    program: str
    argv: tuple[str, ...]
    pid: int = 0
    started: int = 0


@dataclass(frozen=True, slots=True)
class LabState:
    """The recorded intent, from which everything about a lab follows."""

    spec: LabSpec
    block: Block
    phase: Phase = Phase.STARTING

    @property
    def topology(self) -> Topology:
        """The lab's plan."""
        return plan(self.spec, self.block)


class Store:
    """The directory of one lab. Only root can read it: it holds private keys."""

    def __init__(self, name: str, root: Path = STATE_ROOT) -> None:
        self.name = name
        self.root = root
        self.directory = root / name

    @property
    def kubeconfig(self) -> Path:
        """One kubeconfig with a context per cluster."""
        return self.directory / "kubeconfig"

    @property
    def mark(self) -> str:
        """The environment entry that every process started for this lab carries."""
        return f"MCNET_LAB={self.directory}"

    def pki(self, cluster: str) -> Path:
        """Keys and certificates of a cluster."""
        return self.directory / "pki" / cluster

    def machine(self, name: str) -> Path:
        """The files of a machine; `lib` in it is the machine's /var/lib."""
        return self.directory / "machines" / name

    def log(self, machine: str, program: str) -> Path:
        """What a process writes to its standard output and error."""
        return self.directory / "logs" / machine / f"{program}.log"

    def claim(
        self, spec: LabSpec, taken: Iterable[int] = (), first: Callable[[Path], object] = lambda _: None
    ) -> LabState:
        """Records a new lab with the lowest free address block, then calls `first` with the root of all labs.

        `taken` are block indices in use by something else on this host. Raises UsageError when the name is
        in use, McnetError when no block is left.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked_root():
            self.require_absent()
            used = {state.block.index for state in self._all_states()} | set(taken)
            free = next((index for index in range(BLOCKS) if index not in used), None)
            if free is None:
                raise McnetError(f"all {BLOCKS} address blocks of labs are in use", "mcnet lab down --name LAB")
            state = LabState(spec, Block(free))
            # Built aside and renamed, so that a lab's directory never lacks its state.
            made = self.root / f".new-{self.name}"
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir(mode=0o700)
            (made / _STATE).write_text(_encode(state))
            made.rename(self.directory)
            first(self.root)
        return state

    def require_absent(self) -> None:
        """Raises UsageError when the name is in use."""
        if self.directory.exists():
            raise UsageError(
                f"a lab called {self.name!r} exists already",
                f"mcnet lab down --name {self.name}, or choose another --name",
            )

    def load(self) -> LabState:
        """The recorded lab. Raises UsageError when there is none of this name."""
        try:
            return _decode((self.directory / _STATE).read_text())
        except PermissionError:
            raise UsageError(f"lab {self.name!r} belongs to root", "the same command with sudo") from None
        except (FileNotFoundError, NotADirectoryError):
            known = ", ".join(names(self.root)) or "none"
            raise UsageError(
                f"there is no lab called {self.name!r} (labs here: {known})", f"mcnet lab up --name {self.name}"
            ) from None

    def mark_up(self, state: LabState) -> LabState:
        """Records that `up` has finished."""
        done = replace(state, phase=Phase.UP)
        self._replace(self.directory / _STATE, _encode(done))
        return done

    def change(self, state: LabState, spec: LabSpec) -> LabState:
        """Records that the lab is to be what `spec` says from now on."""
        changed = replace(state, spec=spec)
        self._replace(self.directory / _STATE, _encode(changed))
        return changed

    def record(self, process: ProcessRecord) -> None:
        """Writes one process down, over an earlier record of the same program."""
        directory = self.directory / "processes"
        directory.mkdir(exist_ok=True)
        self._replace(directory / f"{process.machine}.{process.program}.json", json.dumps(asdict(process)))

    def processes(self) -> list[ProcessRecord]:
        """All recorded processes, those that have ended too."""
        found = []
        for path in sorted((self.directory / "processes").glob("*.json")):
            data = json.loads(path.read_text())
            found.append(ProcessRecord(**{**data, "argv": tuple(data["argv"])}))
        return found

    def forget_machine(self, name: str) -> None:
        """Removes the files and records of one machine, which must not run any more."""
        for path in (self.directory / "processes").glob(f"{name}.*.json"):
            path.unlink()
        shutil.rmtree(self.machine(name), ignore_errors=True)

    def forget(self, last: Callable[[Path], None] = lambda _: None) -> None:
        """Removes the lab's directory, its state last.

        If it was the last lab, `last` is called with the root, which then goes too.
        """
        with self._locked_root():
            if self.directory.exists():
                for path in self.directory.iterdir():
                    if path.name != _STATE:
                        shutil.rmtree(path) if path.is_dir() else path.unlink()
                shutil.rmtree(self.directory)
            # Of killed claims, of this name or another: nobody makes one while the root is locked.
            for made in self.root.glob(".new-*"):
                shutil.rmtree(made)
            if not names(self.root):
                last(self.root)
            if not [path for path in self.root.iterdir() if path.name != _LOCK]:
                (self.root / _LOCK).unlink()
                self.root.rmdir()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Holds the lab while it is brought up or taken down. The kernel drops the lock with the process."""
        try:
            handle = (self.directory / _LOCK).open("w")
        except FileNotFoundError:
            self.load()
            raise
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"another mcnet command is bringing lab {self.name!r} up or down",
                    "wait for it, or end it and try again",
                ) from None
            yield

    @contextmanager
    def _locked_root(self) -> Iterator[None]:
        while True:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self.root / _LOCK).open("w") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                # Whoever held it before may have removed the root with the lock file in it.
                if _same_file(handle.fileno(), self.root / _LOCK):
                    yield
                    return

    def _all_states(self) -> Iterator[LabState]:
        for name in names(self.root):
            yield Store(name, self.root).load()

    @staticmethod
    def _replace(path: Path, text: str) -> None:
        aside = path.with_suffix(".new")
        aside.write_text(text)
        aside.rename(path)


def names(root: Path = STATE_ROOT) -> list[str]:
    """The labs recorded on this host."""
    if not root.is_dir():
        return []
    return sorted(path.name for path in root.glob("[!.]*") if (path / _STATE).is_file())


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _encode(state: LabState) -> str:
    return json.dumps({"spec": asdict(state.spec), "block": state.block.index, "phase": state.phase}, indent=1)


def _decode(text: str) -> LabState:
    data: dict[str, Any] = json.loads(text)
    spec = data["spec"]
    # Labs of an earlier version, side by side with this one's, lack what came later.
    underlay = spec.get("underlay_family")
    return LabState(
        LabSpec(
            name=spec["name"],
            clusters=tuple(spec["clusters"]),
            nodes=spec["nodes"],
            ip_family=IpFamily(spec["ip_family"]),
            kube_proxy_mode=RuleSyntax(spec["kube_proxy_mode"]),
            masquerade=RuleSyntax(spec["masquerade"]),
            overlapping_cidrs=spec["overlapping_cidrs"],
            nat=tuple((cluster, NatKind(kind)) for cluster, kind in spec["nat"]),
            underlay_family=IpFamily(underlay) if underlay else None,
            cluster_families=tuple(
                (cluster, Families(IpFamily(families["pods"]), IpFamily(families["underlay"])))
                for cluster, families in spec.get("cluster_families", ())
            ),
            added=tuple((cluster, number) for cluster, number in spec.get("added", ())),
            removed=tuple((cluster, number) for cluster, number in spec.get("removed", ())),
        ),
        Block(data["block"]),
        Phase(data["phase"]),
    )
