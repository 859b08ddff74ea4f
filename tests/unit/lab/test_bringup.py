"""A node that leaves its cluster: drained and deleted once, and no failure when it is repeated."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from mcnet.lab import processes
from mcnet.lab.addresses import Block
from mcnet.lab.bringup import Startup, Supplies
from mcnet.lab.spec import LabSpec
from mcnet.lab.store import LabState, Store


@pytest.mark.parametrize(
    ("known", "verbs"), [("node/east-n1\n", ["get", "drain", "delete"]), ("", ["get"])], ids=["known", "gone"]
)
async def test_a_node_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: str, verbs: list[str]
) -> None:
    said: list[str] = []

    async def check(argv: Sequence[str], *, mark: str, stdin: str = "") -> str:
        said.append(argv[3])
        assert "east-n1" in argv
        return known if argv[3] == "get" else ""

    monkeypatch.setattr(processes, "check", check)
    state = LabState(LabSpec(name="x"), Block(1))
    east = state.topology.clusters[0]
    supplies = Supplies(binaries={"kubectl": Path("kubectl")}, images=tmp_path)
    await Startup(Store("x", tmp_path), state, east, supplies, lambda _: None).forget("east-n1")
    assert said == verbs
