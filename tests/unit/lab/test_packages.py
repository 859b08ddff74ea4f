"""Debian packages: what apt-get's simulation says, and what is done about it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from mcnet.lab import packages
from mcnet.model.errors import McnetError, UsageError

SIMULATED = """NOTE: This is only a simulation!
Remv containerd.io [1.6.33-1]
Inst runc (1.1.5+ds1-1+deb12u1 Debian:12.11/stable [amd64])
Inst login [1:4.13+dfsg1-1] (1:4.13+dfsg1-1+deb12u1 Debian:12.11/stable [amd64])
Conf runc (1.1.5+ds1-1+deb12u1 Debian:12.11/stable [amd64])
"""


class Machine:
    """A Debian machine as `run` shows it; remembers every command."""

    def __init__(self, installed: Sequence[str], simulated: str = "", *, update_fails: bool = False) -> None:
        self.installed = installed
        self.simulated = simulated
        self.update_fails = update_fails
        self.commands: list[list[str]] = []

    async def run(self, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, **_: object) -> str:
        words = [str(word) for word in argv]
        self.commands.append(words)
        if words[0] == "dpkg-query":
            return "".join(f"{name} installed\n" for name in self.installed) + "left-over config-files\n"
        if "update" in words and self.update_fails:
            raise McnetError("updating apt's lists failed with status 100: a key has expired")
        return self.simulated if "--simulate" in words else ""


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("MCNET_CACHE", str(tmp_path))


def use(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(packages, "run", machine.run)
    return machine


def test_what_would_go_and_come_is_read_from_the_simulation() -> None:
    assert packages.removals(SIMULATED) == ["containerd.io"]
    assert packages.installations(SIMULATED) == ["runc", "login"]


async def test_only_what_is_installed_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    use(Machine([name for name in packages.NEEDED if name != "runc"]), monkeypatch)
    assert await packages.missing_packages(extra=["left-over"]) == ["left-over", "runc"]


async def test_nothing_is_asked_of_apt_when_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = use(Machine(list(packages.NEEDED)), monkeypatch)
    await packages.ensure_packages(print)
    assert [command[0] for command in machine.commands] == ["dpkg-query"]


@pytest.mark.usefixtures("as_root")
async def test_a_conflict_is_named_and_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = use(Machine([], SIMULATED), monkeypatch)
    with pytest.raises(UsageError, match=r"would remove containerd\.io, so nothing was installed"):
        await packages.ensure_packages(lambda _: None)
    assert all("--simulate" in command for command in machine.commands if "install" in command)


@pytest.mark.usefixtures("as_root")
async def test_it_says_what_it_installs_and_silences_services(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = use(Machine([], SIMULATED.replace("Remv", "Keep"), update_fails=True), monkeypatch)
    said: list[str] = []
    await packages.ensure_packages(said.append)
    assert "installing 2 system packages by apt-get, starting no services: runc login" in said
    assert any("a key has expired" in line for line in said)
    last = machine.commands[-1]
    assert "--no-remove" in last
    assert any(word.startswith("DPkg::Path=") and "/apt-" in word for word in last)


async def test_without_root_the_command_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    use(Machine([name for name in packages.NEEDED if name != "runc"]), monkeypatch)
    with pytest.raises(UsageError, match=r"1 system package to install.*runc") as caught:
        await packages.ensure_packages(print)
    assert caught.value.hint == "apt-get install --no-remove --no-install-recommends runc"


async def test_a_lab_refuses_to_start_without_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    use(Machine([name for name in packages.NEEDED if name not in {"runc", "socat"}]), monkeypatch)
    with pytest.raises(UsageError, match=r"2 system packages not installed here: runc, socat"):
        await packages.require_packages()
