"""Counting: by type and outcome, and by duration."""

from mcnet.dns.counts import SECONDS, Counts
from mcnet.model.dns import Rcode, Type


def test_durations_fall_into_their_buckets() -> None:
    counts = Counts()
    counts.took(SECONDS[0])
    counts.took(SECONDS[2] * 10, answers=10)
    counts.took(1.0)
    assert counts.seconds == [1, 0, 10, *[0] * (len(SECONDS) - 3), 1]
    assert counts.seconds_sum == SECONDS[0] + SECONDS[2] * 10 + 1.0


def test_a_tally_is_the_same_one_each_time() -> None:
    counts = Counts()
    for _ in range(3):
        counts.tally(Type.A, Rcode.NOERROR)[0] += 1
    counts.tally(None, Rcode.FORMERR)[0] += 1
    counts.tally(65000, Rcode.NXDOMAIN)[0] += 1
    assert counts.queries == {("A", "NOERROR"): 3, ("other", "FORMERR"): 1, ("other", "NXDOMAIN"): 1}
