"""What cleans a node, around the kernel's own part: sysctls from NodeState, and how failures are told."""

import json
from pathlib import Path

import pytest

from mcnet.install import leave_node
from mcnet.install.leave_node import clean, main
from mcnet.kernel.execute import Failure
from mcnet.kernel.sysctl import SysctlTree
from mcnet.model.errors import KernelError
from mcnet.model.kernel import Remove, Rule

RP_FILTER = "ipv4/conf/all/rp_filter"


@pytest.fixture
def tree(tmp_path: Path) -> SysctlTree:
    path = tmp_path / RP_FILTER
    path.parent.mkdir(parents=True)
    path.write_text("2\n")
    return SysctlTree(tmp_path)


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> list[Failure]:
    """What removing everything could not do."""
    failures: list[Failure] = []

    async def remove_all(*, tree: SysctlTree) -> tuple[Failure, ...]:
        return tuple(failures)

    monkeypatch.setattr(leave_node, "remove_all", remove_all)
    return failures


async def test_sysctls_are_restored_where_the_notes_in_the_table_are_gone(tree: SysctlTree) -> None:
    assert await clean({RP_FILTER: "1", "ipv4/conf/gone/rp_filter": "0"}, tree) == []
    assert (tree.root / RP_FILTER).read_text() == "1\n"


async def test_a_sysctl_that_can_not_be_written(tree: SysctlTree, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_tree: SysctlTree, _sysctl: object) -> None:
        raise KernelError("set sysctl: read-only file system")

    monkeypatch.setattr(SysctlTree, "write", refuse)
    assert await clean({RP_FILTER: "1"}, tree) == ["set sysctl: read-only file system"]
    assert await clean({RP_FILTER: "2"}, tree) == []


def test_failures_are_printed_and_end_with_1(
    kernel: list[Failure], tree: SysctlTree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCNET_PROC_SYS_NET", str(tree.root))
    monkeypatch.setattr("sys.argv", ["leave_node", json.dumps({RP_FILTER: "1"})])
    assert main() == 0
    assert json.loads(capsys.readouterr().out) == {"failures": []}
    kernel.append(Failure(Remove(Rule(4, 300, 1)), KernelError("delete a rule: busy")))
    assert main() == 1
    assert json.loads(capsys.readouterr().out) == {"failures": ["delete a rule: busy"]}


def test_a_kernel_that_can_not_be_read(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(**_settings: object) -> tuple[Failure, ...]:
        raise KernelError("open netlink: not permitted")

    monkeypatch.setattr(leave_node, "remove_all", broken)
    monkeypatch.setattr("sys.argv", ["leave_node"])
    assert main() == 1
    assert json.loads(capsys.readouterr().out) == {"failures": ["open netlink: not permitted"]}
