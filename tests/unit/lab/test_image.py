"""The image: a tag that follows the contents, and what goes into the build."""

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import mcnet
from mcnet.lab import image


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small checkout with one daemon, and an empty cache."""
    monkeypatch.setenv("MCNET_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "checkout"
    for file in ("mcnet/__init__.py", "mcnet/plan/diff.py", "daemons/mcnet_gateway/__init__.py"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(f"# {file}\n")
    (root / "daemons" / "Containerfile").write_text("FROM scratch\n")
    (root / "templates").mkdir()
    (root / "templates" / "member.yaml").write_text("kind: Member\n")
    (root / "mcnet" / "templates").symlink_to("../templates")
    monkeypatch.setattr(mcnet, "__file__", str(root / "mcnet" / "__init__.py"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    return root


@pytest.mark.usefixtures("checkout")
def test_the_reference_names_version_and_contents() -> None:
    assert re.fullmatch(rf"localhost/mcnet:{re.escape(mcnet.__version__)}-[0-9a-f]{{12}}", image.image_reference())
    assert image.image_reference() == image.image_reference()


@pytest.mark.parametrize(
    "changed",
    ["mcnet/plan/diff.py", "daemons/mcnet_gateway/__init__.py", "templates/member.yaml", "daemons/Containerfile"],
)
def test_the_tag_follows_every_content(checkout: Path, changed: str) -> None:
    before = image.image_reference()
    (checkout / changed).write_text("# other\n")
    assert image.image_reference() != before


def test_what_python_leaves_behind_changes_nothing(checkout: Path) -> None:
    before = image.image_reference()
    (checkout / "mcnet" / "__pycache__").mkdir()
    (checkout / "mcnet" / "__pycache__" / "diff.pyc").touch()
    assert image.image_reference() == before


def test_packages_lie_beside_each_other_in_the_image(checkout: Path) -> None:
    assert [str(relative) for relative, _ in image.own_files()] == [
        "mcnet/__init__.py",
        "mcnet/plan/diff.py",
        "mcnet/templates/member.yaml",
        "mcnet_gateway/__init__.py",
    ]


def test_an_installed_mcnet_has_its_daemons_beside_it(checkout: Path) -> None:
    (checkout / "daemons" / "mcnet_gateway").rename(checkout / "mcnet_gateway")
    shutil.rmtree(checkout / "daemons")
    (checkout / "mcnet" / "lab").mkdir()
    (checkout / "mcnet" / "lab" / "Containerfile").touch()
    assert image.own_packages().keys() == {"mcnet", "mcnet_gateway"}
    assert image.containerfile() == checkout / "mcnet" / "lab" / "Containerfile"


class Builder:
    """Stands for buildah: a push writes the archive that it names."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.contexts: list[set[str]] = []
        self.names = {"localhost/mcnet:0.0.1-old", "localhost/mcnet-runtime:old", "localhost/mcnet-base:x"}

    async def buildah(
        self, arguments: Sequence[str | Path], *, doing: str, progress: Callable[[str], None] | None = None
    ) -> str:
        words = [str(word) for word in arguments]
        self.commands.append(words[0])
        if words[0] == "bud":
            context = Path(words[-1])
            self.contexts.append({str(path.relative_to(context)) for path in context.rglob("*") if path.is_file()})
            self.names.add(words[words.index("--tag") + 1])
        if words[0] == "rmi":
            self.names.remove(words[1])
        if words[0] == "push":
            Path(words[-1].split(":")[1]).write_text("archive")
        return ""

    async def image_names(self) -> set[str]:
        return set(self.names)


@pytest.fixture
def builder(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builder:
    made = Builder()

    async def libraries(_: Callable[[str], None]) -> Path:
        folder = tmp_path / "libraries"
        folder.mkdir(exist_ok=True)
        (folder / "yaml.py").touch()
        return folder

    async def base(_: Callable[[str], None]) -> str:
        return "localhost/mcnet-base:x"

    monkeypatch.setattr(image, "buildah", made.buildah)
    monkeypatch.setattr(image, "image_names", made.image_names)
    monkeypatch.setattr(image, "_libraries", libraries)

    async def ensure(*_: object) -> dict[str, Path]:
        (tmp_path / "wireguard-go").touch()
        return {"wireguard-go": tmp_path / "wireguard-go"}

    monkeypatch.setattr(image, "ensure_base", base)
    monkeypatch.setattr(image, "ensure", ensure)
    return made


async def test_it_is_built_once_and_older_contents_are_forgotten(builder: Builder, tmp_path: Path) -> None:
    old = tmp_path / "cache" / "libraries" / "old"
    old.mkdir(parents=True)
    first = await image.ensure_image(lambda _: None)
    assert first.read_text() == "archive"
    assert not old.exists()
    assert builder.commands == ["bud", "bud", "push", "rmi", "rmi"]
    assert builder.contexts[0] == {"dependencies/yaml.py", "programs/wireguard-go"}
    assert "code/mcnet/templates/member.yaml" in builder.contexts[1]
    assert {name.partition(":")[0] for name in builder.names} == {
        "localhost/mcnet",
        "localhost/mcnet-base",
        "localhost/mcnet-runtime",
    }
    assert await image.ensure_image(lambda _: None) == first
    assert len(builder.commands) == 5


async def test_a_change_of_our_code_makes_the_last_layer_only(builder: Builder, checkout: Path) -> None:
    await image.ensure_image(lambda _: None)
    builder.commands.clear()
    (checkout / "mcnet" / "plan" / "diff.py").write_text("# other\n")
    await image.ensure_image(lambda _: None)
    assert builder.commands == ["bud", "push", "rmi"]


async def test_only_the_newest_archives_stay(builder: Builder, checkout: Path) -> None:
    for number in range(image.ARCHIVES_KEPT + 2):
        (checkout / "mcnet" / "plan" / "diff.py").write_text(f"# {number}\n")
        newest = await image.ensure_image(lambda _: None)
    archives = list(newest.parent.iterdir())
    assert len(archives) == image.ARCHIVES_KEPT
    assert newest in archives
