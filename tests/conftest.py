"""The levels of tests: each folder here is one, with a time limit per test and what it needs.

unit needs nothing and reaches nothing outside this machine; apiserver a real kube-apiserver; netns root; vm a kernel
with WireGuard, which the machine of tests/vm has; e2e root and a lab; repo the checkout. Nothing is skipped silently:
what a level lacks stops the run, a skip fails it.
"""

import asyncio
import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis.configuration import set_hypothesis_home_dir

from mcnet.lab import cache
from tests.kernel import EMULATED, SLOWER, has_wireguard

TESTS = Path(__file__).parent
TIME_LIMITS = {"unit": 30, "apiserver": 60, "netns": 60 * SLOWER, "vm": 60 * SLOWER, "e2e": 600, "repo": 180}
"""Level and its limit per test, in seconds."""

# What hypothesis remembers stays outside the checkout, like every other cache.
set_hypothesis_home_dir(cache.cache_directory() / "hypothesis")
# Two cores shared with clusters: how long one example takes says nothing.
hypothesis.settings.register_profile("mcnet", deadline=None)
hypothesis.settings.load_profile("mcnet")


def pytest_configure(config: pytest.Config) -> None:
    for level, limit in TIME_LIMITS.items():
        config.addinivalue_line("markers", f"{level}: the level of this folder, {limit} s per test")


def level_of(item: pytest.Item) -> str:
    """The level of a test: its folder below tests/."""
    return item.path.relative_to(TESTS).parts[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        level = level_of(item)
        item.add_marker(level)
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIME_LIMITS[level]))
    lacking = {level: text for level in {level_of(item) for item in items} if (text := lacks(level))}
    if lacking:
        raise pytest.UsageError("; ".join(f"the level {level} needs {text}" for level, text in lacking.items()))


def lacks(level: str) -> str:
    """What this machine lacks for a level, "" if nothing."""
    if level in {"netns", "e2e"} and os.geteuid() != 0:
        return "root"
    if (level == "vm" or EMULATED) and not has_wireguard():
        return "a kernel with WireGuard: python3 noxfile.py vm boots one"
    if level in {"apiserver", "e2e"}:
        from mcnet.lab.binaries import find_binaries

        needed = {"kube-apiserver", "etcd"} if level == "apiserver" else {"kube-apiserver", "kubelet", "coredns"}
        missing = needed - asyncio.run(find_binaries()).keys()
        if missing:
            return f"{', '.join(sorted(missing))}: python3 noxfile.py {level} prepares them"
    return ""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A skip, also an expected failure, is a failure: a test that does not run proves nothing."""
    report: pytest.TestReport = yield  # type: ignore[assignment,misc]
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: {report.longrepr}"
    return report  # type: ignore[return-value]


@pytest.fixture(autouse=True)
def _no_way_out(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unit tests reach loopback and Unix sockets only."""
    if level_of(request.node) != "unit":
        return
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))


def _guarded(original: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not ip_address(address[0]).is_loopback:
            raise AssertionError(f"a unit test tried to reach {address}")
        return original(self, address)

    return guarded
