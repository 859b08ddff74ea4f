"""Sysctls below net/: read and write files.

`root` is where the node's /proc/sys/net is seen: in a container without privileges the own /proc/sys is
read-only and the node's is mounted elsewhere. Files under /proc/sys/net show the network namespace of the
thread that opens them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcnet.kernel.errors import translate
from mcnet.model.errors import KernelError
from mcnet.model.kernel import Sysctl


@dataclass(frozen=True, slots=True)
class SysctlTree:
    """Access to the sysctls below `root`."""

    root: Path = Path("/proc/sys/net")

    def read(self, paths: Collection[str]) -> frozenset[Sysctl]:
        """The current value of each of `paths` that exists; runs of white space become one blank."""
        found = set()
        for path in paths:
            try:
                found.add(Sysctl(path, " ".join(self._file(path).read_text().split())))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise translate(error, f"read sysctl net/{path}") from error
        return frozenset(found)

    def write(self, sysctl: Sysctl) -> None:
        """Set the value. Raises KernelError."""
        try:
            self._file(sysctl.path).write_text(sysctl.value + "\n")
        except OSError as error:
            doing = f"set sysctl net/{sysctl.path} to {sysctl.value}"
            raise translate(OSError(error.errno, error.strerror), doing) from error

    def _file(self, path: str) -> Path:
        """The file of a sysctl. Paths also come from notes in the kernel, so they may not lead elsewhere."""
        if path.startswith("/") or ".." in path.split("/"):
            raise KernelError(f"sysctl {path} is not below net/")
        return self.root / path


NODE_SYSCTLS: Final = SysctlTree()
"""Where a process sees them that is not in a container."""
