"""The pinned versions: the file is whole, and what the image installs is what the project requires."""

import re
import tomllib

from mcnet.lab import versions
from mcnet.lab.image import DAEMONS
from tests.repo.checkout import ROOT

COMMAND_LINE_ONLY = {"jinja2", "paramiko", "rich", "typer"}
"""Libraries that the image does without."""


def name_of(requirement: str) -> str:
    """The distribution's name of a requirement."""
    match = re.match(r"[\w.-]+", requirement)
    assert match is not None
    return match[0].lower()


def test_every_binary_of_a_cluster_is_pinned() -> None:
    pinned = {binary for component in versions.components() for binary, _ in component.packages}
    control_plane = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
    assert pinned == control_plane | {"kubelet", "kube-proxy", "kubectl", "coredns"}
    assert all(re.fullmatch(r"v\d+\.\d+\.\d+", component.version) for component in versions.components())


def test_the_image_requires_what_the_project_requires() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    daemons = [wanted for wanted in project["dependencies"] if name_of(wanted) not in COMMAND_LINE_ONLY]
    assert sorted(versions.image().requirements) == sorted(daemons)


def test_the_image_holds_every_daemon() -> None:
    assert {path.parent.name for path in (ROOT / "daemons").glob("*/__init__.py")} == set(DAEMONS)
