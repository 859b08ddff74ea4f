"""What approving a member's networks means: what is new and gone, and what speaks against it."""

from ipaddress import IPv4Network, ip_network
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.cluster import Cluster, ClusterId, Requested
from mcnet.plan.approval import difference, judge

WEST = ClusterId("west")


def nets(*texts: str) -> tuple[Any, ...]:
    return tuple(map(ip_network, texts))


EAST = Cluster(ClusterId("east"), nets("10.1.0.0/16"), nets("10.96.0.0/16"))
RECORD = Cluster(WEST, nets("10.2.0.0/16"), nets("10.97.0.0/16"))


def asked(pods: tuple[Any, ...], services: tuple[Any, ...] = nets("10.97.0.0/16")) -> Requested:
    return Requested(pods, services)


def test_what_is_new_and_what_is_gone() -> None:
    change = difference(nets("10.2.0.0/16", "10.3.0.0/16"), nets("10.2.0.0/16", "fd00::/64", "10.9.0.0/16"))
    assert str(change) == "+10.9.0.0/16 +fd00::/64 -10.3.0.0/16"
    assert not difference(nets("10.2.0.0/16"), nets("10.2.0.0/16"))


def test_what_is_asked_for_is_approved() -> None:
    verdict = judge(RECORD, asked(nets("10.2.0.0/16", "10.9.0.0/16")), (EAST,))
    assert (verdict.refusal, verdict.notes) == ("", ())
    assert verdict.record.pod_prefixes == nets("10.2.0.0/16", "10.9.0.0/16")
    assert str(verdict.change) == "+10.9.0.0/16"


def test_nothing_is_asked_for() -> None:
    for requested in (None, asked(RECORD.pod_prefixes), Requested((), RECORD.service_prefixes)):
        verdict = judge(RECORD, requested, (EAST,))
        assert verdict.record == RECORD
        assert not verdict.change


def test_what_the_admin_names_counts() -> None:
    verdict = judge(RECORD, asked(nets("10.1.0.0/17")), (EAST,), pods=nets("10.4.0.0/16"))
    assert verdict.refusal == ""
    assert str(verdict.change) == "+10.4.0.0/16 -10.2.0.0/16"
    assert verdict.notes == ("10.2.0.0/16 is taken away: other clusters no longer reach it",)


def test_an_overlap_is_refused_with_what_would_be_lost() -> None:
    verdict = judge(RECORD, asked(nets("10.1.128.0/17")), (EAST,))
    assert verdict.refusal == (
        "the pod CIDR 10.1.128.0/17 overlaps with 10.1.0.0/16, the pods of member east: other clusters can route it "
        "to one of them only, east, and would lose west's"
    )
    inside = judge(RECORD, asked(nets("10.97.1.0/24")), (EAST,))
    assert inside.refusal == "the pod CIDR 10.97.1.0/24 overlaps with 10.97.0.0/16, the services of west itself"


def test_services_that_overlap_are_left_out_and_told() -> None:
    verdict = judge(RECORD, asked(RECORD.pod_prefixes, nets("10.96.128.0/17", "10.97.0.0/16")), (EAST,))
    assert verdict.refusal == ""
    assert verdict.record.service_prefixes == nets("10.97.0.0/16")
    assert "not its services by ClusterIP" in verdict.notes[0]


def test_a_wider_network_takes_nothing_away() -> None:
    verdict = judge(RECORD, asked(nets("10.2.0.0/15")), (EAST,))
    assert str(verdict.change) == "+10.2.0.0/15 -10.2.0.0/16"
    assert verdict.notes == ()


prefixes = st.builds(
    lambda at, length: IPv4Network((at >> (32 - length) << (32 - length), length)),
    st.integers(0x0A000000, 0x0A0FFFFF),
    st.integers(12, 24),
)
some = st.lists(prefixes, max_size=4, unique=True).map(tuple)


@given(some, some, some, some)
def test_nothing_is_approved_that_another_member_has(
    approved: tuple[Any, ...], pods: tuple[Any, ...], services: tuple[Any, ...], theirs: tuple[Any, ...]
) -> None:
    other = Cluster(ClusterId("east"), theirs, ())
    verdict = judge(Cluster(WEST, approved, ()), Requested(pods, services), (other,))
    if verdict.refusal:
        return
    for mine in verdict.record.prefixes:
        assert not any(mine.overlaps(one) for one in theirs)
    again = judge(verdict.record, Requested(verdict.record.pod_prefixes, verdict.record.service_prefixes), (other,))
    assert not again.change
