"""`mcnet export service` and `unexport service`: what is printed where, and what they end with."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from mcnet.cli import entry
from mcnet.kube.api import Api
from mcnet.kube.kinds import SERVICE_EXPORT
from tests.fakes import service_objects as fakes
from tests.fakes.api import FakeServer
from tests.fakes.service_objects import EXPORTED, condition


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """West, with a Service shop/web; the command's connection leads there."""
    made = FakeServer(context="west")
    made.add(fakes.member_object(), fakes.namespace(), fakes.service())

    async def from_kubeconfig(**_: Any) -> Api:
        return made.api()

    monkeypatch.setattr("mcnet.kube.connect.from_kubeconfig", from_kubeconfig)
    return made


def ran(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = entry.main([words[0], "service", *words[1:]])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_dry_run_prints_what_would_be_written(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = ran(
        capsys, "export", "web", "-n", "shop", "--export-mode", "aggregate", "--dry-run", "-o", "yaml"
    )
    assert (status, err) == (0, "✓ ServiceExport shop/web would be created (dry run: nothing was changed)\n")
    made = yaml.safe_load(out)
    assert (made["kind"], made["metadata"]["name"], made["metadata"]["namespace"]) == ("ServiceExport", "web", "shop")
    assert made["metadata"]["annotations"] == {"mcnet.dev/export-mode": "aggregate"}
    assert server.all(SERVICE_EXPORT) == []


def test_what_is_exported_already(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.add(fakes.export(*EXPORTED, managedFields=[{"manager": "kubectl"}]))
    status, out, err = ran(capsys, "export", "web", "-n", "shop")
    assert (status, out) == (0, "")
    assert err == "✓ Nothing had to be changed: shop/web is exported as web.shop.svc.clusterset.local\n"
    status, out, _ = ran(capsys, "export", "web", "-n", "shop", "-o", "json")
    shown = json.loads(out)
    assert [one["type"] for one in shown["status"]["conditions"]] == ["Valid", "Ready", "Conflict"]
    assert "managedFields" not in shown["metadata"]


def test_changed_with_a_conflict(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    found = condition("Conflict", True, "PortConflict", "The ports of west are not those of east")
    server.add(fakes.export(*EXPORTED[:2], found))
    status, _, err = ran(capsys, "export", "web", "-n", "shop", "--traffic", "prefer-local")
    assert status == 0
    assert err == (
        "✓ ServiceExport shop/web changed (mcnet.dev/traffic prefer-local); the service is "
        "web.shop.svc.clusterset.local\n"
        "! its exports differ: The ports of west are not those of east\n"
    )


def test_an_option_that_means_nothing_is_told(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.add(fakes.service(clusterIP="None", clusterIPs=["None"]), fakes.export(*EXPORTED))
    status, _, err = ran(capsys, "export", "web", "-n", "shop", "--export-mode", "aggregate")
    assert status == 0
    assert "! mcnet.dev/export-mode aggregate means nothing for a headless service" in err


def test_not_exported_ends_with_1_and_the_next_command(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.add(fakes.export(EXPORTED[0], condition("Ready", False, "Failed", "The broker refused it")))
    status, _, err = ran(capsys, "export", "web", "-n", "shop")
    assert status == 1
    assert err == (
        "error: shop/web is not exported: The broker refused it\n next: mcnet diagnose service web -n shop\n"
    )


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["export", "web"], 2, "has no namespace 'default'"),
        (["export", "wen", "-n", "shop"], 2, "do you mean web?"),
        (["export", "WEB", "-n", "shop"], 2, "'WEB' is no name of a Service"),
        (["export", "web", "-n", "shop", "--export-mode", "all"], 2, "'all'"),
        (["export", "web", "-n", "shop", "--traffic", "east"], 2, "--traffic: 'east' is none of the ways there are"),
        (["export", "web", "-n", "shop", "--to", "WEST"], 2, "--to: 'WEST' is no ID of a cluster"),
        (["export", "web", "-n", "shop", "--to", "north"], 2, "'north' is no member of the clusterset"),
        (["export"], 2, "NAME"),
        (["unexport", "web"], 2, "has no namespace 'default'"),
        (["unexport", "web", "-n", "shop"], 0, "Nothing had to be changed: shop/web is not exported here"),
    ],
)
def test_words_and_statuses(
    words: list[str], status: int, said: str, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, out, err = ran(capsys, *words)
    assert (ended, out) == (status, "")
    assert said in err


def test_unexport(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.add(fakes.export(*EXPORTED, ownerReferences=[{"kind": "Application", "name": "shop"}]))
    dry = ran(capsys, "unexport", "web", "-n", "shop", "--dry-run")
    assert dry[2].startswith("✓ ServiceExport shop/web would be deleted (dry run: nothing was changed)\n")
    assert len(server.all(SERVICE_EXPORT)) == 1
    status, _, err = ran(capsys, "unexport", "web", "-n", "shop")
    assert (status, server.all(SERVICE_EXPORT)) == (0, [])
    assert err == ("✓ ServiceExport shop/web deleted\n! it belonged to Application shop, which may make it anew\n")


@pytest.mark.parametrize("words", [["export", "service", "--help"], ["unexport", "service", "--help"]])
def test_help_has_an_example(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(words) == 0
    assert f"Example: mcnet {words[0]} service web -n shop --context east" in capsys.readouterr().out
