"""The emulated machine: started, waited for, and what became of the tests in it said in a sentence."""

import asyncio
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcnet.lab.command import run
from tests.vm.initramfs import HOST, SECOND, SHARE, initramfs
from tests.vm.kernel import Kernel

PACKAGES: Final = ("kmod", "libnss3-tools", "libreswan", "qemu-system-x86")
"""Debian packages that this needs beside the lab's."""
PATIENCE: Final = 900.0
"""Seconds that the machine may run."""
MODULES: Final = ("wireguard", "vxlan", "veth", "nf_tables")
"""Loaded at first, so that a kernel that lacks one says so; all others come when they are asked for."""
PASSED_ON: Final = ("HOME", "MCNET_CACHE", "MCNET_FULL", "PYTHONPYCACHEPREFIX", "XDG_CACHE_HOME")
"""Variables that the tests have in the machine as they have them here."""
CHECKOUT: Final = Path(__file__).resolve().parents[2]
_BEGINS, _ENDED = "mcnet-vm: pytest begins", "mcnet-vm: pytest ended with status"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`problem` is why the tests in the machine did not all pass, "" if they did."""

    problem: str
    console: str


async def run_tests(
    kernel: Kernel, words: Sequence[str], share: Path, progress: Callable[[str], None], patience: float = PATIENCE
) -> Outcome:
    """Runs pytest with `words` in a machine. It may write into `share` (a fresh directory), which it has as
    MOUNTED_SHARE. Raises McnetError where there is no emulator, or it fails."""
    console = share / "console"
    console.touch()
    (share / "initramfs").write_bytes(initramfs(kernel))
    (share / SECOND).write_text(script(kernel, words, os.environ))
    late = False
    try:
        async with asyncio.timeout(patience):
            await run(command(kernel, share, console), doing="running the tests in a machine", progress=progress)
    except TimeoutError:
        late = True
    said = console.read_text(errors="replace").replace("\r", "")
    return Outcome(problem(said, patience if late else None), said)


def command(kernel: Kernel, share: Path, console: Path) -> list[str | Path]:
    """The emulator's command line. The machine ends with whoever started it. It has one processor: emulators before
    QEMU 8.1 may let another one run into the breakpoint that Linux puts where it changes its own code, after that
    breakpoint is gone, which is a panic ("Oops: int3", https://bugzilla.redhat.com/show_bug.cgi?id=2216496)."""
    argv: list[str | Path] = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-nodefaults"]
    argv += ["-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35", "-cpu", "max"]
    argv += ["-accel", "tcg", "-smp", "1", "-m", "2G", "-serial", f"file:{console}"]
    argv += ["-kernel", kernel.image, "-initrd", share / "initramfs", "-append", "console=ttyS0 quiet panic=-1"]
    for name, path, right in ((HOST, Path("/"), ",readonly=on"), (SHARE, share, "")):
        files = f"local,id={name},path={path},security_model=none,multidevs=remap{right}"
        argv += ["-fsdev", files, "-device", f"virtio-9p-pci,fsdev={name},mount_tag={name}"]
    return argv


def script(kernel: Kernel, words: Sequence[str], environment: Mapping[str, str]) -> str:
    """What the machine does: modules at their place, pytest, its status on the console, off."""
    path = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    variables = {name: environment[name] for name in PASSED_ON if name in environment}
    exports = {**variables, "PATH": path, "MCNET_VM": "1", "NO_COLOR": "1"}
    modules = f"/lib/modules/{kernel.version}"
    return "\n".join(
        (
            *(f"export {name}={shlex.quote(value)}" for name, value in exports.items()),
            f"mkdir -p {modules}",
            f"mount --bind {shlex.quote(str(kernel.modules))} {modules}",
            f"cd {shlex.quote(str(CHECKOUT))}",
            f"if modprobe --all {' '.join(MODULES)}; then",
            f"  echo {_BEGINS}",
            f"  {shlex.quote(sys.executable)} -m pytest {shlex.join(words)}",
            f"  echo {_ENDED} $?",
            "fi",
            f"{shlex.quote(str(kernel.busybox))} poweroff -f",
            "",
        )
    )


def problem(console: str, late: float | None) -> str:
    """Why the tests did not all pass, by the console's text; "" if they did. `late` are the seconds after which the
    machine was ended, None if it ended itself."""
    ended = re.search(rf"^{_ENDED} (\d+)$", console, re.MULTILINE)
    if ended and not late:
        return "" if ended[1] == "0" else f"pytest in the machine ended with status {ended[1]}"
    if found := re.search(r"Kernel panic - not syncing: (.*)", console):
        return f"the machine's kernel panicked: {found[1].strip()}"
    when = "in the middle of the tests" if f"\n{_BEGINS}" in console else "before it started a test"
    if late:
        return f"the machine was still running after {late:.0f} s, {when}"
    return f"the machine ended {when}"
