"""`mcnet lab` killed with SIGKILL at several moments, or failing: `down` leaves nothing all the same."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest

from mcnet.lab.lab import Lab
from mcnet.lab.processes import wait_until
from mcnet.lab.spec import LabSpec
from mcnet.lab.store import Phase
from mcnet.model.errors import McnetError
from tests.e2e.traces import marked_processes, standard_places, traces

MOMENTS: dict[str, Callable[[Lab], bool]] = {
    "claimed": lambda lab: lab.store.directory.exists(),
    "network": lambda lab: Path(f"/run/netns/mcnet-{lab.name}-a-n1").exists(),
    "links": lambda lab: Path(f"/sys/class/net/mcl-{lab.name}").exists(),
    "first process": lambda lab: bool(marked_processes(lab)) and lab.store.machine("a-cp").exists(),
    "containerd": lambda lab: any(record.program == "containerd" for record in lab.store.processes()),
    "pods": lambda lab: any(record.program == "kube-proxy" and record.pid for record in lab.store.processes()),
}


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    """A name for a lab; whatever a failed test leaves of it is removed."""
    lab = Lab(f"k{uuid4().hex[:6]}")
    yield lab
    if lab.store.directory.exists():
        await lab.down()


async def killed(lab: Lab, moment: Callable[[Lab], bool], *arguments: str) -> None:
    """Runs `mcnet lab …` and kills it when the moment has come."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mcnet.cli.lab", *arguments, "--name", lab.name),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def come() -> bool:
        assert process.returncode is None, f"it ended with {process.returncode} before"
        return moment(lab)

    try:
        assert await wait_until(come, seconds=90, poll=0.005)
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("moment", MOMENTS)
async def test_an_interrupted_up_is_taken_down(lab: Lab, moment: str) -> None:
    before = standard_places()
    await killed(lab, MOMENTS[moment], "up", "--clusters", "a", "--nodes", "1")
    assert lab.store.load().phase is Phase.STARTING
    assert await traces(lab)
    await lab.down()
    assert await traces(lab) == []
    assert standard_places() == before


async def test_an_interrupted_down_is_finished_by_another(lab: Lab) -> None:
    await killed(lab, MOMENTS["containerd"], "up", "--clusters", "a", "--nodes", "1")
    running = len(marked_processes(lab))
    await killed(lab, lambda lab: len(marked_processes(lab)) < running, "down")
    await lab.down()
    assert await traces(lab) == []


async def test_a_component_that_ends_is_named_at_once(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etcd = tmp_path / "etcd"
    etcd.write_text("#!/bin/sh\nsleep 0.5\necho no space left >&2\nexit 1\n")
    etcd.chmod(0o755)
    monkeypatch.setenv("MCNET_LAB_BIN", str(tmp_path))
    with pytest.raises(McnetError, match="etcd of a-cp ended: no space left") as caught:
        await lab.up(LabSpec(name=lab.name, clusters=("a",), nodes=1))
    assert str(lab.store.log("a-cp", "etcd")) in caught.value.hint
    await lab.down()
    assert await traces(lab) == []
