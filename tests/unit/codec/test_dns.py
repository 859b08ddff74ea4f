"""Queries: read strictly, whatever the bytes are; dnspython writes the good ones."""

import dns.edns
import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.dns import Edns, Query, Unreadable, encode_query, read, refusal
from mcnet.model.dns import Question, Rcode, Type
from tests.fakes.mutations import damaged

NAME = "Web.Shop.svc.clusterset.local"
LABELS = ("web", "shop", "svc", "clusterset", "local")


def made(name: str = NAME, kind: str = "A", **options: object) -> dns.message.Message:
    return dns.message.make_query(name, kind, **options)  # type: ignore[arg-type]


def reading(data: bytes) -> Query:
    found = read(data)
    assert isinstance(found, Query)
    return found


def test_a_query_is_read_and_its_letters_are_kept() -> None:
    query = made()
    query.id = 4711
    found = reading(query.to_wire())
    assert found == Query(4711, True, False, found.raw, Question(LABELS, Type.A), None)
    assert found.raw == b"\x03Web\x04Shop\x03svc\x0aclusterset\x05local\0\0\1\0\1"


def test_the_root_can_be_asked_for() -> None:
    assert reading(made(".", "NS").to_wire()).question == Question((), Type.NS)


def test_flags_that_answers_repeat() -> None:
    query = made()
    query.flags = dns.flags.Flag(dns.flags.CD)
    found = reading(query.to_wire())
    assert (found.recursion_desired, found.checking_disabled) == (False, True)


@pytest.mark.parametrize(
    ("options", "edns"),
    [
        ({}, None),
        ({"use_edns": 0, "payload": 1400}, Edns(1400, 0, False, False)),
        ({"use_edns": 0, "payload": 100}, Edns(512, 0, False, False)),
        ({"use_edns": 0, "payload": 4096, "want_dnssec": True}, Edns(4096, 0, True, False)),
        ({"use_edns": 1, "payload": 512}, Edns(512, 1, False, False)),
        ({"use_edns": 0, "payload": 1232, "options": [dns.edns.GenericOption(10, b"12345678")]},
         Edns(1232, 0, False, True)),
    ],
)  # fmt: skip
def test_edns(options: dict[str, object], edns: Edns | None) -> None:
    assert reading(made(**options).to_wire()).edns == edns


def test_a_signature_beside_edns_is_passed_over() -> None:
    """Additional records that are no OPT mean nothing to a server without keys."""
    data = bytearray(made(use_edns=0, payload=1232).to_wire())
    data[11] = 2
    data += b"\x03key\xc0\x0c\0\xfa\0\xff\0\0\0\0\0\2ab"
    assert reading(bytes(data)).edns == Edns(1232, 0, False, False)


HEADER = b"\0\1\1\0\0\1\0\0\0\0\0\0"
QUESTION = b"\x03web\0\0\1\0\1"
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"


def header(questions: int = 1, answers: int = 0, authority: int = 0, additional: int = 0) -> bytes:
    return b"\0\1\1\0" + bytes([0, questions, 0, answers, 0, authority, 0, additional])


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("no question", header(0)),
        ("two questions (RFC 9619)", header(2) + QUESTION + QUESTION),
        ("an answer section", header(answers=1) + QUESTION + QUESTION),
        ("an authority section", header(authority=1) + QUESTION + QUESTION),
        ("no end of the name", HEADER + b"\x03web"),
        ("a label that breaks off", HEADER + b"\x05web"),
        ("no type and class", HEADER + b"\x03web\0\0\1"),
        ("a pointer", HEADER + b"\x03web\xc0\x0c\0\1\0\1"),
        ("a pointer to the header", HEADER + b"\xc0\x00\0\1\0\1"),
        ("a label of the reserved kind", HEADER + b"\x41web\0\0\1\0\1"),
        ("a name of 256 bytes", HEADER + (b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"a" * 62 + b"\0" + b"\0\1\0\1"),
        ("bytes after the end", HEADER + QUESTION + b"\0"),
        ("fewer additional records than it says", header(additional=1) + QUESTION),
        ("an OPT that breaks off", header(additional=1) + QUESTION + OPT[:-1]),
        ("two OPT (RFC 6891 6.1.1)", header(additional=2) + QUESTION + OPT + OPT),
        ("an OPT with a name", header(additional=1) + QUESTION + b"\1a" + OPT),
        ("an OPT with a pointer as its name", header(additional=1) + QUESTION + b"\xc0\x0c" + OPT[1:]),
        ("an option without length", header(additional=1) + QUESTION + OPT[:-1] + b"\2\0\x0a"),
        ("an option that breaks off", header(additional=1) + QUESTION + OPT[:-1] + b"\5\0\x0a\0\2x"),
        ("a record with a name that breaks off", header(additional=1) + QUESTION + b"\5a"),
        ("a record with a label of the reserved kind", header(additional=1) + QUESTION + b"\x80" + OPT),
    ],
)  # fmt: skip
def test_what_is_malformed_gets_formerr(what: str, data: bytes) -> None:
    assert read(data) == Unreadable(1, 0x0100, Rcode.FORMERR)


