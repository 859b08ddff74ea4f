"""A real etcd and kube-apiserver on loopback, for one test session. Nodes, controllers and pods there are none."""

import asyncio
import socket
import subprocess
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from mcnet.kube import connect
from mcnet.kube.api import Api
from mcnet.lab.binaries import ensure_binaries
from mcnet.model.errors import McnetError
from tests.apiserver.certificates import Authority, Pair, write_key

START_TIMEOUT = 60.0
WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""The servers end with the test run, however that ends (prctl(2), PR_SET_PDEATHSIG)."""


class ApiServer:
    """An API server with RBAC, and its admin's kubeconfig with one context named `name`.

    `stop` and `start` may be called any number of times: the data stays. `close` ends it for good.
    """

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._authority = Authority(directory)
        self._serving = self._authority.issue("kube-apiserver", server=True)
        self._admin = self._authority.issue("admin", organization="system:masters")
        self._account_key = directory / "accounts.key"
        write_key(ec.generate_private_key(ec.SECP256R1()), self._account_key)
        self._etcd_ports, self.port = (_free_port(), _free_port()), _free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._binaries: dict[str, Path] = {}
        self.kubeconfig = directory / "kubeconfig"
        self.write_kubeconfig(self.kubeconfig, self._admin)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca(self) -> bytes:
        return self._authority.certificate.read_bytes()

    @property
    def processes(self) -> list[int]:
        """Those that run now."""
        return [process.pid for process in self._processes.values()]

    def issue(self, user: str, *, organization: str = "") -> Path:
        """A kubeconfig for another user, by client certificate."""
        path = self._directory / f"{user}.kubeconfig"
        self.write_kubeconfig(path, self._authority.issue(user, organization=organization))
        return path

    async def admin(self) -> Api:
        """The admin's Api; to be closed by the caller."""
        return await connect.from_kubeconfig(kubeconfig=self.kubeconfig)

    async def start(self) -> None:
        """Start what isn't running, and wait until it is ready."""
        self._binaries = self._binaries or await ensure_binaries(print)
        if "etcd" not in self._processes:
            self._spawn("etcd", self._etcd_arguments())
        if "kube-apiserver" not in self._processes:
            self._spawn("kube-apiserver", self._apiserver_arguments())
        async with asyncio.timeout(START_TIMEOUT), await self.admin() as api:
            while not await self._ready(api):  # noqa: ASYNC110 - another process, nothing to be told by
                await asyncio.sleep(0.1)

    async def _ready(self, api: Api) -> bool:
        if self._processes["kube-apiserver"].poll() is not None:
            log = (self._directory / "kube-apiserver.log").read_text()
            raise AssertionError(f"kube-apiserver has ended:\n{log[-3000:]}")
        try:
            await api.readyz()
        except McnetError:
            return False
        return True

    def stop(self) -> None:
        """Kill the API server; etcd stays. An orderly end would wait a minute for the watches to end."""
        self._end("kube-apiserver")

    def close(self) -> None:
        """End everything."""
        for name in ("kube-apiserver", "etcd"):
            self._end(name)

    def _spawn(self, name: str, arguments: list[str]) -> None:
        with (self._directory / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [*WITH_US, self._binaries[name], *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self._directory,
            )  # fmt: skip

    def _end(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process:
            process.kill()
            process.wait()

    def _etcd_arguments(self) -> list[str]:
        client, peer = (f"http://127.0.0.1:{port}" for port in self._etcd_ports)
        return [
            f"--data-dir={self._directory / 'etcd'}", "--unsafe-no-fsync", "--log-level=error",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]  # fmt: skip

    def _apiserver_arguments(self) -> list[str]:
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd_ports[0]}",
            "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--secure-port={self.port}",
            "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16",
            f"--tls-cert-file={self._serving.certificate}", f"--tls-private-key-file={self._serving.key}",
            f"--client-ca-file={self._authority.certificate}", "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc", "--anonymous-auth=false",
            f"--service-account-key-file={self._account_key}",
            f"--service-account-signing-key-file={self._account_key}",
            "--disable-admission-plugins=ServiceAccount", "--shutdown-delay-duration=0s", "--profiling=false",
        ]  # fmt: skip

    def write_kubeconfig(self, path: Path, user: Pair) -> None:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": self.name,
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": self.name}}],
            "clusters": [
                {
                    "name": self.name,
                    "cluster": {"server": self.url, "certificate-authority": str(self._authority.certificate)},
                }
            ],
            "users": [
                {
                    "name": self.name,
                    "user": {"client-certificate": str(user.certificate), "client-key": str(user.key)},
                }
            ],
        }
        path.write_text(yaml.safe_dump(config))


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
