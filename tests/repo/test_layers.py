"""The import contracts of pyproject.toml hold, and they speak of every package there is."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.repo.checkout import ROOT


def test_the_contracts_hold() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "daemons")}
    result = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_package_has_its_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    named = {name.strip() for layer in layers for name in layer.split("|")}
    libraries = {f"mcnet.{path.parent.name}" for path in (ROOT / "mcnet").glob("*/__init__.py")}
    daemons = {path.parent.name for path in (ROOT / "daemons").glob("*/__init__.py")}
    assert libraries | daemons == named
