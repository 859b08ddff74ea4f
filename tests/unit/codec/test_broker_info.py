"""broker-info.mcnet: there and back, and every way in which a file can be wrong."""

import pytest

from mcnet.codec.broker_info import decode, encode
from mcnet.codec.errors import DecodeError
from mcnet.model.broker import BrokerInfo

PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
INFO = BrokerInfo("https://broker.example:6443", PEM, "b2b8", "mcnet-broker", "vxlan")


def test_there_and_back() -> None:
    assert decode(encode(INFO)) == INFO


def test_what_newer_versions_add_is_tolerated() -> None:
    assert decode(encode(INFO) + "later: {x: 1}\n") == INFO


def broken(old: str, new: str) -> str:
    text = encode(INFO)
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "kind"),
        ("just words", "kind"),
        ("{", "is not YAML"),
        ("\x00", "is not YAML"),
        ("a: b: c", "is not YAML"),
        (broken("kind: BrokerInfo", "kind: Config"), "is 'Config', not 'BrokerInfo'"),
        (broken("v1alpha1", "v9"), "this mcnet reads mcnet.dev/v1alpha1"),
        (broken("https://", "http://"), "is not an https URL"),
        (broken("server: https://broker.example:6443", "other: 1"), "server: is missing"),
        (broken("id: b2b8", "id: ''"), "clusterSet.id"),
        (broken("ca: ", "ca: '!!"), "is not YAML"),
        (
            "apiVersion: mcnet.dev/v1alpha1\nkind: BrokerInfo\nserver: https://b\nca: '%%'\nclusterSet: {id: x}",
            "base64",
        ),
        (
            "apiVersion: mcnet.dev/v1alpha1\nkind: BrokerInfo\nserver: https://b\nca: aGk=\nclusterSet: {id: x}",
            "no PEM",
        ),
        ("apiVersion: mcnet.dev/v1alpha1\nkind: BrokerInfo\nserver: https://b\nclusterSet: [1]", "is not a mapping"),
    ],
)
def test_broken_and_foreign_files(text: str, says: str) -> None:
    with pytest.raises(DecodeError, match=says):
        decode(text)
