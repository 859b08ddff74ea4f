"""Images of one layer, and the pause program in one of them."""

import asyncio
import hashlib
import json
import platform
import tarfile
from pathlib import Path

import pytest

from mcnet.lab.archive import write_image
from mcnet.lab.pause import pause_program
from mcnet.model.errors import McnetError


def test_an_image_holds_its_files_under_the_digests_it_names(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"#!")
    write_image(tmp_path / "image.tar", "localhost/x:1", {"/bin/x": program, "/y": b"why"}, ["/bin/x"])
    with tarfile.open(tmp_path / "image.tar") as image:
        [manifest] = json.load(image.extractfile("manifest.json"))  # type: ignore[arg-type]
        assert manifest["RepoTags"] == ["localhost/x:1"]
        config = image.extractfile(manifest["Config"]).read()  # type: ignore[union-attr]
        assert manifest["Config"] == f"{hashlib.sha256(config).hexdigest()}.json"
        layer = image.extractfile(manifest["Layers"][0])
        assert layer is not None
        assert json.loads(config)["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer.read()).hexdigest()}"]
        layer.seek(0)
        with tarfile.open(fileobj=layer) as files:
            assert {each.name: (each.mode, each.size) for each in files} == {"bin/x": (0o755, 2), "y": (0o755, 3)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.tar", "program"]


def test_the_same_files_give_the_same_image(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_image(tmp_path / name, "localhost/x:1", {"/x": b"x"}, ["/x"])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


async def test_the_pause_program_waits_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "pause"
    path.write_bytes(pause_program())
    path.chmod(0o755)
    process = await asyncio.create_subprocess_exec(path)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(process.wait(), 0.2)
    process.kill()
    assert await process.wait() == -9


@pytest.mark.parametrize(("machine", "number"), [("x86_64", 62), ("aarch64", 183)])
def test_the_pause_program_is_made_for_its_machine(machine: str, number: int) -> None:
    program = pause_program(machine)
    assert program[:4] == b"\x7fELF"
    assert int.from_bytes(program[18:20], "little") == number
    assert int.from_bytes(program[96:104], "little") == len(program)


def test_a_foreign_machine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "s390x")
    with pytest.raises(McnetError, match="s390x"):
        pause_program()
