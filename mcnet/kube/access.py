"""What it takes to speak to one API server: address, TLS, proxy, and the credential, which is asked for each request.

A daemon's own account is read here without the Kubernetes client library: importing that takes a fifth of a
daemon's memory, and nothing but its reading of kubeconfigs is used (mcnet.kube.connect).
"""

import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mcnet.model.errors import UsageError

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
REREAD: Final = 60.0
"""Seconds after which a token file is read again: the kubelet renews it at four fifths of its life."""

Credential = Callable[[], Awaitable[Mapping[str, str]]]
"""The headers that a request needs; secret."""


async def anonymous() -> Mapping[str, str]:
    """No credential, or one that lies in the client certificate."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """`host` is the base URL; `ca` the PEM behind `tls`, b"" for the system's; `server_name` what the certificate
    must be for, "" for the URL's host; `proxy` "" to go there directly."""

    host: str
    tls: ssl.SSLContext
    credential: Credential = field(default=anonymous, repr=False)
    ca: bytes = b""
    server_name: str = ""
    proxy: str = ""


def tls_context(*, ca: bytes = b"", certificate: str = "", key: str = "", verify: bool = True) -> ssl.SSLContext:
    """Checks the server by `ca` (PEM; b"": the system's); `certificate` and `key` are files of the client's own.

    Raises ssl.SSLError, ValueError, OSError.
    """
    context = ssl.create_default_context(cadata=ca.decode("ascii", errors="replace") if ca else None)
    # Many clusters' own CAs lack what RFC 5280 asks for; kubectl does not mind, Python 3.13 would.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if certificate:
        context.load_cert_chain(certificate, key or None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def bearer(token: str) -> Credential:
    """A token that stays the same."""

    async def headers() -> Mapping[str, str]:
        return {"authorization": f"Bearer {token}"}

    return headers


def in_pod(environment: Mapping[str, str], account: Path = ACCOUNT) -> Access:
    """The access of the pod's own ServiceAccount. Raises UsageError where there is none."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise UsageError("not running in a pod with a service account: KUBERNETES_SERVICE_HOST is not set")
    try:
        ca = (account / "ca.crt").read_bytes()
        token = _TokenFile(account / "token")
        tls = tls_context(ca=ca)
    except (OSError, ValueError) as error:
        raise UsageError(f"not running in a pod with a service account: {error}") from error
    name = f"[{host}]" if ":" in host else host
    return Access(host=f"https://{name}:{port}", tls=tls, credential=token.headers, ca=ca)


class _TokenFile:
    """A token that is renewed in its file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read()

    def _read(self) -> None:
        token = self._path.read_text().strip()
        if not token:
            raise ValueError(f"{self._path} is empty")
        self._token = token
        self._due = time.monotonic() + REREAD

    async def headers(self) -> Mapping[str, str]:
        """While the file can't be read, what was read last."""
        if time.monotonic() >= self._due:
            try:
                self._read()
            except (OSError, ValueError):
                self._due = time.monotonic() + 1.0
        return {"authorization": f"Bearer {self._token}"}
