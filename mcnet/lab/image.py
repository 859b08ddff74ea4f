"""The image of mcnet's daemons as a docker-archive in the cache, built from `daemons/Containerfile`.

Its tag is made from what is in it, so an image that exists is the right one. The lower layers (system, libraries)
stay in buildah's storage in the cache; a change of our own code makes the last layer only.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import mcnet
from mcnet.lab import cache, versions
from mcnet.lab.baseimage import ensure_base
from mcnet.lab.binaries import ensure
from mcnet.lab.buildah import buildah, image_names
from mcnet.lab.command import run

REPOSITORY = "localhost/mcnet"
RUNTIME_REPOSITORY = "localhost/mcnet-runtime"
BUILD = (
    "bud",
    "--isolation",
    "chroot",
    "--network",
    "host",
    "--layers",
    "--timestamp",
    "0",
    "--pull-never",
    "--quiet",
)
"""How buildah builds: the same contents give the same layers, whenever and wherever."""
DAEMONS = ("mcnet_gateway", "mcnet_route_agent", "mcnet_discovery", "mcnet_dns", "mcnet_cable")
ARCHIVES_KEPT = 4
"""Older image archives are removed; the newest few serve checkouts that are switched between."""
PYTHON = "3.11"
"""Debian bookworm's, whatever Python the machine runs."""
PLATFORMS = ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_34")
"""Wheels for a glibc up to Debian bookworm's 2.36."""
UNUSED_LIBRARIES = ("bin", "kubernetes/client/api")
"""The synchronous Kubernetes client's calls: loaded on demand only, and mcnet is asyncio throughout."""


