"""The table of settings: what is a value, that it is written as it is read, and what a later join keeps."""

from collections.abc import Sequence
from dataclasses import fields
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.cluster import ClusterId, ClusterSet
from mcnet.model.errors import UsageError
from mcnet.model.member import GatewayCount, Member
from mcnet.model.public_address import Kind, Source
from mcnet.plan import settings
from mcnet.plan.settings import BY_KEY, SETTINGS, Place, Setting

FOUND = Member(ClusterId("west"), (ip_network("10.2.0.0/16"),), (ip_network("10.96.0.0/16"),), image="mcnet:1")

VALUES: dict[str, list[tuple[list[str], Any]]] = {
    "image": [(["registry.example/mcnet:2"], "registry.example/mcnet:2")],
    "image-pull-policy": [(["Always"], "Always")],
    "pull-secrets": [
        (["default/a,default/b"], ("default/a", "default/b")),
        (["default/a", "x/b"], ("default/a", "x/b")),
    ],
    "node-selector": [(["zone=a,disk=ssd"], (("disk", "ssd"), ("zone", "a")))],
    "tolerations": [
        (["*"], ({"operator": "Exists"},)),
        (
            ["dedicated=network:NoSchedule", "x"],
            (
                {"key": "dedicated", "operator": "Equal", "value": "network", "effect": "NoSchedule"},
                {"key": "x", "operator": "Exists"},
            ),
        ),
    ],
    "gateways": [(["8"], GatewayCount(8)), (["auto:2"], GatewayCount(2, auto=True))],
    "pod-cidr": [(["10.1.0.0/16,10.9.0.0/16"], (ip_network("10.1.0.0/16"), ip_network("10.9.0.0/16")))],
    "service-cidr": [(["10.96.0.0/16", "fd00::/108"], (ip_network("10.96.0.0/16"), ip_network("fd00::/108")))],
    "port-base": [(["4600"], 4600)],
    "delivery": [(["cni"], "cni")],
    "public-address": [
        (["198.51.100.7"], (Source(Kind.ADDRESS, "198.51.100.7"),)),
        (["dns:gw.example.com,lb:gw"], (Source(Kind.DNS, "gw.example.com"), Source(Kind.LOAD_BALANCER, "gw"))),
    ],
    "air-gapped": [(["true"], True), (["false"], False)],
    "load-balancer": [(["true"], True), (["False"], False)],
    "manage-host-firewall": [(["true"], True), (["False"], False)],
    "underlay-mtu": [(["0"], 0), (["1330"], 1330), (["9000"], 9000)],
    "probe-interval": [(["0.1"], 0.1), (["100ms"], 0.1), (["5s"], 5.0), (["0"], 0.0)],
    "probe-multiplier": [(["5"], 5), (["0"], 0)],
    "key-rotation": [(["30"], 30), (["0"], 0), (["3650"], 3650)],
    "default-driver": [(["vxlan"], "vxlan"), (["wireguard"], "wireguard")],
}
WRONG: dict[str, list[list[str]]] = {
    "image": [["a b"], [""], ["a", "b"]],
    "image-pull-policy": [["Sometimes"], ["always"]],
    "pull-secrets": [["registry"], ["a/b/c"], ["/x"]],
    "node-selector": [["zone"]],
    "tolerations": [[":NoSchedule"], ["a:Never"]],
    "gateways": [["0"], ["9"], ["many"], ["-1"], ["²"], ["auto:9"], ["auto:"]],
    "pod-cidr": [["10.1.0.0/40"], [","], ["10.0.0.0/8,10.1.0.0/16"], ["10.1.0.1/16"]],
    "service-cidr": [["west"]],
    "port-base": [["80"], ["65501"]],
    "delivery": [["both"]],
    "public-address": [["127.0.0.1"], ["example.com"], ["dns:"], ["lb:a/b"]],
    "air-gapped": [["yes"]],
    "load-balancer": [["cloud"]],
    "manage-host-firewall": [["yes"], [""], ["true", "false"]],
    "underlay-mtu": [["1329"], ["65536"], ["1.5"], ["-0"]],
    "probe-interval": [["0.05"], ["50ms"], ["ms"], ["61"], ["nan"], ["soon"]],
    "probe-multiplier": [["101"], ["1.0"]],
    "key-rotation": [["-1"], ["3651"], ["monthly"]],
    "default-driver": [["carrier-pigeon"]],
}


