"""EndpointSlices: what is read of a cluster's own, and what of those of others is refused."""

from typing import Any

import pytest

from mcnet.codec import endpoint_slice
from mcnet.codec.errors import DecodeError
from tests.fakes.mutations import put
from tests.fakes.services import EAST, WEB, pod_slice_object, slice_object, sliced

OBJECT = pod_slice_object(EAST, 1)

REFUSED: list[tuple[tuple[str | int, ...], Any]] = [
    (("addressType",), "FQDN"),
    (("addressType",), "IPv6"),
    (("endpoints", 0, "addresses"), []),
    (("endpoints", 0, "addresses"), ["10.1.0.1"] * 101),
    (("endpoints", 0, "addresses", 0), "fd00::1"),
    (("endpoints", 0, "addresses", 0), "web.example.com"),
    (("endpoints", 0, "addresses", 0), "010.1.0.1"),
    (("endpoints",), OBJECT["endpoints"] * 1001),
    (("endpoints", 0, "conditions", "ready"), "yes"),
    (("ports", 0, "port"), 65536),
    (("ports", 0, "port"), None),
    (("ports", 0, "protocol"), "ICMP"),
    (("ports", 0, "name"), "Not A Label"),
    (("ports",), OBJECT["ports"] * 2),
]


@pytest.mark.parametrize(("path", "value"), REFUSED, ids=lambda one: str(one)[:40])
def test_what_is_refused(path: Any, value: Any) -> None:
    endpoint_slice.decode(OBJECT)
    with pytest.raises(DecodeError):
        endpoint_slice.decode(put(OBJECT, path, value))


def test_what_is_not_said_is_ready_and_serving() -> None:
    obj = put(OBJECT, ("endpoints", 0, "conditions"), {})
    (endpoint,) = endpoint_slice.decode(obj).endpoints
    assert (endpoint.ready, endpoint.serving, endpoint.terminating) == (True, True, False)
    obj = put(OBJECT, ("endpoints", 0, "conditions"), {"ready": False, "serving": True, "terminating": True})
    (endpoint,) = endpoint_slice.decode(obj).endpoints
    assert (endpoint.ready, endpoint.serving, endpoint.terminating) == (False, True, True)


HOSTS: list[tuple[str, dict[str, Any], str]] = [
    ("its own", {"hostname": "db-0", "targetRef": {"kind": "Pod", "name": "web-1"}}, "db-0"),
    ("its pod's", {"targetRef": {"kind": "Pod", "name": "web-1"}}, "web-1"),
    ("none of another thing", {"targetRef": {"kind": "Node", "name": "web-1"}}, ""),
    ("none with a dot", {"targetRef": {"kind": "Pod", "name": "web.1"}}, ""),
    ("none too long", {"targetRef": {"kind": "Pod", "name": "w" * 64}}, ""),
    ("none", {}, ""),
]


@pytest.mark.parametrize(("more", "host"), [case[1:] for case in HOSTS], ids=[case[0] for case in HOSTS])
def test_the_name_of_a_host(more: dict[str, Any], host: str) -> None:
    obj = put(OBJECT, ("endpoints", 0), {"addresses": ["10.1.0.1"]} | more)
    assert endpoint_slice.decode(obj, pod_names=True).endpoints[0].hostname == host
    assert endpoint_slice.decode(obj).endpoints[0].hostname == more.get("hostname", "")


def test_whose_a_slice_is_says_its_name() -> None:
    obj = slice_object(EAST, sliced(EAST, 1))
    assert endpoint_slice.decode_owner(obj) == (EAST, WEB)
    with pytest.raises(DecodeError, match="source-cluster"):
        endpoint_slice.decode_owner(put(obj, ("metadata", "name"), "west.1"))
