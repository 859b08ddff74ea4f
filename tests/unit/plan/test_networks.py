"""Networks on the command line."""

from ipaddress import ip_network

import pytest

from mcnet.model.errors import UsageError
from mcnet.plan.networks import is_foreign_family, is_loopback, parse_networks


def test_repeated_and_listed() -> None:
    found = parse_networks(["10.1.0.0/16,fd00::/48", " 10.2.0.0/16 "])
    assert found == tuple(map(ip_network, ("10.1.0.0/16", "fd00::/48", "10.2.0.0/16")))


@pytest.mark.parametrize("text", ["10.1.0.1/16", "west", "10.0.0.0/33"])
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(UsageError, match="is not a network"):
        parse_networks([text])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://127.0.0.1:6443", True),
        ("https://[::1]:6443", True),
        ("https://localhost:6443", True),
        ("https://kind.localhost", True),
        ("https://10.0.0.1:6443", False),
        ("https://localhost.example:6443", False),
    ],
)
def test_loopback(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


@pytest.mark.parametrize(
    ("url", "networks", "foreign"),
    [
        ("https://[fd01::3]:6443", ["10.1.0.0/16"], True),
        ("https://[fd01::3]:6443", ["10.1.0.0/16", "fd10::/48"], False),
        ("https://192.0.2.1", ["fd10::/48"], True),
        ("https://192.0.2.1:6443", ["10.1.0.0/16"], False),
        ("https://api.example.net:6443", ["10.1.0.0/16"], False),
    ],
)
def test_a_server_that_pods_have_no_address_for(url: str, networks: list[str], foreign: bool) -> None:
    assert is_foreign_family(url, parse_networks(networks)) == foreign
