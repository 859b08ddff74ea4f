"""The overlay's check: both ends of each pair once, the node and the command that mend it."""

from dataclasses import replace

from mcnet.diagnose.checks import overlay_port
from mcnet.diagnose.tunnels import Evidence, Member
from mcnet.model.diagnosis import Finding, Verdict
from mcnet.model.look import Drop, NodeLook, Order, Tunnel
from tests.unit.diagnose.checks.looked import look, looks, pair, sees, tried

THERE, BACK = pair(Tunnel.OVERLAY, "n1", "n2", 4800)
ORDERS = (Order("n1", (THERE,), gateway=True), Order("n2", (BACK,)))
DROP = Drop("inet fw input", ("overlay",), "its policy is drop", True, "nft insert rule inet fw input accept")
ASK = "mcnet diagnose foreign-chains tables pods --context west"


def evidence(*answers: NodeLook, failures: dict[str, str] | None = None) -> Evidence:
    return Evidence(Member("west", " --context west", looks(*answers, orders=ORDERS, failures=failures)))


def dropped() -> tuple[NodeLook, NodeLook]:
    """N2's input drops what n1 sends."""
    near = look(
        "n1",
        tried=(tried(THERE, answered=False),),
        seen=(sees(THERE, outgoing=True, requests=40, replies=40), sees(BACK, outgoing=False, requests=40)),
    )
    far = look(
        "n2",
        tried=(tried(BACK, answered=False),),
        seen=(sees(BACK, outgoing=True, requests=40), sees(THERE, outgoing=False, requests=40, replies=40)),
    )
    return near, far


def test_all_is_well() -> None:
    judgement = overlay_port.judge(
        evidence(look("n1", tried=(tried(THERE, answered=True),)), look("n2", tried=(tried(BACK, answered=True),)))
    )
    assert judgement.findings == ()
    assert judgement.looked == "echoes over 1 pairs of node and gateway"


def test_dropped_on_arrival_without_a_chain_that_is_known_to() -> None:
    (found,) = overlay_port.judge(evidence(*dropped())).findings
    assert found == Finding(
        Verdict.WRONG,
        "n1 → n2",
        "n2: dropped on arrival: 40 echo requests from 192.0.2.1 to UDP 4800 reached its interfaces, and its kernel "
        "answered none",
        ASK,
    )


def test_a_chain_that_drops_it_is_mended_where_it_is() -> None:
    near, far = dropped()
    (found,) = overlay_port.judge(evidence(near, replace(far, drops=(DROP,)))).findings
    assert (found.remedy, found.place) == (DROP.remedy, "n2")
    # One that drops other packets, or at the other end, is not it.
    other = replace(DROP, packets=("vxlan-cable",))
    (found,) = overlay_port.judge(evidence(replace(near, drops=(DROP,)), replace(far, drops=(other,)))).findings
    assert (found.remedy, found.place) == (ASK, "")


def test_a_port_that_is_held_leads_to_its_check() -> None:
    missing = look("n1", tried=(tried(THERE, answered=False, mtu=0),), taken_ports=("UDP 4800",))
    found = overlay_port.judge(evidence(missing, dropped()[1])).findings[0]
    assert found.said == "n1: it has no device mcnet-vx: nothing can be sent"
    assert found.remedy == "mcnet diagnose host-ports --context west"


def test_lost_on_the_way_names_what_to_open() -> None:
    near = look("n1", tried=(tried(THERE, answered=False),), seen=(sees(THERE, outgoing=True, requests=40),))
    far = look("n2", tried=(tried(BACK, answered=False),), seen=(sees(BACK, outgoing=True, requests=40),))
    found = overlay_port.judge(evidence(near, far)).findings
    assert [(one.about, one.remedy) for one in found] == [
        ("n1 → n2", "mcnet show ports --context west"),
        ("n2 → n1", "mcnet show ports --context west"),
    ]
    assert "40 packets to UDP 4800 from 192.0.2.1 to 192.0.2.2 left its interfaces" in found[0].said


def test_a_node_that_cannot_be_looked_at_is_not_fine() -> None:
    well = look("n1", tried=(tried(THERE, answered=True),))
    (found,) = overlay_port.judge(evidence(well, failures={"n2": "the node is not Ready"})).findings
    assert (found.verdict, found.about) == (Verdict.UNKNOWN, "node n2")


def test_few_answers_are_a_warning() -> None:
    few = replace(tried(THERE, answered=True), sent=40)
    judgement = overlay_port.judge(
        evidence(look("n1", tried=(few,)), look("n2", tried=(tried(BACK, answered=True),)))
    )
    assert [(one.verdict, one.about) for one in judgement.findings] == [(Verdict.WARNING, "n1 → n2")]
