"""broker-info.mcnet: there and back, and every way in which a file can be wrong."""

from dataclasses import fields
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.broker_info import decode, encode
from mcnet.codec.errors import DecodeError
from mcnet.model.broker import BrokerInfo
from tests.fakes.mutations import damaged

PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
INFO = BrokerInfo("https://broker.example:6443", PEM, "b2b8", "mcnet-broker", "vxlan")


def test_there_and_back() -> None:
    assert decode(encode(INFO)) == INFO


def test_what_newer_versions_add_is_tolerated() -> None:
    assert decode(encode(INFO) + "later: {x: 1}\n") == INFO


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in pairwise("abcdefghi")
)
"""A billion texts once it is written out."""


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
        (broken("https://broker.example:6443", "'https://[::1'"), "is not an https URL"),
        (broken(":6443", ":66443"), "is not an https URL"),
        (broken("https://broker.example:6443", "[https://broker]"), "server: is no text"),
        (broken("namespace: mcnet-broker", "namespace: [x]"), "namespace: is no text"),
        (broken("defaultDriver: vxlan", "defaultDriver: {x: y}"), "clusterSet.defaultDriver: is no text"),
        (broken("namespace: mcnet-broker", 'namespace: "\\ud800"'), "namespace: is no text"),
        (broken("namespace: mcnet-broker", 'namespace: "\\U7fffffff"'), "is not YAML"),
        ("[" * 5000, "is not YAML"),
        ("a: &a [*a]", "is not YAML"),
        (BOMB + "kind: *i", "kind: is no text"),
        (BOMB + "kind: BrokerInfo\napiVersion: *i", "apiVersion: is no text"),
        (BOMB + encode(INFO).replace("server: https://broker.example:6443", "server: *i"), "server: is no text"),
        (BOMB + encode(INFO).replace("namespace: mcnet-broker", "namespace: *i"), "namespace: is no text"),
    ],
)
def test_broken_and_foreign_files(text: str, says: str) -> None:
    with pytest.raises(DecodeError, match=says):
        decode(text)


WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


@given(
    st.from_regex(r"https://[a-z][a-z0-9.-]{0,20}(:[1-9][0-9]{0,3})?", fullmatch=True),
    st.booleans(),
    WORDS,
    WORDS,
    WORDS,
)
def test_any_comes_back(server: str, own_ca: bool, uid: str, namespace: str, driver: str) -> None:
    info = BrokerInfo(server, PEM if own_ca else b"", uid, namespace, driver)
    assert decode(encode(info)) == info


@pytest.mark.parametrize("word", ["null", "~", "yes", "1e3", "2026-01-31", "0x10", "0b_", "2026-13-45", "=", "<<"])
def test_words_that_yaml_takes_for_something_else(word: str) -> None:
    assert decode(encode(BrokerInfo("https://b", PEM, word))).id == word
    assert decode(broken("namespace: mcnet-broker", f"namespace: {word}")).namespace == word


SHORT = "kind: BrokerInfo #\napiVersion: mcnet.dev/v1alpha1\nserver: https://b\nclusterSet: {id: x}\n"


def test_a_file_with_one_byte_damaged_is_another_or_none() -> None:
    names = {field.name for field in fields(INFO)}
    texts = [data.decode(errors="surrogateescape") for data in damaged(SHORT.encode())]
    taken = [made for text in texts if (made := taken_of(text)) is not None]
    assert all(isinstance(getattr(made, name), str | bytes) for made in taken for name in names)
    assert decode(SHORT) in taken, "a comment was damaged"
    assert 0 < len(taken) < len(texts)


def taken_of(text: str) -> BrokerInfo | None:
    try:
        return decode(text)
    except DecodeError:
        return None


@given(st.text(st.characters(), max_size=60))
def test_noise(text: str) -> None:
    with pytest.raises(DecodeError):
        decode(text)
