"""The two kinds of devices that tunnels made by hand are of: VXLAN, and wireguard-go's.

Each is given by its outer addresses and the key of either side, has the name DEVICE, and is gone after `remove`.
"""

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from mcnet.lab import versions
from mcnet.lab.binaries import ensure
from mcnet.lab.lab import Lab

DEVICE = "bench0"
VNI, PORT = 0x6D63FE, 4599
SOCKET = f"/var/run/wireguard/{DEVICE}.sock"

TELL = """
import socket, sys
with socket.socket(socket.AF_UNIX) as device:
    device.connect(sys.argv[1])
    device.sendall(sys.argv[2].encode())
    sys.exit(device.recv(100) != b"errno=0\\n\\n")
"""


class Devices(Protocol):
    """How the device of each end is made; nothing but the device. `like` is how mcnet's own of this kind are called:
    the MTU is theirs."""

    like: str

    async def make(self, lab: Lab, node: str, local: str, remote: str) -> None: ...

    async def remove(self, lab: Lab, node: str) -> None: ...


class VxlanDevices:
    """A VXLAN device with one peer."""

    like = "mcnet-cv"

    async def make(self, lab: Lab, node: str, local: str, remote: str) -> None:
        words = f"ip link add {DEVICE} type vxlan id {VNI} dstport {PORT} local {local} remote {remote}"
        await checked(lab, node, *words.split())

    async def remove(self, lab: Lab, node: str) -> None:
        await lab.exec(node, "ip", "link", "del", DEVICE)


@dataclass
class WireguardDevices:
    """A wireguard-go on each node, the same program as mcnet's, with one peer that may bring everything."""

    like: str
    keys: dict[str, X25519PrivateKey] = field(default_factory=dict)
    """By outer address."""
    running: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    """By node."""

    def _key(self, address: str) -> X25519PrivateKey:
        return self.keys.setdefault(address, X25519PrivateKey.generate())

    async def make(self, lab: Lab, node: str, local: str, remote: str) -> None:
        program = (await ensure(versions.wireguard(), print))["wireguard-go"]
        await checked(lab, node, "mkdir", "-p", str(Path(SOCKET).parent))
        self.running[node] = await asyncio.create_subprocess_exec(
            *lab.entry(node), str(program), "--foreground", DEVICE,
            env=os.environ | {"LOG_LEVEL": "error", "WG_PROCESS_FOREGROUND": "1"}, start_new_session=True,
        )  # fmt: skip
        async with asyncio.timeout(10):
            while (await lab.exec(node, "test", "-S", SOCKET)).status:  # noqa: ASYNC110  (there is no event)
                await asyncio.sleep(0.05)
        await _beside(lab, node, self.like)
        settings = wireguard_settings(self._key(local), self._key(remote), remote)
        await checked(lab, node, "python3", "-c", TELL, SOCKET, settings)

    async def remove(self, lab: Lab, node: str) -> None:
        process = self.running.pop(node, None)
        if process is not None:
            os.killpg(process.pid, signal.SIGTERM)
            await process.wait()


async def _beside(lab: Lab, node: str, like: str) -> None:
    """Puts the process into the control group of mcnet's own: both have the same share of the processors."""
    network = (await checked(lab, node, "readlink", "/proc/self/ns/net")).strip()
    ours, others = _processes(network, like), _processes(network, DEVICE)
    group = Path(f"/proc/{ours[0]}/cgroup").read_text().rpartition(":")[2].strip()
    for process in others:
        Path(f"/sys/fs/cgroup{group}/cgroup.procs").write_text(str(process))


def _processes(network: str, device: str) -> list[int]:
    """The numbers, on this machine, of the processes of such devices in that network namespace."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            words = (folder / "cmdline").read_text().split("\0")
            of = words[words.index("--foreground") + 1] if "--foreground" in words else ""
            if of.startswith(device) and os.readlink(folder / "ns/net") == network:
                found.append(int(folder.name))
    return found


def wireguard_settings(own: X25519PrivateKey, other: X25519PrivateKey, remote: str) -> str:
    """What a wireguard-go is told (https://www.wireguard.com/xplatform/)."""
    lines = {
        "private_key": own.private_bytes_raw().hex(),
        "listen_port": str(PORT),
        "public_key": other.public_key().public_bytes_raw().hex(),
        "endpoint": f"{remote}:{PORT}",
        "allowed_ip": "0.0.0.0/0",
    }
    return "set=1\n" + "".join(f"{key}={value}\n" for key, value in lines.items()) + "\n"


async def checked(lab: Lab, node: str, *argv: str) -> str:
    """What a program on a node prints. Raises RuntimeError if it fails."""
    done = await lab.exec(node, *argv)
    if done.status:
        raise RuntimeError(f"on {node}: {done.errors.strip()}")
    return done.output
