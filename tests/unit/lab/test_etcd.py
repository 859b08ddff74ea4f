"""etcd set aside and put back: what stops and starts in which order, and that the copy is what was there."""

from pathlib import Path

import pytest

from mcnet.lab import etcd, machines, reboot
from mcnet.lab.addresses import Block
from mcnet.lab.spec import LabSpec
from mcnet.lab.store import ProcessRecord, Store
from mcnet.lab.topology import plan
from mcnet.model.errors import UsageError

TOPOLOGY = plan(LabSpec(name="x"), Block(1))
EAST = next(cluster for cluster in TOPOLOGY.clusters if cluster.name == "east")
PROGRAMS = (
    "kubelet",
    "kube-scheduler",
    "kube-apiserver",
    "etcd",
    "kube-controller-manager",
    "kube-proxy",
    "containerd",
)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was stopped (-) and started (+)."""
    found: list[str] = []

    async def stop(_: Store, machine: str, program: str, *, kill: bool = False) -> None:
        assert kill == (program == "kube-apiserver"), "it would take its address out of its Service"
        found.append(f"-{machine}/{program}")

    async def start(_: Store, machine: str, program: str, argv: list[str]) -> None:
        assert argv == [program, "--option"]
        found.append(f"+{machine}/{program}")

    monkeypatch.setattr(machines, "stop", stop)
    monkeypatch.setattr(machines, "start", start)
    return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store("x", tmp_path)
    (made.machine("east-cp") / "lib" / "etcd").mkdir(parents=True)
    for machine in EAST.machines:
        for program in PROGRAMS:
            made.record(ProcessRecord(machine.name, program, (program, "--option"), 1, 1))
    return made


async def test_an_old_state_comes_back(store: Store, said: list[str]) -> None:
    file = store.machine("east-cp") / "lib" / "etcd" / "db"
    file.write_text("old")
    copy = await etcd.save(store, EAST)
    assert said == [
        "-east-cp/kube-apiserver",
        "-east-cp/etcd",
        "+east-cp/etcd",
        "+east-cp/kube-apiserver",
    ]
    file.write_text("new")
    (file.parent / "later").write_text("")
    said.clear()
    await etcd.restore(store, EAST, copy)
    assert [path.name for path in file.parent.iterdir()] == ["db"]
    assert file.read_text() == "old"
    assert said[-4:] == ["+east-n1/kubelet", "+east-n1/kube-proxy", "+east-n2/kubelet", "+east-n2/kube-proxy"]
    assert {one[1:] for one in said if one[0] == "-"} == {one[1:] for one in said if one[0] == "+"}
    assert said.index("-east-cp/etcd") < said.index("+east-cp/etcd") < said.index("+east-cp/kube-apiserver")


async def test_without_a_copy_nothing_is_stopped(store: Store, said: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no copy of etcd"):
        await etcd.restore(store, EAST, tmp_path / "none")
    assert said == []


async def test_a_copy_that_fails_leaves_the_cluster_running(store: Store, said: list[str]) -> None:
    (store.machine("east-cp") / "lib" / "etcd").rmdir()
    with pytest.raises(FileNotFoundError):
        await etcd.save(store, EAST)
    assert said[-2:] == ["+east-cp/etcd", "+east-cp/kube-apiserver"]


def test_a_machine_that_boots_starts_its_programs_in_their_order(store: Store) -> None:
    order = [record.program for record in reboot._records(store, EAST.nodes[0])]
    assert order.index("containerd") < order.index("kubelet") < order.index("kube-proxy")
    assert order.index("etcd") < order.index("kube-apiserver")
    assert sorted(order) == sorted(PROGRAMS)
