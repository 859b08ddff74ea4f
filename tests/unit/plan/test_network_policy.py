"""NetworkPolicies, evaluated as the API's documentation says: tables, and laws that hold for all policies."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.plan.network_policy import Destination, allowing, forbidding, isolates_egress, selects

OURS = {"app": "discovery", "tier": "control"}
API = Destination("API", ip_address("192.0.2.1"), 6443)
DNS = Destination(
    "DNS", ip_address("10.2.0.10"), 53, "UDP",
    labels={"k8s-app": "kube-dns"}, namespace="kube-system", namespace_labels={"name": "kube-system"},
    ports={"dns": 53},
)  # fmt: skip


def policy(egress: object = None, selector: object = None, types: object = ("Egress",)) -> dict[str, Any]:
    spec: dict[str, Any] = {"podSelector": selector or {}}
    if types:
        spec["policyTypes"] = list(types)  # type: ignore[call-overload]
    if egress is not None:
        spec["egress"] = egress
    return {"metadata": {"name": "p"}, "spec": spec}


def allowed(*policies: dict[str, Any], to: Destination = API) -> bool:
    return not forbidding(policies, OURS, "mcnet-system", to)


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        (None, True),
        ({}, True),
        ({"matchLabels": {"app": "discovery"}}, True),
        ({"matchLabels": {"app": "discovery", "tier": "data"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["x", "discovery"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["x"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["discovery"]}]}, False),
        ({"matchExpressions": [{"key": "other", "operator": "NotIn", "values": ["discovery"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "other", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "other", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Gt", "values": ["1"]}]}, False),
        (
            {"matchLabels": {"app": "discovery"}, "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]},
            False,
        ),
    ],
)
def test_selectors(selector: Any, matches: bool) -> None:
    assert selects({"podSelector": selector}, "podSelector", OURS) is matches
    assert allowed(policy(selector=selector)) is not matches


@pytest.mark.parametrize(
    ("types", "egress", "isolates"),
    [
        (("Egress",), None, True),
        (("Ingress",), None, False),
        (("Ingress", "Egress"), None, True),
        (None, None, False),
        (None, [{}], True),
        (("Ingress",), [{}], False),
    ],
)
def test_which_policies_are_about_what_pods_send(types: object, egress: object, isolates: bool) -> None:
    assert isolates_egress(policy(egress, types=types)) is isolates


@pytest.mark.parametrize(
    ("rule", "to", "passes"),
    [
        ({}, API, True),
        ({"to": []}, API, True),
        ({"ports": []}, API, True),
        ({"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}, API, True),
        ({"to": [{"ipBlock": {"cidr": "192.0.3.0/24"}}]}, API, False),
        ({"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["192.0.2.0/30"]}}]}, API, False),
        ({"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["192.0.2.8/30"]}}]}, API, True),
        ({"to": [{"ipBlock": {"cidr": "::/0"}}]}, API, False),
        ({"to": [{"ipBlock": {"cidr": "nonsense"}}]}, API, False),
        ({"to": [{"ipBlock": {"cidr": "10.2.0.0/16"}}]}, DNS, True),
        ({"ports": [{"port": 6443}]}, API, True),
        ({"ports": [{"port": 6443, "protocol": "UDP"}]}, API, False),
        ({"ports": [{"port": 443}]}, API, False),
        ({"ports": [{"port": 6000, "endPort": 7000}]}, API, True),
        ({"ports": [{"port": 6000, "endPort": 6442}]}, API, False),
        ({"ports": [{"protocol": "TCP"}]}, API, True),
        ({"ports": [{"port": "dns", "protocol": "UDP"}]}, DNS, True),
        ({"ports": [{"port": "other", "protocol": "UDP"}]}, DNS, False),
        ({"ports": [{"port": "https"}]}, API, False),
        ({"to": [{"namespaceSelector": {}}]}, DNS, True),
        ({"to": [{"namespaceSelector": {}}]}, API, False),
        ({"to": [{"podSelector": {}}]}, DNS, False),
        ({"to": [{"podSelector": {}}]}, replace(DNS, namespace="mcnet-system"), True),
        ({"to": [{"namespaceSelector": {"matchLabels": {"name": "kube-system"}},
                  "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}]}, DNS, True),
        ({"to": [{"namespaceSelector": {"matchLabels": {"name": "kube-system"}},
                  "podSelector": {"matchLabels": {"k8s-app": "other"}}}]}, DNS, False),
        ({"to": [{"namespaceSelector": {"matchLabels": {"name": "other"}}}]}, DNS, False),
        ({"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 443}]}, API, False),
        ({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}, {"ipBlock": {"cidr": "192.0.2.0/24"}}],
          "ports": [{"port": 443}, {"port": 6443}]}, API, True),
        ({"to": [{}]}, DNS, False),
    ],
)  # fmt: skip
def test_rules(rule: dict[str, Any], to: Destination, passes: bool) -> None:
    assert allowed(policy([rule]), to=to) is passes


def test_no_policy_forbids_nothing_and_default_deny_everything() -> None:
    assert allowed()
    assert not allowed(policy())
    assert not allowed(policy([]))


def test_policies_add_up() -> None:
    deny, allow = policy(), policy([{"ports": [{"port": 6443}]}])
    assert allowed(deny, allow)
    assert allowed(allow, deny)
    assert not allowed(deny, policy([{}], selector={"matchLabels": {"app": "other"}}))
    assert len(forbidding((deny, policy()), OURS, "mcnet-system", API)) == 2


def test_the_policy_that_is_offered_allows_what_it_is_for_and_no_more() -> None:
    offered = allowing("x", "mcnet-system", {"app": "discovery"}, (API, DNS))
    assert allowed(policy(), offered)
    assert allowed(policy(), offered, to=DNS)
    assert not allowed(policy(), offered, to=replace(API, port=80))
    assert not allowed(policy(), offered, to=replace(DNS, protocol="TCP"))


rules = st.fixed_dictionaries(
    {},
    optional={
        "to": st.lists(
            st.sampled_from(
                (
                    {"ipBlock": {"cidr": "192.0.2.0/24"}},
                    {"ipBlock": {"cidr": "10.0.0.0/8"}},
                    {"namespaceSelector": {}},
                )
            ),
            max_size=2,
        ),
        "ports": st.lists(
            st.sampled_from(({"port": 6443}, {"port": 53, "protocol": "UDP"}, {"protocol": "TCP"})), max_size=2
        ),
    },
)
policies = st.builds(policy, st.lists(rules, max_size=2), st.sampled_from(({}, {"matchLabels": {"app": "other"}})))


@given(st.lists(policies, max_size=3), policies, st.sampled_from((API, DNS)))
def test_one_more_policy_takes_away_nothing_from_pods_that_are_selected(
    some: list[dict[str, Any]], more: dict[str, Any], to: Destination
) -> None:
    isolated = any(selects(one["spec"], "podSelector", OURS) for one in some)
    if isolated and allowed(*some, to=to):
        assert allowed(*some, more, to=to)


@given(st.lists(policies, max_size=3), st.sampled_from((API, DNS)))
def test_what_is_offered_always_mends(some: list[dict[str, Any]], to: Destination) -> None:
    assert allowed(*some, allowing("x", "mcnet-system", {"app": "discovery"}, (to,)), to=to)
