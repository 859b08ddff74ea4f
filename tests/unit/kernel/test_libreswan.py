"""pluto's files: in memory, for nobody else to read, and written only where they differ."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mcnet.codec import libreswan as codec
from mcnet.kernel import libreswan
from mcnet.model.errors import KernelError
from mcnet.model.libreswan import IkeConnection, IkeEnd, PlutoRequest, PlutoVerb

CONNECTION = IkeConnection(
    name="mcnet-6c000001-4-0123456789ab",
    local=IkeEnd("east.n1.epoch_0", ip_address("192.0.2.1"), 4524),
    remote=IkeEnd("west.n1.epoch_0", ip_address("192.0.2.2"), 4524),
    family=4,
    if_id=0x6C000001,
    begins=True,
    secret=bytes(range(32)),
)


@pytest.fixture
def memory() -> Iterator[Path]:
    with TemporaryDirectory(dir="/dev/shm") as name:
        yield Path(name)


def test_files_are_for_nobody_else(memory: Path) -> None:
    libreswan.write([CONNECTION], memory)
    assert {path.name: path.stat().st_mode & 0o777 for path in memory.iterdir()} == {
        codec.CONFIG: 0o600,
        codec.SECRETS: 0o600,
    }
    assert (memory / codec.SECRETS).read_text() == codec.secrets([CONNECTION])


def test_what_is_there_already_is_not_written_again(memory: Path) -> None:
    libreswan.write([CONNECTION], memory)
    before = {path.name: path.stat().st_ino for path in memory.iterdir()}
    libreswan.write([CONNECTION], memory)
    assert before == {path.name: path.stat().st_ino for path in memory.iterdir()}
    libreswan.write([replace(CONNECTION, secret=bytes(32))], memory)
    after = {path.name: path.stat().st_ino for path in memory.iterdir()}
    assert after[codec.CONFIG] == before[codec.CONFIG]
    assert after[codec.SECRETS] != before[codec.SECRETS]


def test_secrets_go_into_memory_only(monkeypatch: pytest.MonkeyPatch, memory: Path) -> None:
    mounts = memory / "mountinfo"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 /dev/sda rw\n2 1 0:2 / {memory} rw shared:1 - tmpfs none rw\n")
    monkeypatch.setattr(libreswan, "_MOUNTS", mounts)
    libreswan.write([CONNECTION], memory)
    mounts.write_text(f"{mounts.read_text()}3 2 0:3 / {memory} rw - overlay none rw\n")
    with pytest.raises(KernelError, match="is not in memory"):
        libreswan.write([], memory)
    assert (memory / codec.SECRETS).read_text() == codec.secrets([CONNECTION])


def test_a_directory_that_is_not_there_is_said() -> None:
    with pytest.raises(KernelError, match="write files for pluto: No such file or directory"):
        libreswan.write([], Path("/dev/shm/nonexistent"))


async def test_without_a_process_nothing_answers(memory: Path) -> None:
    with pytest.raises(KernelError, match="ask pluto for status: no mcnet-cable pod of this node answers"):
        await libreswan.status(memory)
    request = PlutoRequest(PlutoVerb.ADD, CONNECTION.name)
    (failure,) = await libreswan.perform([request], memory)
    assert str(failure).startswith(f"ask pluto for add {CONNECTION.name}: no mcnet-cable pod")
