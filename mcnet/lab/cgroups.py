"""Control groups that killed containers leave: the host's own, so they outlive the machine that they were made in.

A kubelet that finds any of a container that is no more asks after it for seconds, one by one, before it starts pods.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path

from mcnet.model.errors import McnetError

_ROOT = Path("/sys/fs/cgroup")
_PARENT = "k8s.io"
_CONTAINERS = (
    "lib/containerd/io.containerd.runtime.v2.task/k8s.io/*",
    "lib/containerd/io.containerd.grpc.v1.cri/*/*",
)


async def remove(machines: Iterable[Path], root: Path = _ROOT) -> None:
    """Removes the control groups of these machines' containers, all of them dead, from every hierarchy.

    containerd names them k8s.io/CONTAINER; which containers were the machines' is read from their directories.
    """
    ids = {path.name for machine in machines for pattern in _CONTAINERS for path in machine.glob(pattern)}
    for hierarchy in [root, *(path for path in root.iterdir() if path.is_dir())]:
        parent = hierarchy / _PARENT
        if not parent.is_dir():
            continue
        for path in [parent / name for name in ids if (parent / name).is_dir()]:
            for nested in sorted((each for each in path.rglob("*") if each.is_dir()), reverse=True):
                await _remove(nested)
            await _remove(path)
        # Refused while another containerd of this host has groups in it.
        with contextlib.suppress(OSError):
            parent.rmdir()


async def _remove(path: Path) -> None:
    """A group stays busy for a moment after its last process has gone."""
    for _ in range(50):
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            await asyncio.sleep(0.05)
        else:
            return
    raise McnetError(f"the control group {path} can't be removed", "mcnet lab down")
