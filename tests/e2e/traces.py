"""What a lab leaves on its host, for tests that nothing is left: read from the kernel, not from the lab's records."""

import json
import os
from pathlib import Path

from mcnet.lab.lab import Lab
from mcnet.lab.processes import check

# Where components of Kubernetes write when nobody tells them otherwise.
STANDARD_PLACES = (
    "/etc/cni/net.d", "/opt/cni", "/opt/containerd", "/run/containerd", "/run/runc", "/usr/libexec/kubernetes",
    "/var/lib/cni", "/var/lib/containerd", "/var/lib/etcd", "/var/lib/kubelet", "/var/log/containers",
    "/var/log/pods",
)  # fmt: skip


def standard_places() -> set[str]:
    """Those of the places that exist on this host."""
    return {place for place in STANDARD_PLACES if Path(place).exists()}


async def traces(lab: Lab) -> list[str]:
    """Everything of the lab that exists, one line each; empty after `down`."""
    found = [f"namespace {path.name}" for path in Path("/run/netns").glob(f"mcnet-{lab.name}-*")]
    if lab.store.directory.exists():
        found.append(f"directory {lab.store.directory}")
    here = (f"{lab.store.directory}/", f"/mcnet-{lab.name}-")
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [f"mount {line}" for line in mounts if any(part in f"{line}/" for part in here)]
    links = json.loads(await check(["ip", "-j", "link"], mark="MCNET_LAB="))
    found += [f"link {link['ifname']}" for link in links if link["ifname"] == f"mcl-{lab.name}"]
    for family in ("-4", "-6"):
        routes = json.loads(await check(["ip", "-j", family, "route"], mark="MCNET_LAB=") or "[]")
        found += [f"route {route['dst']}" for route in routes if route.get("dev") == f"mcl-{lab.name}"]
    return found + [f"process {pid}: {command}" for pid, command in marked_processes(lab).items()]


def marked_processes(lab: Lab) -> dict[int, str]:
    """Processes that carry the lab's mark, or name its directory on their command line."""
    found = {}
    mark, directory = lab.store.mark.encode(), f"{lab.store.directory}/".encode()
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        try:
            command = (process / "cmdline").read_bytes()
            if mark in (process / "environ").read_bytes().split(b"\0") or directory in command:
                found[int(process.name)] = command.replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def descendants(pids: set[int]) -> dict[int, str]:
    """All descendants of processes, containers' processes among them, with what they are."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (process / "stat").read_text().rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(process.name)] = int(rest.split()[1])
        names[int(process.name)] = name.partition("(")[2]
    found = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: names[pid] for pid in found if pid in names}


def container_groups(pids: dict[int, str]) -> set[Path]:
    """The control groups that containers among the processes have of their own."""
    found = set()
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for path in (line.split(":", 2)[2] for line in lines):
            if path.startswith("/k8s.io/"):
                found |= set(Path("/sys/fs/cgroup").glob(f"*{path}")) | set(Path("/sys/fs/cgroup").glob(path[1:]))
    return found
