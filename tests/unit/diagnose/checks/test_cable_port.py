"""The cables' check: ends in other clusters where those can be read, else what one end tells."""

from mcnet.diagnose.checks import cable_port
from mcnet.diagnose.tunnels import Evidence, Member
from mcnet.model.diagnosis import Verdict
from mcnet.model.look import Drop, NodeLook, Order, Tunnel
from tests.unit.diagnose.checks.looked import look, looks, pair, sees, tried

THERE, BACK = pair(Tunnel.CABLE, "west.w1", "east.e1.example.com", 4520)
WEST, EAST = Order("w1", (THERE,), gateway=True), Order("e1.example.com", (BACK,), gateway=True)
DROP = Drop("inet fw output", ("vxlan-cable-4520-out",), "its rule with handle 3 drops", True, "nft insert it")


def evidence(near: NodeLook, far: NodeLook | None) -> Evidence:
    own = Member("west", " --context west", looks(near, orders=(WEST,)))
    others = (Member("east", " --context east", looks(far, orders=(EAST,))),) if far else ()
    return Evidence(own, others)


def test_answered_is_fine_from_one_end_and_from_both() -> None:
    near = look("w1", tried=(tried(THERE, answered=True),))
    far = look("e1.example.com", tried=(tried(BACK, answered=True),))
    assert cable_port.judge(evidence(near, None)).findings == ()
    judgement = cable_port.judge(evidence(near, far))
    assert judgement.findings == ()
    assert judgement.looked == "echoes over 1 cables, 1 of them watched at both ends"


def test_the_remote_gateway_does_not_send() -> None:
    near = look(
        "w1",
        tried=(tried(THERE, answered=False),),
        seen=(sees(THERE, outgoing=True, requests=40),),
    )
    far = look(
        "e1.example.com",
        tried=(tried(BACK, answered=False),),
        seen=(sees(THERE, outgoing=False, requests=40),),
        drops=(DROP,),
    )
    found = {one.about: one for one in cable_port.judge(evidence(near, far)).findings}
    silent = found["east.e1.example.com → west.w1"]
    assert silent.said.startswith("east.e1.example.com: not sent: none of 40 echoes to UDP 4520 of 192.0.2.1 left")
    assert (silent.remedy, silent.place) == ("nft insert it", "e1.example.com")


def test_a_cluster_that_no_context_leads_to() -> None:
    near = look("w1", tried=(tried(THERE, answered=False),), seen=(sees(THERE, outgoing=True, requests=40),))
    (found,) = cable_port.judge(evidence(near, None)).findings
    assert (found.verdict, found.remedy) == (Verdict.WRONG, "mcnet show ports --context west")
    assert found.said.endswith("east.e1.example.com can't be looked at: no context of the kubeconfig leads to east")
    assert "UDP 4520 from 192.0.2.1 to 192.0.2.2" in found.said


def test_no_gateway_yet() -> None:
    nothing = cable_port.judge(Evidence(Member("west", "", looks(look("w1")))))
    assert nothing.findings == ()
    assert nothing.looked == "echoes over 0 cables, 0 of them watched at both ends"
