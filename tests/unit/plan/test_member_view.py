"""A member in the words of the broker's admin: alive or not, by what, and what waits."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest

from mcnet.codec.fingerprint import fingerprint
from mcnet.model.cluster import Cluster, ClusterId, Identity, Requested
from mcnet.model.endpoint import Endpoint
from mcnet.plan.member_view import MemberRecord, described, facts, lines, signs_of_life, state, waiting

WEST = ClusterId("west")
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
CLUSTER = Cluster(WEST, (ip_network("10.2.0.0/16"),), (ip_network("10.97.0.0/16"),), Identity(b"s" * 32, b"a" * 32))
RECORD = MemberRecord(
    WEST, CLUSTER, Requested((ip_network("10.2.0.0/16"), ip_network("10.9.0.0/16")), CLUSTER.service_prefixes),
    uid="1", created="2026-01-01T00:00:00Z", account=True, seen=NOW - timedelta(seconds=12),
    endpoints=(Endpoint(WEST, "n1", 0, (ip_address("192.0.2.1"),)),),
)  # fmt: skip


def seen(seconds: float | None) -> MemberRecord:
    moment = None if seconds is None else NOW - timedelta(seconds=seconds)
    return MemberRecord(WEST, CLUSTER, seen=moment)


@pytest.mark.parametrize(
    ("seconds", "is_state"),
    [(None, "never seen"), (0, "alive"), (59, "alive"), (60, "silent"), (90000, "silent"), (-30, "alive")],
)
def test_state(seconds: float | None, is_state: str) -> None:
    assert state(seen(seconds), NOW) == is_state
    assert bool(signs_of_life(seen(seconds), (), NOW)) == (is_state == "alive")


def test_signs_of_life_are_told() -> None:
    assert signs_of_life(seen(12), ("east/n1", "north/n2"), NOW) == (
        "it gave a sign of life 12s ago",
        "east/n1, north/n2 are connected with it",
    )
    assert signs_of_life(seen(None), ("east/n1",), NOW) == ("east/n1 is connected with it",)


def test_what_waits_leaves_out_what_can_not_be_advertised() -> None:
    assert str(waiting(RECORD, ())) == "+10.9.0.0/16"
    other = Cluster(ClusterId("east"), (), (ip_network("10.97.0.0/16"),))
    assert str(waiting(RECORD, (other,))) == "+10.9.0.0/16 -10.97.0.0/16"
    assert not waiting(seen(1), ())


def test_by_whom_an_id_is_held() -> None:
    key = fingerprint(b"s" * 32)
    assert described(RECORD, NOW) == f"key {key}, pods 10.2.0.0/16, joined 2026-01-01T00:00:00Z, last seen 12s ago"
    assert described(MemberRecord(WEST), NOW) == "never seen"


def test_a_fingerprint_is_written_as_ssh_does() -> None:
    assert fingerprint(b"") == "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"


def test_lines() -> None:
    shown = dict(lines(facts(RECORD, (), NOW)))
    assert shown["state"] == "alive, last seen 12s ago"
    assert shown["waiting"] == "+10.9.0.0/16 (mcnet member approve west)"
    assert shown["gateway"] == "n1 (rail 0) at 192.0.2.1"
    bare = dict(lines(facts(MemberRecord(WEST), (), NOW)))
    assert (bare["pods"], bare["gateway"], bare["account"]) == ("none approved", "none", "missing")