def test_the_longest_name_and_the_longest_label_are_fine() -> None:
    name = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0"
    assert len(name) == 255
    assert len(reading(HEADER + name + b"\0\1\0\1").question.name) == 4


@pytest.mark.parametrize("data", [b"", b"\0" * 11, b"\0\1\x81\0" + HEADER[4:] + QUESTION, b"\0\1\x80\0"])
def test_what_must_not_be_answered(data: bytes) -> None:
    """An answer to an answer would go on for ever."""
    assert read(data) is None


@pytest.mark.parametrize("opcode", [1, 2, 4, 5, 15])
def test_other_operations_are_not_implemented(opcode: int) -> None:
    found = read(b"\0\7" + bytes([opcode << 3 | 1, 0]) + HEADER[4:] + QUESTION)
    assert isinstance(found, Unreadable)
    assert found.rcode == Rcode.NOTIMP
    answer = dns.message.from_wire(refusal(found), one_rr_per_rrset=True)
    assert (answer.id, answer.rcode(), int(answer.opcode())) == (7, Rcode.NOTIMP, opcode)


def test_a_refusal_is_an_answer_with_the_number() -> None:
    answer = dns.message.from_wire(refusal(Unreadable(9, 0x0110, Rcode.FORMERR)))
    assert (answer.id, answer.rcode()) == (9, Rcode.FORMERR)
    assert answer.flags & ~0xF == dns.flags.QR | dns.flags.RD


def test_every_byte_of_a_query_may_be_wrong() -> None:
    whole = made(use_edns=0, payload=1232, options=[dns.edns.GenericOption(10, b"12345678")]).to_wire()
    for data in damaged(whole):
        found = read(data)
        assert found is None or isinstance(found, Query | Unreadable)


@given(st.binary(max_size=80))
def test_any_bytes_are_survived(data: bytes) -> None:
    found = read(data)
    if isinstance(found, Unreadable):
        assert refusal(found)[:2] == data[:2]


@given(st.binary(max_size=80))
def test_any_bytes_after_a_header_are_survived(data: bytes) -> None:
    found = read(header(additional=1) + data)
    assert isinstance(found, Query | Unreadable)


LABEL = st.text("abcxyz019-_", min_size=1, max_size=63)
NAMES = st.lists(LABEL, max_size=3).map(tuple)


@given(NAMES, st.integers(1, 65535), st.integers(0, 65535), st.sampled_from([0, 512, 4096]), st.booleans())
def test_what_is_written_is_read(name: tuple[str, ...], kind: int, number: int, size: int, wanted: bool) -> None:
    data = encode_query(Question(name, kind), number=number, edns_size=size, recursion_desired=wanted)
    found = reading(data)
    assert (found.question, found.number, found.recursion_desired) == (Question(name, kind), number, wanted)
    assert found.edns == (Edns(size, 0, False, False) if size else None)
    theirs = dns.message.from_wire(data).question[0]
    assert (tuple(label.decode() for label in theirs.name.labels[:-1]), int(theirs.rdtype)) == (name, kind)
