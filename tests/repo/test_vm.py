"""The machine of the level vm, without starting it: how its tests are judged, what it is given, what it boots."""

import lzma
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mcnet.lab import packages
from mcnet.model.errors import McnetError
from tests.repo.checkout import ROOT
from tests.vm import __main__ as program
from tests.vm import kernel, machine
from tests.vm.initramfs import INIT, archive, initramfs, needed
from tests.vm.kernel import Kernel

BEGAN = "booting\nmcnet-vm: pytest begins\n"


@pytest.mark.parametrize(
    ("console", "late", "said"),
    [
        pytest.param(f"{BEGAN}...\nmcnet-vm: pytest ended with status 0\n", None, "", id="all-passed"),
        pytest.param(
            f"{BEGAN}.F.\nmcnet-vm: pytest ended with status 1\n", None,
            "pytest in the machine ended with status 1", id="some-failed",
        ),
        pytest.param(
            f"{BEGAN}..[ 9.1] Kernel panic - not syncing: Fatal exception in interrupt\n", None,
            "the machine's kernel panicked: Fatal exception in interrupt", id="panic",
        ),
        pytest.param(
            f"{BEGAN}..[ 9.1] Kernel panic - not syncing: hung\n", 480.0,
            "the machine's kernel panicked: hung", id="panic-that-did-not-end-it",
        ),
        pytest.param(
            BEGAN, 480.0, "the machine was still running after 480 s, in the middle of the tests", id="a-test-hangs"
        ),
        pytest.param(
            "", 480.0, "the machine was still running after 480 s, before it started a test", id="the-boot-hangs"
        ),
        pytest.param(
            f"{BEGAN}...\nmcnet-vm: pytest ended with status 0\n", 480.0,
            "the machine was still running after 480 s, in the middle of the tests", id="it-does-not-go-off",
        ),
        pytest.param(
            "modprobe: FATAL: Module wireguard not found\n", None,
            "the machine ended before it started a test", id="no-module",
        ),
        pytest.param(BEGAN, None, "the machine ended in the middle of the tests", id="off-at-once"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_run(console: str, late: float | None, said: str) -> None:
    assert machine.problem(console, late) == said


@pytest.mark.parametrize("problem", ["", "the machine's kernel panicked: hung"])
def test_the_console_is_shown_where_something_failed(problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    program.show(machine.Outcome(problem, "what the machine said\n"), 99.6)
    shown = capsys.readouterr().out
    assert ("what the machine said" in shown) == bool(problem)
    assert shown.endswith(f"vm: {problem or 'every test passed'} (100 s)\n")


def test_pytest_in_the_machine_reports_into_the_shared_directory() -> None:
    words, report = program.in_machine(["tests/vm", "--junitxml=/somewhere/vm.xml", "-k", "mtu"])
    assert words == ["tests/vm", "--junitxml=/run/mcnet-vm/report.xml", "-k", "mtu"]
    assert report == Path("/somewhere/vm.xml")
    assert "mount -t 9p -o rw,trans=virtio,version=9p2000.L,msize=512000 share /new/run/mcnet-vm\n" in INIT


def test_the_machine_can_write_only_into_that_directory() -> None:
    made = [str(word) for word in machine.command(Kernel(Path("/k"), "6.12"), Path("/share"), Path("/share/console"))]
    files = [word for word in made if word.startswith("local,")]
    assert [("path=/," in word, "path=/share," in word, word.endswith(",readonly=on")) for word in files] == [
        (True, False, True),
        (False, True, False),
    ]


RUN = """
import asyncio, sys
from pathlib import Path
from tests.vm import machine
from tests.vm.kernel import Kernel
machine.initramfs = lambda kernel: b""
machine.command = lambda kernel, share, console: ["sh", "-c", sys.argv[1].replace("CONSOLE", str(console))]
outcome = asyncio.run(machine.run_tests(Kernel(Path("/k"), "6.12"), [], Path(sys.argv[2]), print, patience=1.0))
print(outcome.problem)
"""


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("echo mcnet-vm: pytest begins > CONSOLE; sleep 60", "the machine was still running after 1 s, before"),
        ("printf 'mcnet-vm: pytest ended with status 0\\r\\n' > CONSOLE", ""),
    ],
)
def test_a_machine_that_hangs_is_ended(tmp_path: Path, does: str, said: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", RUN, does, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip().startswith(said)
    assert bool(ran.stdout.strip()) == bool(said)


def test_the_script_is_a_script_with_every_word_as_it_was() -> None:
    words = ["tests/vm", "-k", "it's $HOME"]
    text = machine.script(Kernel(Path("/k"), "6.12"), words, {"HOME": "/a b", "SECRET": "x"})
    assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0
    line = next(line for line in text.splitlines() if " -m pytest " in line)
    shown = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert shown == [sys.executable, "-m", "pytest", *words]
    assert "export HOME='/a b'\n" in text
    assert "export MCNET_VM=1\n" in text
    assert "SECRET" not in text


def entries(made: bytes) -> list[tuple[str, int, bytes]]:
    """(path, mode, content) of an archive, up to its end."""
    found: list[tuple[str, int, bytes]] = []
    at = 0
    while not found or found[-1][0] != "TRAILER!!!":
        assert made[at : at + 6] == b"070701"
        fields = [int(made[at + 6 + 8 * number : at + 14 + 8 * number], 16) for number in range(13)]
        content = -(-(at + 110 + fields[11]) // 4) * 4
        name = made[at + 110 : at + 110 + fields[11]]
        assert name.endswith(b"\0")
        found.append((name[:-1].decode(), fields[1], made[content : content + fields[6]]))
        at = -(-(content + fields[6]) // 4) * 4
    assert at == len(made)
    return found[:-1]


def test_the_archive_is_as_the_kernel_reads_it() -> None:
    given = [
        ("bin", 0o40755, b""),
        ("bin/one", 0o100755, b"12345"),
        ("fours", 0o100644, b"1234"),
        ("x", 0o100644, b""),
    ]
    assert entries(archive(given)) == given


def test_it_starts_with_what_it_needs_to_see_the_files(tmp_path: Path) -> None:
    modules = tmp_path / "lib" / "modules" / "6.12"
    modules.mkdir(parents=True)
    for name, content in (("9pnet_virtio.ko", b"plain"), ("9p.ko.xz", lzma.compress(b"packed")), ("overlay.ko", b"")):
        (modules / name).write_bytes(content)
    (modules / "modules.dep").write_text("9pnet_virtio.ko:\n9p.ko.xz:\noverlay.ko:\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "busybox").write_bytes(b"program")
    found = {path: (mode, content) for path, mode, content in entries(initramfs(Kernel(tmp_path, "6.12")))}
    assert found["init"] == (0o100755, INIT.encode())
    assert found["bin/busybox"] == (0o100755, b"program")
    assert [found[f"modules/0{number}.ko"][1] for number in range(3)] == [b"plain", b"packed", b""]


def test_a_module_comes_after_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "modules.dep").write_text(
        "fs/9p.ko.xz: fs/netfs.ko.xz net/9pnet.ko.xz\nfs/netfs.ko.xz:\nnet/9pnet.ko.xz:\n"
        "net/9pnet_virtio.ko.xz: net/9pnet.ko.xz\nfs/other.ko:\n"
    )
    found = [str(path.relative_to(tmp_path)) for path in needed(tmp_path, ("9pnet_virtio", "9p"))]
    assert found == ["net/9pnet.ko.xz", "net/9pnet_virtio.ko.xz", "fs/netfs.ko.xz", "fs/9p.ko.xz"]


class Debian:
    """A machine whose apt knows these packages, as `run` shows it."""

    def __init__(self, depends: dict[str, str]) -> None:
        self.depends = depends
        self.commands: list[list[str]] = []

    async def run(self, argv: Sequence[str | Path], *, cwd: Path | None = None, **_: object) -> str:
        words = [str(word) for word in argv]
        self.commands.append(words)
        if words[:2] == ["apt-cache", "depends"]:
            if words[-1] not in self.depends:
                raise McnetError("apt-cache failed with status 100: No packages found")
            return f"{words[-1]}\n  Depends: {self.depends[words[-1]]}\n"
        if words[:2] == ["apt-get", "download"]:
            assert cwd is not None
            for package in words[3:]:
                (cwd / f"{package}.deb").touch()
        if words[0] == "dpkg-deb":
            package, tree = Path(words[2]).stem, Path(words[3])
            name = "bin/busybox" if package == "busybox-static" else package.replace("linux-image-", "boot/vmlinuz-")
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).touch()
        return ""


@pytest.fixture
def debian(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> Debian:
    made = Debian(request.param)
    monkeypatch.setenv("MCNET_CACHE", str(tmp_path))
    for module in (kernel, packages):
        monkeypatch.setattr(module, "run", made.run)
    return made


@pytest.mark.parametrize(
    ("debian", "version"),
    [
        (
            {kernel.NEWEST[0]: "linux-image-6.12.9-amd64", kernel.NEWEST[1]: "linux-image-6.1.0-1-amd64"},
            "6.12.9-amd64",
        ),
        ({kernel.NEWEST[1]: "linux-image-6.1.0-1-amd64"}, "6.1.0-1-amd64"),
    ],
    indirect=["debian"],
)
async def test_the_newest_kernel_is_fetched_once_and_not_installed(debian: Debian, version: str) -> None:
    made = await kernel.ensure_kernel(lambda _: None)
    assert made.version == version
    assert made.image.exists()
    assert made.busybox.exists()
    assert made.modules == made.root / "lib" / "modules" / version
    before = len(debian.commands)
    assert await kernel.ensure_kernel(lambda _: None) == made
    assert len(debian.commands) == before
    assert not [words for words in debian.commands if "install" in words]


@pytest.mark.parametrize("debian", [{}], indirect=True)
async def test_a_debian_without_a_kernel_says_so(debian: Debian) -> None:
    with pytest.raises(McnetError, match=r"apt knows no kernel: neither linux-image-6\.12-amd64 nor"):
        await kernel.ensure_kernel(lambda _: None)
