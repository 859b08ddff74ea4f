"""Sysctls below a root of our choice, as in a container."""

import errno
from pathlib import Path

import pytest

from mcnet.kernel.sysctl import SysctlTree
from mcnet.model.errors import KernelError
from mcnet.model.kernel import Sysctl


@pytest.fixture
def tree(tmp_path: Path) -> SysctlTree:
    (tmp_path / "ipv4").mkdir()
    (tmp_path / "ipv4" / "ip_forward").write_text("0\n")
    (tmp_path / "ipv4" / "tcp_rmem").write_text("4096\t131072\t6291456\n")
    return SysctlTree(tmp_path / ".")


def test_what_exists_is_read_and_blanks_are_one(tree: SysctlTree) -> None:
    assert tree.read(("ipv4/ip_forward", "ipv4/tcp_rmem", "ipv4/none", "ipv4/ip_forward/x")) == {
        Sysctl("ipv4/ip_forward", "0"),
        Sysctl("ipv4/tcp_rmem", "4096 131072 6291456"),
    }


def test_what_is_written_is_read(tree: SysctlTree) -> None:
    tree.write(Sysctl("ipv4/ip_forward", "1"))
    assert tree.read(("ipv4/ip_forward",)) == {Sysctl("ipv4/ip_forward", "1")}


def test_a_missing_sysctl_can_not_be_written(tree: SysctlTree) -> None:
    with pytest.raises(KernelError, match="net/ipv6/none to 1") as caught:
        tree.write(Sysctl("ipv6/none", "1"))
    assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize("path", ["../secret", "ipv4/../../secret", "/etc/passwd"])
def test_nothing_outside_the_root_is_touched(tree: SysctlTree, path: str) -> None:
    (tree.root.parent / "secret").write_text("x")
    for attempt in (lambda: tree.read((path,)), lambda: tree.write(Sysctl(path, "1"))):
        with pytest.raises(KernelError, match="not below"):
            attempt()
