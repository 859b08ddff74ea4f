"""The pod's own account is read as the kubelet lays it out, and its token read again as it is renewed."""

import subprocess
import sys
from pathlib import Path

import pytest

from mcnet.kube import access
from mcnet.kube.access import Access, bearer, in_pod, tls_context
from mcnet.model.errors import UsageError
from tests.repo.checkout import ROOT

SERVICE = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "token").write_text("first\n")
    (tmp_path / "ca.crt").write_text("")  # no certificate of its own: the system's
    monkeypatch.setattr(access, "REREAD", 0.0)
    return tmp_path


async def token_of(found: Access) -> str:
    return (await found.credential())["authorization"]


async def test_the_token_is_read_again(account: Path) -> None:
    found = in_pod(SERVICE, account)
    assert found.host == "https://10.0.0.1:443"
    assert await token_of(found) == "Bearer first"
    (account / "token").write_text("second")
    assert await token_of(found) == "Bearer second"


@pytest.mark.parametrize(
    "spoil", [lambda path: path.unlink(), lambda path: path.write_text("")], ids=["gone", "empty"]
)
async def test_while_the_token_is_away_the_last_one_counts(account: Path, spoil: object) -> None:
    found = in_pod(SERVICE, account)
    assert callable(spoil)
    spoil(account / "token")
    assert await token_of(found) == "Bearer first"


def test_an_ipv6_address_is_bracketed(account: Path) -> None:
    assert in_pod(SERVICE | {"KUBERNETES_SERVICE_HOST": "fd00::1"}, account).host == "https://[fd00::1]:443"


@pytest.mark.parametrize(
    ("environment", "files", "why"),
    [
        pytest.param({}, {}, "KUBERNETES_SERVICE_HOST is not set", id="no-pod"),
        pytest.param(SERVICE, {}, "No such file", id="no-account"),
        pytest.param(SERVICE, {"ca.crt": "", "token": " "}, "token is empty", id="no-token"),
        pytest.param(SERVICE, {"ca.crt": "nonsense", "token": "x"}, "not running in a pod", id="no-certificate"),
    ],
)
def test_outside_of_a_pod(tmp_path: Path, environment: dict[str, str], files: dict[str, str], why: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=why):
        in_pod(environment, tmp_path)


async def test_nothing_secret_is_shown(account: Path) -> None:
    shown = Access(host="https://a", tls=tls_context(), credential=bearer("hidden"))
    assert "hidden" not in repr(shown)
    assert "first" not in repr(in_pod(SERVICE, account))


def test_a_daemon_loads_no_kubernetes_client_library() -> None:
    """A fifth of its memory (docs/benchmarks.md)."""
    program = "import sys; import mcnet_gateway.main, mcnet_route_agent.main, mcnet_discovery.main\n"
    program += "import mcnet_dns.main, aiohttp\n"
    program += "from mcnet.kube.connect import in_cluster\n"
    program += "import asyncio\ntry: asyncio.run(in_cluster())\nexcept Exception: pass\n"
    program += "print(sorted(name for name in sys.modules if name in ('kubernetes', 'requests', 'oauthlib')))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PYTHONPATH": f"{ROOT}:{ROOT / 'daemons'}"}
    )
    assert done.stdout.strip() == "[]"
