"""Sources of pods: foreign chains that are quicker than ours, and Cilium's own way."""

import pytest

from mcnet.diagnose.checks import masquerade
from mcnet.diagnose.checks.masquerade import Evidence
from mcnet.model.diagnosis import Finding, Verdict
from mcnet.model.look import Translation
from tests.unit.diagnose.checks.looked import look, looks

EARLY = Translation(
    "inet cni post", 50, "10.2.0.0/16", "10.1.0.0/16", "its rule with handle 3 translates", True, "nft insert it"
)


def test_no_chain_is_fine() -> None:
    assert masquerade.judge(Evidence(looks(look("n1")), {})).findings == ()


def test_a_chain_that_is_quicker() -> None:
    assert masquerade.judge(Evidence(looks(look("n1", translations=(EARLY,))), {})).findings == (
        Finding(
            Verdict.WRONG,
            "node n1, chain inet cni post",
            "gives pods of 10.2.0.0/16 another source on their way to 10.1.0.0/16: its rule with handle 3 "
            "translates, and at priority 50 it comes before the chain of mcnet that keeps sources",
            "nft insert it",
            "n1",
        ),
    )


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"enable-bpf-masquerade": "true"}, True),
        ({"enable-bpf-masquerade": "true", "enable-ipv4-masquerade": "false"}, True),
        (
            {
                "enable-bpf-masquerade": "true",
                "enable-ipv4-masquerade": "false",
                "enable-ipv6-masquerade": "false",
            },
            False,
        ),
        ({"enable-bpf-masquerade": "true", "enable-ip-masq-agent": "true"}, False),
        ({"enable-bpf-masquerade": "false"}, False),
        ({}, False),
    ],
)
def test_cilium(settings: dict[str, str], named: bool) -> None:
    found = masquerade.judge(Evidence(looks(look("n1")), settings)).findings
    assert bool(found) is named
    assert all(one.verdict is Verdict.WARNING and "configmap cilium-config" in one.remedy for one in found)


def test_what_cannot_be_read_is_not_fine() -> None:
    (found,) = masquerade.judge(Evidence(looks(look("n1", faults={"translation": "no nft"})), {})).findings
    assert found.verdict is Verdict.UNKNOWN
