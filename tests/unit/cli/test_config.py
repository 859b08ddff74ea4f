"""Bad input to `mcnet config` and `mcnet member` that is told before any server is asked, and the question before a
deed."""

import io
from pathlib import Path

import pytest

from mcnet.cli import entry
from mcnet.cli.terminal import confirm
from mcnet.model.errors import UsageError


@pytest.mark.parametrize(
    ("words", "says", "following"),
    [
        (["config", "set", "underlay-mt", "1400"], "'underlay-mt' is not a setting", "did you mean underlay-mtu?"),
        (["config", "set", "underlay-mtu", "5"], "underlay-mtu: '5' is not a whole number from 1330 to 65535", ""),
        (["config", "set", "underlay-mtu"], "underlay-mtu: no value is given", "mcnet config set underlay-mtu VALUE"),
        (["config", "set", "gateways", "2", "--default"], "both a value and --default are given", ""),
        (["config", "set", "pod-cidr", "10.0.0.0/8,10.1.0.0/16"], "10.1.0.0/16 and 10.0.0.0/8 overlap", ""),
        (["member", "show", "West"], "'West' is not a cluster ID", ""),
        (["member", "approve", "west", "--pod-cidr", "x"], "'x' is not a network", ""),
        (["member", "renew", "west", "--ttl", "soon"], "'soon' is not a duration", ""),
        (["member", "remove", "a.b"], "'a.b' is not a cluster ID", ""),
    ],
)
def test_bad_words(words: list[str], says: str, following: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(words) == 2
    err = capsys.readouterr().err
    assert says in err
    assert following in err


@pytest.mark.parametrize(
    "command",
    ["config show", "config set port-base 4600", "member list", "member show west", "member approve west",
     "member renew west", "member remove west", "token create west --replace"],
)  # fmt: skip
def test_an_unreachable_api_server_ends_with_3(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "{apiVersion: v1, kind: Config, current-context: east, "
        "contexts: [{name: east, context: {cluster: c, user: u}}], "
        'clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}], users: [{name: u, user: {token: t}}]}'
    )
    assert entry.main([*command.split(), "--context", "east", "--kubeconfig", str(kubeconfig)]) == 3
    assert "connection refused" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer", ["y\n", "Yes\n", "n\n", "\n", ""])
def test_a_terminal_is_asked(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    monkeypatch.setattr("sys.stderr", screen)
    confirm("Really?", yes=True)
    assert screen.getvalue() == ""
    if answer.strip().lower() in ("y", "yes"):
        confirm("Really?", yes=False)
    else:
        with pytest.raises(UsageError, match="nothing was changed"):
            confirm("Really?", yes=False)
    assert screen.getvalue() == "Really? [y/N] "


def test_a_script_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    confirm("Really?", yes=False)


@pytest.mark.parametrize("word", ["0", "9", "auto", "auto:", "auto:0", "auto:9", "auto:x", "Auto:2", "2:auto"])
def test_no_number_of_gateways(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["config", "set", "gateways", word]) == 2
    assert f"gateways: '{word}' is not a whole number from 1 to 8, alone or behind auto:" in capsys.readouterr().err
