"""Brokers: those that were read, and those that members speak of."""

from dataclasses import replace
from typing import Any

import pytest

from mcnet.model.cluster import ClusterSet
from mcnet.plan.views.brokers import rows
from tests.fakes.pictures import clusterset

PICTURE = clusterset({"east": 1, "west": 1})


def changed(**changes: Any) -> dict[str, Any]:
    (row,) = rows(replace(PICTURE, brokers=(replace(PICTURE.brokers[0], **changes),)))
    return row


def test_a_broker() -> None:
    row = changed()
    assert (row["context"], row["state"], row["why"]) == ("broker-admin", "ready", "")
    assert (row["members"], row["driver"], row["protocolVersion"]) == (["east", "west"], "vxlan", 1)
    assert (row["policy"], row["created"]) == (True, "2026-01-01T12:00:00Z")


@pytest.mark.parametrize(
    ("changes", "why", "following"),
    [
        ({"policy": False}, "admission policy", "mcnet deploy-broker --context broker-admin"),
        ({"clusterset": None}, "ClusterSet is missing", "mcnet deploy-broker --context broker-admin"),
        ({"clusterset": ClusterSet(protocol_version=2)}, "protocol version 2", "install a newer mcnet here"),
        ({"kubernetes": "v1.29.4"}, "Kubernetes v1.29.4", "upgrade that cluster"),
    ],
)
def test_what_is_wrong(changes: dict[str, Any], why: str, following: str) -> None:
    row = changed(**changes)
    assert row["state"] == "not ready"
    assert why in row["why"]
    assert row["next"] == following


def test_a_broker_that_no_context_leads_to_is_named_but_no_alarm() -> None:
    (row,) = rows(replace(PICTURE, brokers=()))
    assert (row["state"], row["server"], row["members"]) == (
        "elsewhere", "https://broker.example.com:6443", ["east", "west"],
    )  # fmt: skip
    assert not row.get("why")