def test_every_setting_is_tried_and_has_its_field() -> None:
    assert set(VALUES) == set(WRONG) == set(BY_KEY)
    assert len(BY_KEY) == len(SETTINGS)
    known = {
        Place.MEMBER: {field.name for field in fields(Member)},
        Place.CLUSTERSET: {f.name for f in fields(ClusterSet)},
    }
    assert all(setting.field in known[setting.place] for setting in SETTINGS)


@pytest.mark.parametrize(("key", "words", "value"), [(key, *case) for key in VALUES for case in VALUES[key]])
def test_values(key: str, words: list[str], value: Any) -> None:
    setting = BY_KEY[key]
    assert settings.parse(setting, words) == value
    assert settings.parse(setting, [setting.form(value)]) == value


@pytest.mark.parametrize(("key", "words"), [(key, case) for key in WRONG for case in WRONG[key]])
def test_wrong_values_are_told_in_one_sentence(key: str, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        settings.parse(BY_KEY[key], words)
    assert caught.value.message.startswith(f"{key}: ")
    assert "\n" not in caught.value.message


@given(st.sampled_from(SETTINGS), st.lists(st.text(max_size=12), max_size=3))
def test_whatever_is_given_is_a_value_or_a_usage_error(setting: Setting, words: Sequence[str]) -> None:
    try:
        value = settings.parse(setting, words)
    except UsageError:
        return
    text = setting.form(value)
    assert setting.form(settings.parse(setting, [text])) == text


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("underlay-mt", "did you mean underlay-mtu?"),
        ("port_base", "did you mean port-base?"),
        ("POD-CIDR", "did you mean pod-cidr?"),
        ("mtu", "did you mean underlay-mtu?"),
        ("colour", "there are: image, "),
    ],
)
def test_the_nearest_known_key_is_named(key: str, hint: str) -> None:
    with pytest.raises(UsageError, match="is not a setting") as caught:
        settings.find(key)
    assert caught.value.hint.startswith(hint)


def test_what_is_given_now_goes_before_what_was_given_and_what_is_found() -> None:
    first = settings.merged(FOUND, None, {"port-base": 4600, "pod-cidr": (ip_network("10.3.0.0/16"),)})
    assert (first.port_base, first.given) == (4600, ("pod-cidr", "port-base"))
    again = settings.merged(FOUND, first, {})
    assert again == first
    assert settings.merged(FOUND, again, {"port-base": 4700}).port_base == 4700


def test_what_nobody_gave_follows_the_cluster_and_the_version() -> None:
    first = settings.merged(FOUND, None, {})
    grown = Member(ClusterId("west"), (ip_network("10.0.0.0/8"),), (), image="mcnet:2", cni="calico")
    assert settings.merged(grown, first, {}) == grown


def test_a_value_that_is_no_default_is_somebodys_word() -> None:
    edited = Member(ClusterId("west"), (), (), port_base=4600, underlay_mtu=1400)  # by kubectl, or an older version
    kept = settings.merged(FOUND, edited, {})
    assert (kept.port_base, kept.underlay_mtu, kept.given) == (4600, 1400, ("port-base", "underlay-mtu"))
    assert [settings.source(BY_KEY[key], edited) for key in ("port-base", "delivery", "image", "pod-cidr")] == [
        "set", "default", "default", "found out",
    ]  # fmt: skip


def test_a_word_is_taken_back() -> None:
    given_it = settings.changed(FOUND, "underlay-mtu", 1400)
    assert (given_it.underlay_mtu, given_it.given) == (1400, ("underlay-mtu",))
    assert settings.taken_back(given_it, "underlay-mtu", 0) == FOUND
    assert [setting.key for setting in settings.differing(FOUND, given_it)] == ["underlay-mtu"]
