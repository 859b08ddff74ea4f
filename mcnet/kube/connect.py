"""Ways to an API server: a kubeconfig's context, the pod's own account, an address with a token.

Only here the client library is used, to read kubeconfigs; it is imported late, since that takes half a second.
"""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mcnet.kube.access import Access, bearer, in_pod, tls_context
from mcnet.kube.api import Api
from mcnet.kube.transport import HttpTransport
from mcnet.model.errors import ForbiddenError, UsageError

DEFAULT_KUBECONFIG = "~/.kube/config"


def contexts(kubeconfig: Path | None = None) -> list[str]:
    """Names of the contexts in the kubeconfig (default: $KUBECONFIG, else ~/.kube/config), sorted."""
    _ensure_home()
    return sorted(_contexts(_merged(kubeconfig)))


async def from_kubeconfig(*, context: str | None = None, kubeconfig: Path | None = None) -> Api:
    """The Api of a context (default: the current one). Asks credential plugins, but not the server.

    Raises UsageError for a file or context that is not there, ForbiddenError if a plugin gives nothing.
    """
    _ensure_home()
    from kubernetes.aio.config import ConfigException

    merged = _merged(kubeconfig)
    name = context or str(merged.get("current-context") or "")
    known = _contexts(merged)
    if name not in known:
        what = f"the context {name} is not in" if name else "no context is named and there is no current one in"
        raise UsageError(
            f"{what} {_paths(kubeconfig)}, which has {', '.join(sorted(known)) or 'none'}",
            "choose one with --context",
        )
    try:
        access = _access(await _load(_paths(kubeconfig), name))
    except (ConfigException, KeyError, ValueError, TypeError, OSError) as error:
        raise UsageError(f"the context {name} of {_paths(kubeconfig)} is not usable: {error}") from error
    return Api(HttpTransport(access, context=name))


async def in_cluster() -> Api:
    """The Api of the pod's own ServiceAccount; its token file is read again as it is renewed."""
    return Api(HttpTransport(in_pod(os.environ)))


async def with_token(*, server: str, ca: bytes, token: str) -> Api:
    """The Api at `server` (URL) by a bearer token; `ca` is PEM, b"" for the system's certificates."""
    try:
        tls = tls_context(ca=ca)
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(f"the CA certificate for {server} is not readable PEM: {error}") from error
    return Api(HttpTransport(Access(host=server.rstrip("/"), tls=tls, credential=bearer(token), ca=ca)))


def _ensure_home() -> None:
    """The client library asks for the home directory when it is imported; a pod's user may have none."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"


def _configuration() -> Any:
    _ensure_home()
    from kubernetes.aio.client.configuration import Configuration

    return Configuration()


async def _load(paths: str, context: str) -> Any:
    from kubernetes.aio.config import kube_config

    configuration = _configuration()
    loader = await kube_config.load_kube_config(
        config_file=paths, context=context, client_configuration=configuration, persist_config=False
    )
    user = loader._user.value if loader._user else {}
    if "exec" in user:
        if not (configuration.api_key or configuration.cert_file):
            command = user["exec"].get("command", "")
            raise ForbiddenError(
                f"the credential plugin {command} of context {context} gave no credential",
                f"try it: kubectl --context {context} auth whoami",
            )

        async def refresh(current: Any) -> None:
            await loader.load_from_exec_plugin()  # answers from memory until the credential's end
            if "token" in vars(loader):
                current.api_key["BearerToken"] = loader.token

        configuration.refresh_api_key_hook = refresh
    return configuration


def _paths(kubeconfig: Path | None) -> str:
    """As the client library takes it: paths joined by colons."""
    return str(kubeconfig or os.environ.get("KUBECONFIG") or Path(DEFAULT_KUBECONFIG).expanduser())


def _merged(kubeconfig: Path | None) -> dict[str, Any]:
    """Contexts and current context of all the files; of several the first word counts, as for kubectl."""
    merged: dict[str, Any] = {"contexts": []}
    paths = [Path(part).expanduser() for part in _paths(kubeconfig).split(os.pathsep) if part]
    existing = [path for path in paths if path.exists()]
    if not existing:
        raise UsageError(
            f"the kubeconfig {_paths(kubeconfig)} does not exist", "name one with --kubeconfig or $KUBECONFIG"
        )
    for path in existing:
        try:
            content = yaml.safe_load(path.read_text()) or {}
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise UsageError(f"the kubeconfig {path} is not readable: {error}") from error
        found = (content.get("contexts") or []) if isinstance(content, dict) else None
        if not isinstance(found, list):
            raise UsageError(f"the file {path} is not a kubeconfig")
        merged["contexts"] += found
        merged.setdefault("current-context", content.get("current-context"))
    return merged


def _contexts(merged: dict[str, Any]) -> set[str]:
    return {str(entry["name"]) for entry in merged["contexts"] if isinstance(entry, dict) and "name" in entry}


def _access(configuration: Any) -> Access:
    """What the client library has read."""

    async def credential() -> Mapping[str, str]:
        return {one["key"]: one["value"] for one in (await configuration.auth_settings()).values()}

    ca = Path(configuration.ssl_ca_cert).read_bytes() if configuration.ssl_ca_cert else b""
    return Access(
        host=configuration.host,
        tls=tls_context(
            ca=ca,
            certificate=configuration.cert_file or "",
            key=configuration.key_file or "",
            verify=configuration.verify_ssl,
        ),
        credential=credential,
        ca=ca,
        server_name=configuration.tls_server_name or "",
        proxy=configuration.proxy or "",
    )
