"""The Debian packages a lab needs: which are missing, and their installation, announced and without side effects.

Imported before any Python library is installed (`noxfile.py`): standard library only. What comes from elsewhere
than Debian belongs to `binaries`.
"""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from mcnet.lab import cache
from mcnet.lab.command import run
from mcnet.model.errors import McnetError, UsageError

NEEDED = {
    "buildah": "builds the daemons' image",
    "ca-certificates": "downloads",
    "conntrack": "kube-proxy forgets connections with it",
    "containerd": "runs the pods",
    "containernetworking-plugins": "the pods' network",
    "debian-archive-keyring": "the image's base system",
    "debootstrap": "the image's base system",
    "ethtool": "network devices",
    "iperf3": "throughput",
    "iproute2": "namespaces and devices",
    "iptables": "masquerades as CNIs with iptables do",
    "iputils-ping": "measures delay",
    "nftables": "masquerades as CNIs with nftables do",
    "procps": "sysctls",
    "runc": "runs the pods",
    "socat": "UDP tests",
    "tcpdump": "looks at packets",
}
"""Package and what it is for."""

SILENCED = ("deb-systemd-invoke", "deb-systemd-helper", "invoke-rc.d")
"""What maintainer scripts start and enable services with."""


async def missing_packages(extra: Iterable[str] = ()) -> list[str]:
    """Those of `NEEDED` and `extra` that are not installed, sorted. All of them where dpkg is missing."""
    wanted = sorted({*NEEDED, *extra})
    try:
        listed = await run(["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n"])
    except McnetError:
        return wanted
    installed = {line.split()[0] for line in listed.splitlines() if line.endswith(" installed")}
    return [package for package in wanted if package not in installed]


async def require_packages() -> None:
    """Raises UsageError with the command to run if a needed package is not installed."""
    missing = await missing_packages()
    if missing:
        raise UsageError(
            f"the lab needs {_counted(missing)} not installed here: {', '.join(missing)}",
            f"apt-get install --no-remove --no-install-recommends {' '.join(missing)}",
        )


async def ensure_packages(progress: Callable[[str], None], extra: Iterable[str] = ()) -> None:
    """Installs what is missing of `NEEDED` and `extra`, after saying so; no service is started or enabled.

    Raises UsageError without root, and where an installed package would have to go.
    """
    missing = await missing_packages(extra)
    if not missing:
        return
    command = f"apt-get install --no-remove --no-install-recommends {' '.join(missing)}"
    if os.geteuid() != 0:
        raise UsageError(f"{_counted(missing)} to install, and this is not root: {', '.join(missing)}", command)
    await update(progress)
    planned = await run(["apt-get", "install", "--simulate", "--no-install-recommends", *missing], env=PLAIN)
    if removed := removals(planned):
        raise UsageError(
            f"installing {', '.join(missing)} would remove {', '.join(removed)}, so nothing was installed",
            f"use another machine, or decide yourself: apt-get install {' '.join(missing)}",
        )
    installed = installations(planned)
    progress(f"installing {_counted(installed)} by apt-get, starting no services: {' '.join(installed)}")
    await _install(missing, progress)


PLAIN = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}


async def update(progress: Callable[[str], None]) -> None:
    """Brings apt's lists up to date, as far as they can be."""
    progress("updating apt's package lists")
    try:
        await run(["apt-get", "update", "--quiet"], env=PLAIN, doing="updating apt's lists", progress=progress)
    except McnetError as error:
        # One foreign repository out of order is no reason to stop: the simulation shows what is missing.
        progress(f"apt-get update: {error.message}")


async def _install(packages: list[str], progress: Callable[[str], None]) -> None:
    """Runs apt-get with do-nothing service commands ahead on the PATH of maintainer scripts.

    A policy-rc.d would do the same, but would stay behind if this were killed.
    """
    with cache.scratch("apt") as shims:
        for name in SILENCED:
            Path(shims, name).write_text("#!/bin/sh\nexit 0\n")
            Path(shims, name).chmod(0o755)
        path = f"{shims}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        options = ["-o", f"DPkg::Path={path}", "-o", "Dpkg::Use-Pty=0", "-o", "Dpkg::Options::=--force-confold"]
        argv = ["apt-get", "install", "-qy", "--no-remove", "--no-install-recommends", *options, *packages]
        await run(argv, env=PLAIN, doing="installing packages", progress=progress)


def removals(simulated: str) -> list[str]:
    """The packages that apt-get's simulation would remove."""
    return re.findall(r"^Remv (\S+)", simulated, re.MULTILINE)


def installations(simulated: str) -> list[str]:
    """The packages that apt-get's simulation would install or upgrade."""
    return re.findall(r"^Inst (\S+)", simulated, re.MULTILINE)


def _counted(packages: list[str]) -> str:
    return f"{len(packages)} system package{'' if len(packages) == 1 else 's'}"
