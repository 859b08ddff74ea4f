"""What can be asked of a lab, and what is refused by name."""

import pytest

from mcnet.lab.spec import Families, IpFamily, LabSpec, NatKind, parse_cluster_family, parse_clusters, parse_nat
from mcnet.model.errors import UsageError


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"name": "Lab"}, "'Lab'"),
        ({"name": "a-name-too-long"}, "'a-name-too-long'"),
        ({"name": "../etc"}, "'../etc'"),
        ({"clusters": ("east", "east")}, "repeat"),
        ({"clusters": ("east", "")}, "''"),
        ({"clusters": ("wan",)}, "'wan'"),
        ({"clusters": ()}, "not 0"),
        ({"clusters": tuple(f"c{n}" for n in range(9))}, "not 9"),
        ({"clusters": ("east-1", "east_2")}, "'east_2'"),
        ({"nodes": 0}, "not 0"),
        ({"nodes": 16}, "not 16"),
        ({"nat": (("north", NatKind.EIM),)}, "'north'"),
        ({"nat": (("east", NatKind.EIM), ("east", NatKind.SYMMETRIC))}, "twice"),
        ({"cluster_families": (("north", Families(IpFamily.IPV4, IpFamily.IPV4)),)}, "'north'"),
        ({"cluster_families": (("east", Families(IpFamily.IPV4, IpFamily.IPV4)),) * 2}, "twice"),
    ],
)
def test_a_spec_that_can_not_be_built_is_refused_with_the_value(settings: dict[str, object], named: str) -> None:
    with pytest.raises(UsageError) as caught:
        LabSpec(**settings)  # type: ignore[arg-type]
    assert named in caught.value.message


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("west", ("west", NatKind.EIM)),
        ("west:eim", ("west", NatKind.EIM)),
        ("west:symmetric", ("west", NatKind.SYMMETRIC)),
    ],
)
def test_nat_option(text: str, meant: tuple[str, NatKind]) -> None:
    assert parse_nat(text) == meant


def test_an_unknown_kind_of_nat_is_named() -> None:
    with pytest.raises(UsageError, match="'cone'"):
        parse_nat("west:cone")


def test_clusters_option() -> None:
    assert parse_clusters("east, west") == ("east", "west")


def test_nat_of_a_cluster() -> None:
    spec = LabSpec(nat=(("west", NatKind.SYMMETRIC),))
    assert (spec.nat_of("west"), spec.nat_of("east")) == (NatKind.SYMMETRIC, None)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("west:dual", ("west", Families(IpFamily.DUAL, IpFamily.DUAL))),
        ("west:ipv4/ipv6", ("west", Families(IpFamily.IPV4, IpFamily.IPV6))),
    ],
)
def test_cluster_family_option(text: str, meant: tuple[str, Families]) -> None:
    assert parse_cluster_family(text) == meant


@pytest.mark.parametrize("text", ["west", "west:", "west:5", "west:ipv4/", "west:ipv4/x"])
def test_a_family_that_is_none_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(UsageError, match="CLUSTER:FAMILY") as caught:
        parse_cluster_family(text)
    assert text in caught.value.message


def test_the_underlay_is_as_the_pods_unless_told() -> None:
    spec = LabSpec(
        clusters=("a", "b"), ip_family=IpFamily.IPV6,
        cluster_families=(("b", Families(IpFamily.DUAL, IpFamily.IPV4)),),
    )  # fmt: skip
    assert spec.families_of("a") == Families(IpFamily.IPV6, IpFamily.IPV6)
    assert spec.families_of("b") == Families(IpFamily.DUAL, IpFamily.IPV4)
    assert (spec.wan_versions, spec.versions) == ((4, 6), (4, 6))
    told = LabSpec(ip_family=IpFamily.IPV6, underlay_family=IpFamily.IPV4)
    assert told.families_of("east") == Families(IpFamily.IPV6, IpFamily.IPV4)
    assert told.wan_versions == (4,)


def test_nodes_come_and_go() -> None:
    spec = LabSpec(nodes=2)
    more, number = spec.with_node("west")
    assert (number, more.numbers("west"), more.numbers("east")) == (3, (1, 2, 3), (1, 2))
    assert more.without_node("west", 3) == spec
    fewer = more.without_node("west", 1)
    assert fewer.numbers("west") == (2, 3)
    assert fewer.with_node("west") == (more, 1)


def test_a_cluster_keeps_a_node_and_has_a_limit() -> None:
    with pytest.raises(UsageError, match="last node"):
        LabSpec(nodes=1).without_node("east", 1)
    with pytest.raises(UsageError, match="15 nodes"):
        LabSpec(nodes=15).with_node("east")
    with pytest.raises(UsageError, match="no cluster 'north'"):
        LabSpec().with_node("north")
