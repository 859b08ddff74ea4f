"""Kubeconfigs: found, merged, and wrong in every way that users meet."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcnet.kube import connect
from mcnet.model.errors import ForbiddenError, UsageError


def kubeconfig(path: Path, *names: str, current: str = "", user: dict[str, Any] | None = None) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current or names[0],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in names],
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.example/"}} for name in names],
        "users": [{"name": name, "user": user or {"token": f"token-{name}"}} for name in names],
    }
    path.write_text(yaml.safe_dump(config))
    return path


async def headers(api: Any) -> dict[str, str]:
    from mcnet.kube.transport import Request

    found: dict[str, str] = await api._transport._headers(Request("GET", "/", "try"))
    return found


async def test_a_context(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "west", "east")
    assert connect.contexts(path) == ["east", "west"]
    async with await connect.from_kubeconfig(kubeconfig=path, context="east") as api:
        assert (api.context, api.server) == ("east", "https://east.example")
        assert (await headers(api))["authorization"] == "Bearer token-east"
    async with await connect.from_kubeconfig(kubeconfig=path) as api:
        assert api.context == "west"


async def test_the_environments_files_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = kubeconfig(tmp_path / "1", "west"), kubeconfig(tmp_path / "2", "east")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path / 'missing'}:{second}")
    assert connect.contexts() == ["east", "west"]
    async with await connect.from_kubeconfig(context="east") as api:
        assert api.server == "https://east.example"


async def test_an_unknown_context_names_the_known_ones(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "west", "east")
    with pytest.raises(UsageError, match=r"the context north is not in .*config, which has east, west") as caught:
        await connect.from_kubeconfig(kubeconfig=path, context="north")
    assert caught.value.hint == "choose one with --context"


async def test_no_current_context(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("contexts: []")
    with pytest.raises(UsageError, match=r"no context is named and there is no current one in .* has none"):
        await connect.from_kubeconfig(kubeconfig=path)


@pytest.mark.parametrize("text", ["]", "- a", "contexts: 5", "contexts: [5]\ncurrent-context: x", "\x00"])
async def test_files_that_are_no_kubeconfig(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(UsageError):
        await connect.from_kubeconfig(kubeconfig=path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist") as caught:
        connect.contexts(tmp_path / "none")
    assert "--kubeconfig" in caught.value.hint


async def test_a_context_without_its_cluster(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "west")
    config = yaml.safe_load(path.read_text()) | {"clusters": []}
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(UsageError, match=r"the context west of .* is not usable"):
        await connect.from_kubeconfig(kubeconfig=path)


def plugin(tmp_path: Path, script: str) -> dict[str, Any]:
    path = tmp_path / "plugin"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(path)}}


CREDENTIAL = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}'


async def test_a_credential_plugin(tmp_path: Path) -> None:
    """It is asked again for each request, as long as it does not say until when its answer holds."""
    script = f"echo x >> {tmp_path}/count; n=$(wc -l < {tmp_path}/count); printf '{CREDENTIAL}' made-$n"
    path = kubeconfig(tmp_path / "config", "west", user=plugin(tmp_path, script))
    async with await connect.from_kubeconfig(kubeconfig=path) as api:
        assert (await headers(api))["authorization"] == "Bearer made-2"


async def test_a_credential_plugin_that_fails(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "west", user=plugin(tmp_path, "echo not logged in >&2; exit 1"))
    with pytest.raises(ForbiddenError, match=r"the credential plugin .*plugin of context west gave no credential"):
        await connect.from_kubeconfig(kubeconfig=path)


async def test_a_ca_that_is_no_certificate() -> None:
    with pytest.raises(UsageError, match="the CA certificate for https://b is not readable PEM"):
        await connect.with_token(server="https://b", ca=b"nonsense", token="x")


async def test_a_user_without_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container that runs as a number: the client library would not even load."""

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(Path, "home", no_home)
    async with await connect.from_kubeconfig(kubeconfig=kubeconfig(tmp_path / "config", "b")) as api:
        assert api.server == "https://b.example"
    assert os.environ["HOME"] == "/"


async def test_outside_of_a_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(UsageError, match="not running in a pod"):
        await connect.in_cluster()
