"""Bad input to `mcnet join`, `leave`, `token` and `deploy-broker` that is told before any server is asked."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mcnet.cli import entry
from mcnet.codec.broker_info import encode as encode_info
from mcnet.codec.join_token import encode as encode_token
from mcnet.model.broker import BrokerInfo, JoinToken
from mcnet.model.cluster import ClusterId

TOKEN = JoinToken(ClusterId("west"), "id", datetime(2026, 1, 1, tzinfo=UTC), "very.secret.token")


@pytest.fixture
def info(tmp_path: Path) -> str:
    path = tmp_path / "broker-info.mcnet"
    path.write_text(encode_info(BrokerInfo("https://broker:6443", b"", "id")))
    return str(path)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command that must end with 2 says on stderr."""
    assert entry.main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "secret" not in captured.err
    return captured.err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "can't be read: No such file or directory"),
        (b"\xff\xfe", "can't be read: it is not text"),
        (b"", "is not a usable broker-info: broker-info: kind: is None"),
        (b"apiVersion: v1\nkind: Config\n", "is 'Config', not 'BrokerInfo'"),
        (b"eyJicm9rZXJVUkwiOiJodHRwczovL3gifQ==", "is not a usable broker-info"),  # another product's file
    ],
)
def test_a_broken_or_foreign_broker_info(
    content: bytes | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    err = said(capsys, "join", str(path))
    assert says in err
    assert "next: take the file that `mcnet deploy-broker` wrote" in err


@pytest.mark.parametrize("token", ["eyJhbGciOi.x.secret", "mcnet1.damaged-secret", encode_token(TOKEN)[:-20]])
def test_a_broken_token_is_not_quoted(token: str, info: str, capsys: pytest.CaptureFixture[str]) -> None:
    err = said(capsys, "join", info, "--token", token)
    assert "the join token is not usable" in err
    assert token not in err


def test_a_token_from_the_environment(
    info: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCNET_TOKEN", "nonsense")
    assert "the join token is not usable: it does not start with 'mcnet1.'" in said(capsys, "join", info)


def test_a_token_file(info: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "token file" in said(capsys, "join", info, "--token-file", str(tmp_path / "missing"))
    assert "can't both be given" in said(capsys, "join", info, "--token", "x", "--token-file", "y")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--pod-cidr", "10.0.0.0/40"], "'10.0.0.0/40' is not a network"),
        (["--service-cidr", "west"], "'west' is not a network"),
        (["--node-selector", "zone"], "is not a node selector"),
        (["--toleration", ":x"], "is not a toleration"),
        (["--image-pull-policy", "Sometimes"], "--image-pull-policy is 'Sometimes'"),
    ],
)
def test_values_that_are_not_usable(
    words: list[str], says: str, info: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in said(capsys, "join", info, *words)


def test_an_unknown_context(info: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("contexts: [{name: east}]")
    for words in (["join", info], ["leave"], ["deploy-broker"], ["token", "list"]):
        err = said(capsys, *words, "--context", "nowhere", "--kubeconfig", str(kubeconfig))
        assert "nowhere" in err
        assert "east" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["create", "West"], "'West' is not a cluster ID"),
        (["create", "west", "--ttl", "soon"], "'soon' is not a duration"),
        (["revoke", "a.b"], "'a.b' is not a cluster ID"),
    ],
)
def test_bad_words_to_token(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert says in said(capsys, "token", *words)


KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: east
contexts: [{name: east, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
"""


@pytest.mark.parametrize("command", ["join INFO", "leave", "deploy-broker", "show gateways", "token list"])
def test_an_unreachable_api_server_ends_with_3(
    command: str, info: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    words = [info if word == "INFO" else word for word in command.split()]
    assert entry.main([*words, "--context", "east", "--kubeconfig", str(kubeconfig)]) == 3
    err = capsys.readouterr().err
    assert "connection refused" in err
    assert "next: check that https://127.0.0.1:1 (context east) can be reached from here" in err
