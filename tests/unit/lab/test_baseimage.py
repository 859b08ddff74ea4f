"""The base image: from a registry where one answers, else made from what apt on this machine reaches."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mcnet.lab import baseimage, versions


class Machine:
    """buildah and the programs beside it; a registry answers or not."""

    def __init__(self, images: Sequence[str] = ()) -> None:
        self.images = list(images)
        self.ran: list[str] = []

    async def buildah(
        self, arguments: Sequence[str | Path], *, doing: str, progress: Callable[[str], None] | None = None
    ) -> str:
        words = [str(word) for word in arguments]
        self.ran.append(words[0])
        return "container\n"

    async def image_names(self) -> set[str]:
        return set(self.images)

    async def run(self, argv: Sequence[str | Path], **_: object) -> str:
        words = [str(word) for word in argv]
        self.ran.append("debootstrap" if "debootstrap" in words else words[0])
        self.last = words
        return "http://mirror.example/debian bookworm main\n" if words[0] == "apt-get" else ""


def use(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, registry: bool) -> Machine:
    async def pulled(*_: object) -> bool:
        return registry

    monkeypatch.setenv("MCNET_CACHE", str(tmp_path))
    monkeypatch.setattr(baseimage, "buildah", machine.buildah)
    monkeypatch.setattr(baseimage, "image_names", machine.image_names)
    monkeypatch.setattr(baseimage, "run", machine.run)
    monkeypatch.setattr(baseimage, "_pulled", pulled)
    return machine


async def test_a_registry_that_answers_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = use(Machine(), monkeypatch, tmp_path, registry=True)
    assert await baseimage.ensure_base(print) == versions.image().base
    assert "debootstrap" not in machine.ran


async def test_else_debootstrap_from_the_mirror_that_apt_uses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = use(Machine(), monkeypatch, tmp_path, registry=False)
    assert (await baseimage.ensure_base(lambda _: None)).startswith("localhost/mcnet-base:bookworm-")
    assert machine.ran == ["apt-get", "debootstrap", "from", "add", "commit", "rm"]
    assert machine.last[-1] == "http://mirror.example/debian"
    assert machine.last[:2] == ["unshare", "--mount"]


async def test_a_base_in_the_storage_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = baseimage.made_name(versions.image())
    machine = use(Machine([made]), monkeypatch, tmp_path, registry=True)
    assert await baseimage.ensure_base(print) == made
    assert machine.ran == []


@pytest.mark.parametrize(
    ("targets", "mirror"),
    [
        pytest.param("http://a/debian bookworm main\n", "http://a/debian", id="plain"),
        pytest.param("http://s bookworm-security main\nhttp://a bookworm main", "http://a", id="security-first"),
        pytest.param("http://a bookworm contrib\n", None, id="other-component"),
        pytest.param("http://a trixie main\n", None, id="other-release"),
    ],
)
def test_the_mirror_of_the_suite(targets: str, mirror: str | None) -> None:
    assert baseimage.mirror_of(targets, "bookworm") == mirror
