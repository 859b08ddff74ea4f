"""Cluster IDs: given and derived."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.cluster import CLUSTER_ID_PATTERN
from mcnet.model.errors import UsageError
from mcnet.plan.cluster_id import derive_cluster_id, parse_cluster_id


@pytest.mark.parametrize("text", ["", "West", "a.b", "-a", "a-", "ü", "a_b", "x" * 64, "a b"])
def test_invalid(text: str) -> None:
    with pytest.raises(UsageError, match="is not a cluster ID"):
        parse_cluster_id(text)


@pytest.mark.parametrize("text", ["a", "west", "0", "a-b", "x" * 63])
def test_valid(text: str) -> None:
    assert parse_cluster_id(text) == text


def test_the_hint_is_itself_valid() -> None:
    with pytest.raises(UsageError) as caught:
        parse_cluster_id("My_Cluster")
    assert caught.value.hint == "for example: my-cluster"


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("west", "west"),
        ("arn:aws:eks:eu-west-1:123:cluster/shop", "shop"),
        ("gke_project_europe-west1-b_Shop", "shop"),
        ("admin@west", "west"),
        ("kind-west", "kind-west"),
        ("West.Example.com", "west-example-com"),
        ("___", ""),
    ],
)
def test_derived(context: str, expected: str) -> None:
    assert derive_cluster_id(context) == expected


@given(st.text())
def test_whatever_is_derived_is_valid_or_empty(context: str) -> None:
    derived = derive_cluster_id(context)
    assert not derived or CLUSTER_ID_PATTERN.fullmatch(derived)
