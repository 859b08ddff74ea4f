"""Sizes of paths: what vanishes is wrong, what comes in pieces a warning, each with the value to set."""

from mcnet.diagnose.checks import mtu
from mcnet.diagnose.tunnels import Evidence, Member
from mcnet.model.diagnosis import Verdict
from mcnet.model.look import NodeLook, Order, Tunnel
from tests.unit.diagnose.checks.looked import look, looks, pair, sees, tried

THERE, BACK = pair(Tunnel.OVERLAY, "n1", "n2", 4800)
ORDERS = (Order("n1", (THERE,), gateway=True), Order("n2", (BACK,)))


def judged(near: NodeLook, far: NodeLook) -> list[tuple[Verdict, str, str, str]]:
    evidence = Evidence(Member("west", " --context west", looks(near, far, orders=ORDERS)))
    return [(one.verdict, one.about, one.said, one.remedy) for one in mtu.judge(evidence).findings]


def test_the_whole_size_is_fine() -> None:
    assert (
        judged(look("n1", tried=(tried(THERE, answered=True),)), look("n2", tried=(tried(BACK, answered=True),)))
        == []
    )


def test_a_black_hole_is_named_once() -> None:
    found = judged(
        look("n1", tried=(tried(THERE, answered=True, largest=1345),)),
        look("n2", tried=(tried(BACK, answered=True, largest=1345),)),
    )
    assert found == [
        (
            Verdict.WRONG,
            "n1 ↔ n2",
            "packets of more than 1345 bytes vanish, mcnet-vx promises 1450: the network between carries 1395 bytes, "
            "and nobody is told",
            "mcnet config set underlay-mtu 1395 --context west",
        )
    ]


def test_fragments_are_a_warning() -> None:
    found = judged(
        look("n1", tried=(tried(THERE, answered=True),)),
        look(
            "n2", tried=(tried(BACK, answered=True),), seen=(sees(THERE, outgoing=False, requests=3, fragment=1396),)
        ),
    )
    assert [(verdict, remedy) for verdict, _, _, remedy in found] == [
        (Verdict.WARNING, "mcnet config set underlay-mtu 1396 --context west")
    ]
    assert "in one piece the network between carries 1396 bytes of ours, 1346 inside" in found[0][2]


def test_a_network_too_small_for_any_tunnel_gets_no_command() -> None:
    ((_, _, _, remedy),) = judged(
        look("n1", tried=(tried(THERE, answered=True, largest=800),)),
        look("n2", tried=(tried(BACK, answered=True, largest=800),)),
    )
    assert remedy == "give the network between 192.0.2.1 and 192.0.2.2 an MTU of 1350 bytes or more"
