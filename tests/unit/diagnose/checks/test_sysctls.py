"""Kernel settings: each wrong value with the command that mends it on its node."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.diagnose.checks import sysctls
from mcnet.model.diagnosis import Finding, Verdict
from mcnet.model.look import Order
from tests.unit.diagnose.checks.looked import look, looks

GOOD = {
    "ipv4/ip_forward": "1",
    "ipv4/fib_multipath_hash_policy": "1",
    "ipv6/conf/all/forwarding": "0",
    "ipv4/conf/all/rp_filter": "1",
    "ipv4/conf/mcnet-vx/rp_filter": "2",
    "ipv4/conf/mcnet-cv/rp_filter": "2",
}


def found(values: dict[str, str], families: tuple[int, ...] = (4,)) -> tuple[Finding, ...]:
    node = look("n1", sysctls=values)
    return sysctls.judge(looks(node, orders=(Order("n1", families=families),))).findings


def test_good_values_are_fine() -> None:
    assert found(GOOD) == ()


@pytest.mark.parametrize(
    ("name", "value", "families", "verdict", "remedy"),
    [
        ("ipv4/ip_forward", "0", (4,), Verdict.WRONG, "sysctl -w net.ipv4.ip_forward=1"),
        ("ipv6/conf/all/forwarding", "0", (4, 6), Verdict.WRONG, "sysctl -w net.ipv6.conf.all.forwarding=1"),
        (
            "ipv4/fib_multipath_hash_policy", "0", (4,), Verdict.WARNING,
            "sysctl -w net.ipv4.fib_multipath_hash_policy=1",
        ),
        ("ipv4/conf/mcnet-vx/rp_filter", "1", (4,), Verdict.WRONG, "sysctl -w net.ipv4.conf.mcnet-vx.rp_filter=2"),
        ("ipv4/conf/mcnet-cv/rp_filter", "0", (4,), Verdict.WRONG, "sysctl -w net.ipv4.conf.mcnet-cv.rp_filter=2"),
    ],
)  # fmt: skip
def test_each_wrong_value(name: str, value: str, families: tuple[int, ...], verdict: Verdict, remedy: str) -> None:
    (one,) = found(GOOD | {name: value}, families)
    assert (one.verdict, one.about, one.remedy, one.place) == (verdict, "node n1", remedy, "n1")
    assert f"is {value}, not" in one.said


def test_loose_everywhere_is_loose_for_ours() -> None:
    assert found(GOOD | {"ipv4/conf/all/rp_filter": "2", "ipv4/conf/mcnet-vx/rp_filter": "1"}) == ()


def test_what_cannot_be_read_is_not_fine() -> None:
    node = look("n1", faults={"devices": "Operation not permitted"})
    (one,) = sysctls.judge(looks(node)).findings
    assert (one.verdict, one.said) == (Verdict.UNKNOWN, "its sysctls are not known: Operation not permitted")


@given(st.dictionaries(st.sampled_from([*GOOD, "other"]), st.text(max_size=3)))
def test_odd_values_are_judged(values: dict[str, str]) -> None:
    found(values, (4, 6))
