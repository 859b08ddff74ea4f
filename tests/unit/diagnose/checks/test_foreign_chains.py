"""Chains of other programs: what surely drops is wrong, what may is a warning."""

from mcnet.diagnose.checks import foreign_chains
from mcnet.diagnose.checks.foreign_chains import Evidence
from mcnet.model.diagnosis import Finding, Verdict
from mcnet.model.look import Drop
from tests.unit.diagnose.checks.looked import look, looks

DROP = Drop("ip filter INPUT", ("overlay", "adverts"), "its policy is drop", True, "iptables -w -I INPUT -j ACCEPT")


def test_no_chain_is_fine() -> None:
    assert foreign_chains.judge(Evidence(looks(look("n1")))).findings == ()


def test_a_chain_that_drops() -> None:
    maybe = Drop("inet a b", ("overlay",), "its rule with handle 4 drops", False, "nft insert it")
    assert foreign_chains.judge(Evidence(looks(look("n1", drops=(DROP, maybe))))).findings == (
        Finding(
            Verdict.WRONG,
            "node n1, chain ip filter INPUT",
            "drops packets of mcnet (overlay, adverts): its policy is drop",
            "iptables -w -I INPUT -j ACCEPT",
            "n1",
        ),
        Finding(
            Verdict.WARNING,
            "node n1, chain inet a b",
            "probably drops packets of mcnet (overlay): its rule with handle 4 drops",
            "nft insert it",
            "n1",
        ),
    )


def test_one_that_mcnet_should_have_mended() -> None:
    (found,) = foreign_chains.judge(Evidence(looks(look("n1", drops=(DROP,))), managed=True)).findings
    assert found.said.endswith("; mcnet manages the host's firewall and has not mended it")


def test_what_cannot_be_read_is_not_fine() -> None:
    (found,) = foreign_chains.judge(Evidence(looks(look("n1", faults={"foreign chains": "no nft"})))).findings
    assert found.verdict is Verdict.UNKNOWN
