"""Merging: KEP-1645's rules as tables, and what must hold for any exports whatever."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.service import Port, Reason, ServiceType
from mcnet.plan.service_import import derived_ports
from mcnet.plan.service_merge import merge, renamed, united
from tests.fakes.services import EAST, HTTP, NORTH, WEST, exported, exporters

DNS = Port("dns", "UDP", 53)


def test_nobody_exports_it() -> None:
    assert merge([]) is None


def test_one_export_is_the_service() -> None:
    record = exported(EAST, ports=(HTTP, DNS), session_affinity="ClientIP", session_affinity_timeout=7)
    merged = merge([record])
    assert merged is not None
    assert (merged.ports, merged.session_affinity, merged.session_affinity_timeout) == ((HTTP, DNS), "ClientIP", 7)
    assert (merged.exports, merged.left_out, merged.conflicts) == ((record,), (), ())


@pytest.mark.parametrize(("ages", "winner"), [((0, 1), EAST), ((1, 0), WEST), ((1, 1), EAST)])
def test_the_oldest_wins_and_of_two_of_one_second_the_name(ages: tuple[int, int], winner: str) -> None:
    merged = merge(
        [exported(WEST, ages[1], labels=(("by", "west"),)), exported(EAST, ages[0], labels=(("by", "east"),))]
    )
    assert merged is not None
    assert merged.labels == (("by", winner),)
    assert merged.exports[0].cluster == winner


CONFLICTS: list[tuple[dict[str, Any], Reason]] = [
    ({"type": ServiceType.HEADLESS}, Reason.TYPE_CONFLICT),
    ({"ports": (Port("http", "TCP", 81),)}, Reason.PORT_CONFLICT),
    ({"ports": (HTTP, DNS)}, Reason.PORT_CONFLICT),
    ({"ports": (Port("http", "TCP", 80, "http"),)}, Reason.PORT_CONFLICT),
    ({"session_affinity": "ClientIP"}, Reason.SESSION_AFFINITY_CONFLICT),
    ({"session_affinity_timeout": 5}, Reason.SESSION_AFFINITY_CONFIG_CONFLICT),
    ({"internal_traffic_policy": "Local"}, Reason.INTERNAL_TRAFFIC_POLICY_CONFLICT),
    ({"traffic_distribution": "PreferClose"}, Reason.TRAFFIC_DISTRIBUTION_CONFLICT),
    ({"ip_families": ("IPv4", "IPv6")}, Reason.IP_FAMILY_CONFLICT),
    ({"labels": (("a", "b"),)}, Reason.LABELS_CONFLICT),
    ({"annotations": (("a", "b"),)}, Reason.ANNOTATIONS_CONFLICT),
]  # fmt: skip


@pytest.mark.parametrize(("other", "reason"), CONFLICTS, ids=lambda one: getattr(one, "value", ""))
def test_what_differs_is_a_conflict_that_names_both(other: dict[str, Any], reason: Reason) -> None:
    merged = merge([exported(EAST, 0), exported(WEST, 1, **other)])
    assert merged is not None
    (conflict,) = merged.conflicts
    assert conflict.reason is reason
    assert "west" in conflict.message
    assert "east" in conflict.message


def test_no_policy_is_the_policy_cluster_and_the_order_of_families_does_not_matter() -> None:
    both = {"ip_families": ("IPv4", "IPv6")}
    merged = merge(
        [exported(EAST, **both), exported(WEST, internal_traffic_policy="Cluster", ip_families=("IPv6", "IPv4"))]
    )
    assert merged is not None
    assert merged.conflicts == ()


def test_an_export_of_the_other_type_is_left_out_and_its_ports_with_it() -> None:
    merged = merge([exported(EAST, 0), exported(WEST, 1, ports=(DNS,), type=ServiceType.HEADLESS)])
    assert merged is not None
    assert (merged.type, merged.ports, merged.left_out) == (ServiceType.CLUSTERSET_IP, (HTTP,), (WEST,))
    assert [one.cluster for one in merged.exports] == [EAST]


UNIONS = [
    ("disjoint", (HTTP,), (DNS,), (HTTP, DNS)),
    ("one name", (HTTP,), (Port("http", "TCP", 8080),), (HTTP,)),
    ("one number", (HTTP,), (Port("web", "TCP", 80),), (HTTP,)),
    ("one number, two protocols", (HTTP,), (Port("quic", "UDP", 80),), (HTTP, Port("quic", "UDP", 80))),
    ("both without name", (Port("", "TCP", 80),), (Port("", "TCP", 81),), (Port("", "TCP", 80),)),
]


@pytest.mark.parametrize(
    ("first", "second", "result"), [case[1:] for case in UNIONS], ids=[case[0] for case in UNIONS]
)
def test_ports_are_united(first: Any, second: Any, result: Any) -> None:
    assert united([exported(EAST, 0, first), exported(WEST, 1, second)]) == result


RENAMED = [
    ("its own", (HTTP,), {"http": "http"}),
    ("by number", (Port("web", "TCP", 80),), {"web": "http"}),
    ("by name, though the number is another's", (Port("http", "TCP", 8080),), {"http": "http"}),
    ("not twice", (Port("http", "TCP", 8080), Port("web", "TCP", 80)), {"http": "http"}),
]


@pytest.mark.parametrize(("ports", "names"), [case[1:] for case in RENAMED], ids=[case[0] for case in RENAMED])
def test_what_a_cluster_calls_a_port(ports: Any, names: dict[str, str]) -> None:
    record = exported(WEST, 1, ports)
    assert renamed(record, united([exported(EAST, 0), record])) == names


@given(exporters(), st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(records: Any, random: Any) -> None:
    shuffled = list(records)
    random.shuffle(shuffled)
    assert merge(shuffled) == merge(records)


@given(exporters())
def test_whatever_is_exported_the_ports_make_a_service(records: Any) -> None:
    merged = merge(records)
    if merged is None:
        return
    assert len({port.name for port in merged.ports}) == len(merged.ports)
    assert len({(port.protocol, port.port) for port in merged.ports}) == len(merged.ports)
    made = derived_ports(merged)
    assert len({port.name for port in made}) == len(made)
    if merged.type is ServiceType.CLUSTERSET_IP and len(made) > 1:
        assert all(port.name for port in made)
    for export in merged.exports:
        names = renamed(export, merged.ports)
        assert len(set(names.values())) == len(names)
        assert set(names.values()) <= {port.name for port in merged.ports}


@given(exporters())
def test_a_conflict_is_told_exactly_if_something_differs(records: Any) -> None:
    merged = merge(records)
    if merged is None:
        return
    assert {one.cluster for one in merged.exports} | set(merged.left_out) == {one.cluster for one in records}
    reasons = [one.reason for one in merged.conflicts]
    assert len(set(reasons)) == len(reasons)
    assert (Reason.TYPE_CONFLICT in reasons) == bool(merged.left_out)
    assert (Reason.LABELS_CONFLICT in reasons) == (len({one.labels for one in merged.exports}) > 1)
    assert NORTH not in merged.left_out or merged.type is not next(
        one.type for one in records if one.cluster == NORTH
    )  # fmt: skip
