"""Answers as dnspython reads them: the same records, short enough, the question as it was asked."""

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.dns import Edns, Query, encode_query, read
from mcnet.codec.dns_answer import TCP_LIMIT, UDP_LIMIT, encode, turned, udp_limit
from mcnet.model.dns import (
    Answer,
    Data,
    Name,
    Ns,
    Ptr,
    Question,
    Rcode,
    Record,
    Soa,
    Srv,
    Txt,
    Type,
    type_of,
)

ZONE = ("clusterset", "local")
WEB: Name = ("web", "shop", "svc", *ZONE)


def query(name: Name = WEB, kind: int = Type.A, **options: Any) -> Query:
    found = read(encode_query(Question(name, kind), **options))
    assert isinstance(found, Query)
    return found


def records(name: Name, *data: Data) -> tuple[Record, ...]:
    return tuple(Record(name, 5, one) for one in data)


def text(name: Name) -> str:
    return ".".join(name) + "."


def as_text(data: Data) -> str:
    match data:
        case Srv(priority, weight, port, target):
            return f"{priority} {weight} {port} {text(target)}"
        case Ns(target) | Ptr(target):
            return text(target)
        case Txt(words):
            return f'"{words}"'
        case Soa() as soa:
            times = f"{soa.serial} {soa.refresh} {soa.retry} {soa.expire} {soa.minimum}"
            return f"{text(soa.server)} {text(soa.mailbox)} {times}"
        case _:
            return dns.rdata.from_text("IN", type_of(data).name, str(data)).to_text()  # addresses in its spelling


def lines(section: tuple[Record, ...]) -> list[str]:
    return [f"{text(one.name)} {one.ttl} IN {one.type.name} {as_text(one.data)}" for one in section]


def parsed(data: bytes) -> dns.message.Message:
    return dns.message.from_wire(data, one_rr_per_rrset=True)


def read_lines(section: Any) -> list[str]:
    return [line for rrset in section for line in rrset.to_text().splitlines()]


SOA = Record(ZONE, 5, Soa(("ns", "dns", *ZONE), ("hostmaster", *ZONE), 1, 7200, 1800, 86400, 5))
HOST: Name = ("db-0", "west", *WEB)
EVERY = Answer(
    Rcode.NOERROR,
    records(WEB, IPv4Address("10.1.2.3"), IPv6Address("fd00::1"), Srv(0, 100, 80, HOST), Ns(HOST), Txt("1.0.0"))
    + records(("5", "in-addr", "arpa"), Ptr(WEB)),
    (SOA,),
    records(HOST, IPv4Address("10.9.0.1")),
)


def test_every_kind_of_record_is_read_as_it_was_meant() -> None:
    answer = parsed(encode(query(), EVERY, TCP_LIMIT))
    assert read_lines(answer.answer) == lines(EVERY.answers)
    assert read_lines(answer.authority) == lines(EVERY.authority)
    assert read_lines(answer.additional) == lines(EVERY.additional)
    assert (answer.rcode(), answer.flags) == (Rcode.NOERROR, dns.flags.QR | dns.flags.AA | dns.flags.RD)


def test_owner_names_are_two_bytes() -> None:
    alone = encode(query(), Answer(Rcode.NOERROR), TCP_LIMIT)
    assert (
        len(encode(query(), Answer(Rcode.NOERROR, records(WEB, IPv4Address("10.1.2.3"))), TCP_LIMIT))
        == len(alone) + 16
    )


def test_the_target_of_srv_is_not_compressed() -> None:
    """RFC 2782."""
    data = encode(query(), Answer(Rcode.NOERROR, records(WEB, Srv(0, 1, 80, WEB))), TCP_LIMIT)
    assert data.endswith(b"\x03web\x04shop\x03svc\x0aclusterset\x05local\0")


def test_letters_of_the_question_come_back() -> None:
    data = encode_query(Question(("WeB", *WEB[1:]), Type.A))
    found = read(data)
    assert isinstance(found, Query)
    answer = parsed(encode(found, Answer(Rcode.NOERROR, records(WEB, IPv4Address("10.1.2.3"))), TCP_LIMIT))
    assert answer.question[0].name.to_text() == "WeB.shop.svc.clusterset.local."
    assert answer.answer[0].name.to_text() == "WeB.shop.svc.clusterset.local."


@pytest.mark.parametrize(
    ("edns", "limit"),
    [(None, 512), (Edns(512, 0, False, False), 512), (Edns(1000, 0, False, False), 1000),
     (Edns(65535, 0, False, False), UDP_LIMIT)],
)  # fmt: skip
def test_the_limit_by_udp(edns: Edns | None, limit: int) -> None:
    assert udp_limit(Query(1, True, False, b"", Question((), 1), edns)) == limit


MANY = Answer(
    Rcode.NOERROR,
    tuple(Record(WEB, 5, IPv4Address(number)) for number in range(200)),
    additional=records(HOST, IPv4Address(1)),
)


