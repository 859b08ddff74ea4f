"""Our own tables and devices: what is not as written, and the daemon that should have put it right."""

from dataclasses import replace
from typing import Any

import pytest

from mcnet.diagnose.checks import tables
from mcnet.diagnose.checks.tables import Evidence
from mcnet.model.diagnosis import Verdict
from mcnet.model.look import Device, NodeLook, Order
from tests.unit.diagnose.checks.looked import WHOLE, look, looks

JOIN = "mcnet join broker-info.mcnet --context west"


def pod(component: str, *, ready: bool) -> dict[str, Any]:
    return {
        "metadata": {"name": f"mcnet-{component}-x", "labels": {"app.kubernetes.io/component": component}},
        "spec": {"nodeName": "n1"},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def told(node: NodeLook, *pods: dict[str, Any], gateway: bool = False) -> list[tuple[Verdict, str, str]]:
    evidence = Evidence(
        looks(node, orders=(Order("n1", gateway=gateway, cable_devices=("mcnet-cv",)),)), pods, "kubectl", JOIN
    )
    return [(one.verdict, one.said, one.remedy) for one in tables.judge(evidence).findings]


def test_whole_tables_are_fine() -> None:
    assert told(look("n1"), gateway=True) == []


@pytest.mark.parametrize(
    ("state", "said"),
    [("missing", "the nft table inet mcnet is missing"), ("edited", "the nft table inet mcnet was changed by hand")],
)
def test_a_table_that_nobody_puts_right(state: str, said: str) -> None:
    node = replace(look("n1"), tables=WHOLE | {"mcnet": state})
    assert told(node) == [(Verdict.WRONG, f"{said}, and no route-agent runs there", JOIN)]
    assert told(node, pod("route-agent", ready=False)) == [
        (
            Verdict.WRONG,
            f"{said}, and its route-agent does not run: running, but not ready",
            "kubectl logs mcnet-route-agent-x --tail 20",
        )
    ]
    assert told(node, pod("route-agent", ready=True)) == [
        (
            Verdict.WRONG,
            f"{said}, and its route-agent runs and has not put it right",
            "kubectl delete pod mcnet-route-agent-x",
        )
    ]


def test_a_gateways_part_is_asked_of_gateways_only() -> None:
    node = replace(look("n1"), tables={"mcnet": "whole", "mcnet_gateway": "missing"}, devices=look("n1").devices[1:])
    assert told(node) == []
    assert [said for _, said, _ in told(node, gateway=True)] == [
        "the nft table inet mcnet_gateway is missing, and no gateway runs there",
        "the device mcnet-cv is missing, and no gateway runs there",
    ]


def test_a_device_that_is_down() -> None:
    node = replace(look("n1"), devices=(Device("mcnet-vx", 1450, False),))
    assert told(node) == [(Verdict.WRONG, "the device mcnet-vx is down, and no route-agent runs there", JOIN)]


def test_what_cannot_be_read_is_not_fine() -> None:
    node = replace(look("n1"), tables={}, faults={"tables": "no nft", "devices": "no netlink"})
    assert [(verdict, said) for verdict, said, _ in told(node)] == [
        (Verdict.UNKNOWN, "the nft table inet mcnet can't be read: no nft")
    ]
