"""What the kernel starts with: busybox and the modules it needs to see the host's files, as an archive (cpio, newc).

Source: https://docs.kernel.org/driver-api/early-userspace/buffer-format.html.
"""

import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.vm.kernel import Kernel

MODULES: Final = ("9pnet_virtio", "9p", "overlay")
HOST, SHARE = "host", "share"
"""The names by which the machine knows the host's files and the directory that both may write into."""
MOUNTED_SHARE: Final = "/run/mcnet-vm"
"""Where that directory is in the machine."""
SECOND: Final = "start.sh"
"""In the shared directory: what runs once the files are there."""
INIT: Final = f"""#!/bin/busybox sh
for module in /modules/*; do /bin/busybox insmod $module; done
cd /bin
./busybox mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000 {HOST} /lower
./busybox mount -t tmpfs none /upper
./busybox mkdir /upper/data /upper/work
./busybox mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work none /new
./busybox mount -t proc none /new/proc
./busybox mount -t sysfs none /new/sys
./busybox mount -t devtmpfs none /new/dev
for fresh in run dev/shm; do
  ./busybox mkdir -p /new/$fresh
  ./busybox mount -t tmpfs none /new/$fresh
done
./busybox mkdir /new{MOUNTED_SHARE}
./busybox mount -t 9p -o rw,trans=virtio,version=9p2000.L,msize=512000 {SHARE} /new{MOUNTED_SHARE}
exec ./busybox switch_root /new /bin/sh {MOUNTED_SHARE}/{SECOND}
"""
_DIRECTORY, _PROGRAM, _FILE = 0o40755, 0o100755, 0o100644


def initramfs(kernel: Kernel) -> bytes:
    """The archive."""
    entries = [(name, _DIRECTORY, b"") for name in ("bin", "modules", "lower", "upper", "new")]
    entries += [("bin/busybox", _PROGRAM, kernel.busybox.read_bytes()), ("init", _PROGRAM, INIT.encode())]
    entries += [
        (f"modules/{number:02}.ko", _FILE, _plain(path))
        for number, path in enumerate(needed(kernel.modules, MODULES))
    ]
    return archive(entries)


def needed(modules: Path, names: tuple[str, ...]) -> list[Path]:
    """The files of modules and of what they depend on, in an order in which they can be loaded."""
    listed = (line.partition(":") for line in (modules / "modules.dep").read_text().splitlines())
    depends = {path: others.split() for path, _, others in listed}
    by_name = {Path(path).name.partition(".")[0].replace("-", "_"): path for path in depends}
    ordered = [path for name in names for path in (*reversed(depends[by_name[name]]), by_name[name])]
    return [modules / path for path in dict.fromkeys(ordered)]


def _plain(module: Path) -> bytes:
    """busybox takes no packed module."""
    return lzma.decompress(module.read_bytes()) if module.suffix == ".xz" else module.read_bytes()


def archive(entries: list[tuple[str, int, bytes]]) -> bytes:
    """Entries are (path, mode, content); a directory comes before what is in it."""
    return b"".join(
        part
        for number, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1)
        for part in _entry(number, name, mode, content)
    )


def _entry(number: int, name: str, mode: int, content: bytes) -> Iterator[bytes]:
    path = name.encode() + b"\0"
    # inode, mode, owner, group, links, time, size, device twice two, length of the path, no checksum
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % one for one in fields) + path
    yield head + bytes(-len(head) % 4)
    yield content + bytes(-len(content) % 4)
