"""`mcnet gateway`: what is typed or meant wrongly, what is said, and help that names an example."""

import json
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from mcnet.cli import entry
from mcnet.cli.gateway import app
from mcnet.codec import endpoint as endpoint_codec
from mcnet.kube import connect, kinds
from mcnet.kube.api import Api
from mcnet.model.member import SYSTEM_NAMESPACE
from tests.fakes.api import FakeServer
from tests.fakes.gateways import East
from tests.fakes.worlds import WEST_0


@pytest.fixture
def east(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """East with one gateway, where every context leads to it."""
    server = East(1, nodes=2)
    server.add(endpoint_codec.encode(replace(WEST_0, gateway="west-n1"), namespace=SYSTEM_NAMESPACE))

    async def opened(**_: Any) -> Api:
        return server.api()

    monkeypatch.setattr(connect, "from_kubeconfig", opened)
    monkeypatch.setattr(connect, "contexts", lambda _: ["east"])
    return server


def test_help_has_an_example_and_says_how_to_take_back() -> None:
    shown = CliRunner().invoke(app, ["set", "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "Example: mcnet gateway set west-n1 --public-address 198.51.100.7" in shown.output
    assert "default" in shown.output


def test_without_a_node_it_says_so() -> None:
    shown = CliRunner().invoke(app, ["set"])
    assert shown.exit_code == 2
    assert "NODE" in shown.output


@pytest.mark.parametrize(
    ("words", "says", "following"),
    [
        ("weight n1 0", "a gateway of weight 0 would carry nothing", "mcnet gateway drain n1 --context east"),
        ("weight n1 500", "'500' is not a weight from 1 to 100", "two thirds of the flows"),
        ("weight n1 half", "'half' is not a weight from 1 to 100", ""),
        ("weight n9 50", "east has no node 'n9'", "its nodes are n1, n2"),
        ("weight n2 50", "n2 of east is no gateway", "mcnet gateway add n2 --context east"),
        ("drain n2", "n2 of east is no gateway", "its gateways are n1"),
        (
            "drain west-n1",
            "west-n1 is a gateway of west, not of east",
            "gateway drain west-n1 --context CONTEXT",
        ),
        ("drain n1", "n1 is the only healthy gateway of east", "mcnet gateway add n2 --context east"),
        ("remove n1", "n1 is the only healthy gateway of east", "--force"),
        ("remove west-n1", "west-n1 is a gateway of west", "mcnet gateway remove west-n1 --context CONTEXT"),
        ("add n9", "east has no node 'n9'", "its nodes are n1, n2"),
        ("undrain n2", "n2 of east is no gateway", ""),
    ],
)
def test_mistakes(
    words: str, says: str, following: str, east: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    version = east.version
    assert entry.main(["gateway", *words.split(), "--context", "east"]) != 0
    err = capsys.readouterr().err
    assert err.startswith(f"error: {says}")
    assert following in err
    assert err.count("\n") == 2, "one sentence, and the next command"
    assert east.version == version


def test_list(east: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["gateway", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["GATEWAY", "RAIL", "STATE", "CARRIES", "WEIGHT", "CABLES", "PUBLIC"]
    assert lines[1].split() == ["n1", "0", "ready", "yes", "100", "1", "of", "1", "-"]
    assert entry.main(["gateway", "list", "-o", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["gateway"], row["cluster"], row["carries"]) == ("n1", "east", True)
    east.remove(kinds.POD, "gateway-n1", SYSTEM_NAMESPACE)
    assert entry.main(["gateway", "list", "-o", "wide"]) == 1
    out = capsys.readouterr().out
    assert (
        "n1: its daemon does not run: there is no pod\n  next: kubectl --context east -n mcnet-system describe" in out
    )


def test_drained_by_force_and_taken_back(east: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["gateway", "drain", "n1", "--force", "--no-wait"]) == 0
    err = capsys.readouterr().err
    assert "! n1 is the only healthy gateway of east" in err
    assert "n1 drains; to take it back: mcnet gateway undrain n1" in err
    assert entry.main(["gateway", "drain", "n1", "--no-wait"]) == 0
    assert "Nothing had to be changed: n1 drains" in capsys.readouterr().err
    assert entry.main(["gateway", "list"]) == 0
    assert "as the only healthy gateway it carries on" in capsys.readouterr().out
    assert entry.main(["gateway", "undrain", "n1"]) == 0
    assert "n1 no longer drains" in capsys.readouterr().err
    assert entry.main(["gateway", "weight", "n1", "50"]) == 0
    assert "weight of n1: 100 → 50" in capsys.readouterr().err
    assert entry.main(["gateway", "weight", "n1", "50", "--dry-run"]) == 0
    assert "Nothing had to be changed: the weight of n1 is 50" in capsys.readouterr().err


def test_a_dry_run_says_what_would_be(east: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    version = east.version
    assert entry.main(["gateway", "add", "n2", "--dry-run"]) == 0
    assert "n2 would become a gateway" in capsys.readouterr().err
    assert entry.main(["gateway", "remove", "n1", "--dry-run", "--force"]) == 0
    assert "n1 would be no gateway any more" in capsys.readouterr().err
    assert east.version == version


@pytest.mark.parametrize("words", ["add", "remove", "drain", "undrain", "weight", "weight n1"])
def test_what_is_missing_is_named(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["gateway", *words.split()]) == 2
    assert "WEIGHT" if words.endswith("n1") else "NODE" in capsys.readouterr().err
