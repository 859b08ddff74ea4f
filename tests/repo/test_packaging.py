"""The sdist and the wheel hold what the checkout holds, and the installed wheel works away from it."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import mcnet
from tests.repo.checkout import ROOT, files, relative


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist, and the wheel made from it."""
    out = tmp_path_factory.mktemp("dist")
    argv = [sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return out


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel installed into a directory away from the checkout; the libraries are this environment's."""
    site = tmp_path_factory.mktemp("site")
    wheel = next(built.glob("*.whl"))
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(argv, check=True)
    return site


def run(installed: Path, *argv: str) -> str:
    """Runs a command with the installed wheel ahead of everything, in its directory."""
    environment = {"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin", "HOME": str(installed)}
    command = [sys.executable, "-P", *argv]
    result = subprocess.run(command, env=environment, cwd=installed, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def in_wheel(path: str) -> str:
    """Where the wheel keeps a file of the checkout."""
    if path == "daemons/Containerfile":
        return "mcnet/lab/Containerfile"
    if path.startswith("templates/"):
        return f"mcnet/{path}"
    return path.removeprefix("daemons/")


def test_the_sdist_is_the_checkout(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    expected = {relative(path) for path in files()}
    assert expected - names == set()
    assert {name for name in names - expected if not name.startswith(".")} == {"PKG-INFO"}


def test_the_wheel_has_every_module_template_and_the_containerfile(built: Path) -> None:
    names = set(zipfile.ZipFile(next(built.glob("*.whl"))).namelist())
    expected = {in_wheel(relative(path)) for path in files("mcnet", "daemons", "templates")}
    shipped = {name for name in names if ".dist-info/" not in name}
    assert shipped == expected


def test_the_installed_command_runs(installed: Path) -> None:
    assert mcnet.__version__ in run(installed, str(installed / "bin" / "mcnet"), "version")
    assert mcnet.__version__ in run(installed, str(installed / "bin" / "kubectl-mcnet"), "version")


def test_the_installed_code_is_what_ran(installed: Path) -> None:
    assert run(installed, "-c", "import mcnet; print(mcnet.__file__)").strip() == str(
        installed / "mcnet" / "__init__.py"
    )


def test_the_installed_wheel_makes_its_own_image(installed: Path) -> None:
    code = "from mcnet.lab import image; print(image.containerfile()); print(*image.own_packages())"
    containerfile, packages = run(installed, "-c", code).splitlines()
    assert containerfile == str(installed / "mcnet" / "lab" / "Containerfile")
    assert packages.split() == [
        "mcnet",
        "mcnet_gateway",
        "mcnet_route_agent",
        "mcnet_discovery",
        "mcnet_dns",
        "mcnet_cable",
    ]


def test_the_installed_templates_are_there(installed: Path) -> None:
    code = "from importlib.resources import files; print(*(p.name for p in (files('mcnet')/'templates').iterdir()))"
    assert {"broker", "crds", "member"} <= set(run(installed, "-c", code).split())
