"""Which key a gateway uses at what time."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.cluster import ClusterId
from mcnet.plan.key_epoch import epoch
from tests.fakes.worlds import MEMBER

DAY = 86400
NOW = 1_800_000_000
times = st.integers(0, 4_000_000_000)


@given(times, st.integers(1, 3650))
def test_a_key_lasts_as_long_as_it_should(now: int, days: int) -> None:
    member = replace(MEMBER, key_rotation=days)
    here = epoch(member, published=0, now=now)
    assert epoch(member, published=0, now=now + days * DAY) == here + 1
    assert epoch(member, published=0, now=now + days * DAY - 1) in (here, here + 1)


@given(times, times, st.integers(0, 60), st.integers(0, 5000), st.integers(0, 5000))
def test_it_never_goes_back(now: int, later: int, days: int, published: int, asked: int) -> None:
    member = replace(MEMBER, key_rotation=days, key_epoch=asked)
    first = epoch(member, published=published, now=now)
    assert first >= max(published, asked)
    assert epoch(member, published=first, now=later) >= first


def test_without_a_period_only_the_user_asks() -> None:
    never = replace(MEMBER, key_rotation=0)
    assert epoch(never, published=0, now=NOW) == 0
    assert epoch(never, published=7, now=NOW) == 7
    assert epoch(replace(never, key_epoch=8), published=7, now=NOW) == 8


def test_clusters_change_at_different_times() -> None:
    """A pair that changes at once has no old cable to go on with."""
    clusters = [replace(MEMBER, cluster=ClusterId(f"c{number}")) for number in range(50)]
    moments = {
        one.cluster: next(
            hour
            for hour in range(720)
            if epoch(one, published=0, now=NOW + hour * 3600) > epoch(one, published=0, now=NOW)
        )
        for one in clusters
    }
    assert len(set(moments.values())) > 40
