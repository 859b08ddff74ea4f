"""Ports: programs that hold ours, pods that find no node for a hostPort."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mcnet.diagnose.checks import host_ports
from mcnet.diagnose.checks.host_ports import Evidence
from mcnet.model.diagnosis import Finding, Verdict
from tests.unit.diagnose.checks.looked import look, looks


def pod(message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "message": message}
    return {"metadata": {"name": "mcnet-gateway-x"}, "status": {"conditions": [condition], "phase": "Pending"}}


def test_free_ports_are_fine() -> None:
    assert host_ports.judge(Evidence(looks(look("n1")), (), "kubectl")).findings == ()


def test_a_held_port() -> None:
    node = look("n1", taken_ports=("TCP 4582", "UDP 4800"))
    tcp, udp = host_ports.judge(Evidence(looks(node), (), "kubectl")).findings
    assert tcp == Finding(
        Verdict.WRONG,
        "node n1",
        "another program holds TCP 4582",
        "kill $(ss -Htlnp sport = :4582 | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u)",
        "n1",
    )
    assert udp.remedy.startswith("kill $(ss -Hulnp sport = :4800 ")


def test_a_pod_without_a_node_for_its_port() -> None:
    busy = pod("0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports")
    (found,) = host_ports.judge(Evidence(looks(look("n1")), (busy, pod("0/2 nodes: no memory")), "kubectl")).findings
    assert (found.verdict, found.remedy) == (Verdict.WRONG, "kubectl describe pod mcnet-gateway-x")


@given(st.lists(st.text(max_size=10), max_size=3))
def test_odd_ports_are_told(ports: list[str]) -> None:
    found = host_ports.judge(Evidence(looks(look("n1", taken_ports=tuple(ports))), (), "kubectl")).findings
    assert len(found) == len(ports)
