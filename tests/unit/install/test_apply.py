"""Applying objects: what changed, what would, and waiting for kinds."""

from typing import Any

import pytest

from mcnet.install import apply
from mcnet.install.apply import Applied, Outcome, apply_all, changed, different, summary
from mcnet.kube.kinds import CONFIG_MAP
from mcnet.model.errors import McnetError
from tests.fakes.api import FakeServer


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "n"}, "data": data}


CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "xs.mcnet.dev"},
}


async def outcomes(server: FakeServer, *objects: dict[str, Any], dry_run: bool = False) -> list[Outcome]:
    return [one.outcome for one in await apply_all(server.api(), objects, dry_run=dry_run)]


async def test_created_unchanged_changed() -> None:
    server = FakeServer()
    assert await outcomes(server, config_map("a", x="1")) == [Outcome.CREATED]
    assert await outcomes(server, config_map("a", x="1")) == [Outcome.UNCHANGED]
    assert await outcomes(server, config_map("a", x="2")) == [Outcome.CHANGED]


async def test_what_others_write_is_no_change_of_ours() -> None:
    server = FakeServer()
    await outcomes(server, config_map("a", x="1"))
    await server.api().merge_patch(CONFIG_MAP, "a", {"data": {"theirs": "2"}}, "n")
    assert await outcomes(server, config_map("a", x="1")) == [Outcome.UNCHANGED]


async def test_a_dry_run_names_the_fields_and_changes_nothing() -> None:
    server = FakeServer()
    await outcomes(server, config_map("a", x="1", y="1"))
    before = server.version
    (one, two) = await apply_all(server.api(), [config_map("a", x="2", y="1"), config_map("b")], dry_run=True)
    assert one == Applied("ConfigMap", "a", Outcome.CHANGED, ("data.x",))
    assert two == Applied("ConfigMap", "b", Outcome.CREATED)
    assert server.version == before


async def test_a_kind_that_is_never_established(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "CRD_TIMEOUT", 0.01)
    server = FakeServer()
    with pytest.raises(McnetError, match=r"the kind xs\.mcnet\.dev was not accepted by https://fake within 0\.01 s"):
        await apply_all(server.api(), [CRD, config_map("a")])
    assert server.all(CONFIG_MAP) == []


async def test_kinds_are_awaited_before_what_follows() -> None:
    server = FakeServer()
    established = {"conditions": [{"type": "Established", "status": "True"}]}
    server.add({**CRD, "status": established})
    assert await outcomes(server, CRD, config_map("a")) == [Outcome.UNCHANGED, Outcome.CREATED]


async def test_what_is_told() -> None:
    told: list[str] = []
    await apply_all(FakeServer().api(), [config_map("a")], told=told.append)
    assert told == ["ConfigMap a"]


def test_different() -> None:
    old = {"a": [{"b": 1}, 2], "c": {"d": 1}, "same": 0}
    new = {"a": [{"b": 2}, 2], "c": {"e": 1}, "same": 0}
    assert different(old, new) == ["a[0].b", "c.d", "c.e"]
    assert different([1], [1, 2], "list") == ["list"]
    assert different({}, {}) == []


def test_summary() -> None:
    applied = [Applied("A", "a", Outcome.CREATED), Applied("A", "b", Outcome.UNCHANGED)]
    assert summary(applied) == "1 created, 1 unchanged"
    assert summary([]) == "nothing to do"
    assert changed(applied) == applied[:1]