def image_reference() -> str:
    """The image's full name, such as `localhost/mcnet:0.1.0-3f9c2a7be1d0`; the tag follows the contents."""
    digest = hashlib.sha256(_runtime_key().encode())
    for relative, file in own_files():
        digest.update(f"{relative}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return f"{REPOSITORY}:{mcnet.__version__}-{digest.hexdigest()[:12]}"


async def ensure_image(progress: Callable[[str], None]) -> Path:
    """The path of the image's docker-archive, built first if the cache lacks it.

    Raises McnetError if buildah, debootstrap or pip fail.
    """
    reference = image_reference()
    archive = _archive(reference)
    if not archive.exists():
        async with cache.locked("image", progress):
            if not archive.exists():
                await _build(reference, archive, progress)
    archive.touch()
    return archive


def own_files() -> Iterator[tuple[Path, Path]]:
    """Each file of mcnet's packages, sorted: (path below `dist-packages`, file)."""
    for package, folder in sorted(own_packages().items()):
        for file in _files_below(folder):
            yield Path(package, file.relative_to(folder)), file


def own_packages() -> dict[str, Path]:
    """The folders of mcnet's packages by name: beside each other where installed, in `daemons/` in a checkout."""
    library = Path(mcnet.__file__).parent
    found = {"mcnet": library}
    for name in DAEMONS:
        spec = importlib.util.find_spec(name)
        candidates = [Path(spec.origin).parent] if spec and spec.origin else []
        candidates += [library.parent / "daemons" / name, library.parent / name]
        folder = next((path for path in candidates if (path / "__init__.py").exists()), None)
        if folder:
            found[name] = folder
    return found


def _files_below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name != "__pycache__":
                yield from _files_below(path)
        elif path.suffix != ".pyc":
            yield path


def containerfile() -> Path:
    """`daemons/Containerfile` of the checkout, or its copy in an installed mcnet."""
    library = Path(mcnet.__file__).parent
    installed = library / "lab" / "Containerfile"
    return installed if installed.exists() else library.parent / "daemons" / "Containerfile"


def _runtime_key() -> str:
    pins = versions.image()
    parts = [_library_key(), versions.wireguard().key, pins.debian, pins.packages, containerfile().read_text()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def _library_key() -> str:
    parts = [versions.image().requirements, UNUSED_LIBRARIES, PYTHON, PLATFORMS, versions.architecture()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def _archive(reference: str) -> Path:
    return cache.cache_directory() / "images" / f"mcnet-{reference.rpartition(':')[2]}.tar"


async def _build(reference: str, archive: Path, progress: Callable[[str], None]) -> None:
    runtime = await _runtime(progress)
    with cache.scratch("image") as work:
        context = work / "context"
        _copy_own_files(context / "code")
        doing = f"building the image {reference}"
        progress(doing)
        arguments = ["--build-arg", f"RUNTIME={runtime}", "--tag", reference]
        await buildah([*BUILD, *arguments, "--file", containerfile(), context], doing=doing, progress=progress)
        target = f"docker-archive:{work / 'image.tar'}:{reference}"
        await buildah(["push", "--quiet", reference, target], doing=f"writing {archive.name}", progress=progress)
        cache.place(work / "image.tar", archive)
    await _forget_old(reference)
    progress(f"built {reference}, {archive.stat().st_size / 1e6:.0f} MB")


async def _runtime(progress: Callable[[str], None]) -> str:
    """The name, in the storage, of the image below our code: system and libraries; made if it is not there."""
    name = f"{RUNTIME_REPOSITORY}:{_runtime_key()}"
    if name in await image_names():
        return name
    base = await ensure_base(progress)
    libraries = await _libraries(progress)
    programs = await ensure(versions.wireguard(), progress)
    with cache.scratch("runtime") as work:
        # Hard links: buildah only reads them.
        shutil.copytree(libraries, work / "dependencies", symlinks=True, copy_function=os.link)
        (work / "programs").mkdir()
        for program, path in programs.items():
            shutil.copy(path, work / "programs" / program)
        doing = "building the image's lower layers: the system, the libraries and wireguard-go"
        progress(doing)
        packages = " ".join(versions.image().packages)
        arguments = ["--build-arg", f"BASE={base}", "--build-arg", f"PACKAGES={packages}"]
        arguments += ["--target", "runtime", "--tag", name]
        await buildah([*BUILD, *arguments, "--file", containerfile(), work], doing=doing, progress=progress)
    return name


def _copy_own_files(target: Path) -> None:
    for relative, file in own_files():
        (target / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target / relative)


async def _libraries(progress: Callable[[str], None]) -> Path:
    """The libraries the daemons need, as they lie in the image; kept in the cache."""
    wanted = cache.cache_directory() / "libraries" / _library_key()
    if wanted.exists():
        return wanted
    progress("fetching the daemons' libraries as wheels")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}[versions.architecture()]
    with cache.scratch("libraries") as work:
        argv: list[str | Path] = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"]
        argv += ["--target", work / "site", "--only-binary=:all:", "--implementation", "cp"]
        argv += ["--python-version", PYTHON]
        for platform in PLATFORMS:
            argv += ["--platform", f"{platform}_{machine}"]
        await run([*argv, *versions.image().requirements], doing="fetching the libraries", progress=progress)
        for unused in UNUSED_LIBRARIES:
            shutil.rmtree(work / "site" / unused, ignore_errors=True)
        cache.place(work / "site", wanted)
    return wanted


async def _forget_old(current: str) -> None:
    """Removes what is of older code or libraries, and all but the newest archives."""
    kept = {current, f"{RUNTIME_REPOSITORY}:{_runtime_key()}"}
    for name in sorted(await image_names() - kept):
        if name.startswith((f"{REPOSITORY}:", f"{RUNTIME_REPOSITORY}:")):
            await buildah(["rmi", name], doing=f"removing {name}")
    for libraries in (cache.cache_directory() / "libraries").glob("*"):
        if libraries.name != _library_key():
            shutil.rmtree(libraries)
    archives = sorted(_archive(current).parent.glob("mcnet-*.tar"), key=lambda path: path.stat().st_mtime)
    for archive in archives[:-ARCHIVES_KEPT]:
        archive.unlink(missing_ok=True)