@pytest.mark.parametrize(("size", "limit"), [(0, 512), (512, 512), (1232, 1232), (4096, 1232)])
def test_what_does_not_fit_is_cut_and_says_so(size: int, limit: int) -> None:
    asked = query(edns_size=size)
    data = encode(asked, MANY, udp_limit(asked))
    assert limit - 16 < len(data) <= limit
    answer = parsed(data)
    assert answer.flags & dns.flags.TC
    assert read_lines(answer.answer) == lines(MANY.answers)[: len(answer.answer)]
    assert answer.additional == []


def test_a_whole_answer_by_tcp_says_nothing_of_cutting() -> None:
    answer = parsed(encode(query(), MANY, TCP_LIMIT))
    assert not answer.flags & dns.flags.TC
    assert len(answer.answer) == 200


def test_a_lack_of_room_for_additional_records_is_no_truncation() -> None:
    """RFC 2181 9."""
    big = Answer(Rcode.NOERROR, records(WEB, IPv4Address(1)), additional=MANY.answers)
    answer = parsed(encode(query(), big, 512))
    assert not answer.flags & dns.flags.TC
    assert 0 < len(answer.additional) < 200


def test_negative_answers_that_do_not_fit_are_cut_too() -> None:
    answer = parsed(encode(query(), Answer(Rcode.NXDOMAIN, authority=(SOA,)), 60))
    assert answer.flags & dns.flags.TC
    assert answer.rcode() == Rcode.NXDOMAIN


def test_edns_is_answered_with_edns() -> None:
    asked = read(dns.message.make_query(text(WEB), "A", use_edns=0, payload=4096, want_dnssec=True).to_wire())
    assert isinstance(asked, Query)
    answer = parsed(encode(asked, EVERY, TCP_LIMIT))
    assert (answer.edns, answer.payload, int(answer.ednsflags)) == (0, UDP_LIMIT, dns.flags.DO)
    assert parsed(encode(query(), EVERY, TCP_LIMIT)).edns == -1


def test_an_unknown_version_of_edns_is_told() -> None:
    asked = query(edns_size=1232)
    answer = parsed(encode(asked, Answer(Rcode.BADVERS, authoritative=False), 512))
    assert answer.rcode() == dns.rcode.BADVERS
    assert not answer.flags & dns.flags.AA


def test_a_name_too_far_from_the_beginning_is_not_pointed_to() -> None:
    """A pointer has 14 bits (RFC 1035 4.1.4)."""
    names = [(f"host-{number}", "west", *WEB) for number in range(900)]
    big = Answer(Rcode.NOERROR, tuple(Record(name, 5, IPv4Address(1)) for name in names for _ in range(2)))
    data = encode(query(), big, TCP_LIMIT)
    assert len(data) > 0x4000
    assert read_lines(parsed(data).answer) == lines(big.answers)


@given(st.integers(0, 300), st.integers(0, 300))
def test_turning_keeps_all_records(count: int, turn: int) -> None:
    given = MANY.answers[: count % 12]
    assert sorted(turned(given, turn), key=str) == sorted(given, key=str)


def test_each_record_is_first_in_turn() -> None:
    assert {turned(MANY.answers[:3], turn)[0] for turn in range(3)} == set(MANY.answers[:3])


LABEL = st.text("abcxyz019-", min_size=1, max_size=20)
NAMES = st.lists(LABEL, min_size=1, max_size=3).map(lambda labels: (*labels, *ZONE)) | st.just(WEB)
DATA = st.one_of(
    st.integers(0, 2**32 - 1).map(IPv4Address),
    st.integers(0, 2**128 - 1).map(IPv6Address),
    st.builds(Srv, st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 65535), NAMES),
    st.builds(Ns, NAMES),
    st.builds(Ptr, NAMES),
    st.text("abc 019.", max_size=255).map(Txt),
    st.builds(Soa, NAMES, NAMES, *[st.integers(0, 2**32 - 1)] * 5),
)
RECORDS = st.lists(st.builds(Record, NAMES, st.integers(0, 2**31 - 1), DATA), max_size=30).map(tuple)


@given(
    NAMES, st.tuples(RECORDS, RECORDS, RECORDS), st.sampled_from([512, 1232, TCP_LIMIT]), st.sampled_from([0, 1232])
)
def test_dnspython_reads_what_was_meant(
    name: Name, sections: tuple[tuple[Record, ...], ...], limit: int, size: int
) -> None:
    data = encode(query(name, edns_size=size), Answer(Rcode.NOERROR, *sections), limit)
    assert len(data) <= limit
    answer = parsed(data)
    for theirs, ours in zip((answer.answer, answer.authority, answer.additional), sections, strict=True):
        found = read_lines(theirs)
        assert found == lines(ours)[: len(found)]
    cut = bool(answer.flags & dns.flags.TC)
    assert cut or (len(answer.answer), len(answer.authority)) == (len(sections[0]), len(sections[1]))
