"""Which control groups go with a machine: those of its own containers, nested ones first."""

from pathlib import Path

import pytest

from mcnet.lab import cgroups
from mcnet.model.errors import McnetError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in ("k8s.io/a/nested/deep", "k8s.io/b", "memory/k8s.io/a", "pids"):
        (tmp_path / "cgroup" / path).mkdir(parents=True)
    return tmp_path / "cgroup"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    tasks = tmp_path / "machine" / "lib" / "containerd" / "io.containerd.runtime.v2.task" / "k8s.io"
    (tasks / "a").mkdir(parents=True)
    (tasks / "never-had-one").mkdir()
    return tmp_path / "machine"


async def test_those_of_its_containers_go_and_no_others(root: Path, machine: Path) -> None:
    await cgroups.remove([machine], root)
    left = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    assert left == ["k8s.io", "k8s.io/b", "memory", "pids"], "an empty parent goes with the last of its groups"
    await cgroups.remove([machine], root)


async def test_one_that_stays_busy_is_named(root: Path, machine: Path) -> None:
    (root / "k8s.io" / "a" / "cgroup.procs").write_text("1")
    with pytest.raises(McnetError, match=r"k8s\.io/a can't be removed"):
        await cgroups.remove([machine], root)
