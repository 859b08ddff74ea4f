"""The cache of finished answers: it never changes what is answered, only how fast."""

from collections.abc import Iterable
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.dns import Query, encode_query, read
from mcnet.codec.dns_answer import encode, udp_limit
from mcnet.dns.answers import TURNS, Answers
from mcnet.dns.counts import Counts
from mcnet.model.dns import ZONE, Question, Type
from mcnet.plan.dns_answer import answer
from tests.fakes.dns_zones import zone_of
from tests.fakes.imports import endpoint, headless_object, import_object, slice_object

WEB = import_object("web", "shop", ips=["10.1.2.3"])
DB = headless_object("db", "shop")


def west(count: int) -> dict[str, Any]:
    return slice_object(
        "db-w", "shop", "db", "west", [endpoint(f"10.9.0.{number}") for number in range(1, count + 1)]
    )


class Server:
    """Answers by UDP the way the innermost loop of the server does."""

    def __init__(self, *objects: dict[str, Any], namespaces: Iterable[str] = ("shop",), most: int = 1000) -> None:
        self.counts = Counts()
        self.answers = Answers(self.counts, most=most)
        self.missed = 0
        if objects:
            self.change(*objects, namespaces=namespaces)

    def change(self, *objects: dict[str, Any], namespaces: Iterable[str] = ("shop",)) -> None:
        before = self.answers.zone.services if self.answers.zone else {}
        after = zone_of(*objects).services
        changes = {key: after.get(key) for key in {*before, *after} if before.get(key) != after.get(key)}
        self.answers.change(changes, namespaces)

    def udp(self, data: bytes) -> bytes | None:
        found = self.answers.known.get(data[2:])
        if found is None:
            self.missed += 1
            return self.answers.udp(data)
        following, tally = found
        tally[0] += 1
        return data[:2] + following()

    def ask(self, name: str, kind: str = "A", **options: Any) -> dns.message.Message:
        given = self.udp(dns.message.make_query(f"{name}.clusterset.local", kind, **options).to_wire())
        assert given is not None
        return dns.message.from_wire(given)


def addresses(found: dns.message.Message) -> list[str]:
    return [str(record) for rrset in found.answer for record in rrset]


def test_the_same_question_is_looked_up_with_its_own_number() -> None:
    server = Server(WEB)
    assert [server.ask("web.shop.svc", id=number).id for number in (1, 2, 65535)] == [1, 2, 65535]
    assert server.missed == 1
    assert addresses(server.ask("web.shop.svc")) == ["10.1.2.3"]


def test_letters_come_back_as_they_were_asked() -> None:
    """Resolvers mix them to make forged answers harder (draft-vixie-dnsext-dns0x20)."""
    server = Server(WEB)
    for name in ("WEB.shop.svc", "web.SHOP.svc", "WeB.sHoP.SvC", "web.shop.svc"):
        found = server.ask(name)
        assert found.question[0].name.to_text().startswith(name)
        assert found.answer[0].name == found.question[0].name
        assert addresses(found) == ["10.1.2.3"]
    assert len(server.answers.known) == 2, "one for all mixtures, one for plain letters"


def test_options_that_differ_each_time_fill_nothing() -> None:
    server = Server(WEB)
    for number in range(5):
        cookie = dns.edns.GenericOption(10, number.to_bytes(8))
        assert addresses(server.ask("web.shop.svc", use_edns=0, options=[cookie])) == ["10.1.2.3"]
    assert len(server.answers.known) == 1


def test_what_an_answer_depends_on_keeps_answers_apart() -> None:
    server = Server(DB, west(60))
    short, long = server.ask("db.shop.svc"), server.ask("db.shop.svc", use_edns=0, payload=1232)
    assert (len(addresses(short)), len(addresses(long)), long.edns, short.edns) == (29, 60, 0, -1)
    for mixed in ("DB.shop.svc", "Db.shop.svc"):
        assert len(addresses(server.ask(mixed))) == 29
        assert len(addresses(server.ask(mixed, use_edns=0, payload=1232))) == 60
    checking = server.ask("db.shop.svc", flags=dns.flags.CD)
    assert (checking.flags & dns.flags.CD, checking.flags & dns.flags.RD) == (dns.flags.CD, 0)


def test_each_record_comes_first_in_turn() -> None:
    server = Server(DB, west(3))
    assert {addresses(server.ask("db.shop.svc"))[0] for _ in range(3)} == {"10.9.0.1", "10.9.0.2", "10.9.0.3"}


def test_many_records_come_in_some_orders_only() -> None:
    server = Server(DB, west(100))
    orders = {tuple(addresses(server.ask("db.shop.svc"))) for _ in range(100)}
    assert len(orders) == TURNS


def test_aaaa_does_not_move_the_turn_of_a() -> None:
    server = Server(DB, west(2))
    first = [addresses(server.ask("db.shop.svc"))[0] for _ in range(4)]
    server = Server(DB, west(2))
    paired = []
    for _ in range(4):
        paired.append(addresses(server.ask("db.shop.svc"))[0])
        server.ask("db.shop.svc", "AAAA")
    assert first == paired
    assert len(set(first)) == 2


def test_servfail_ends_with_the_first_list() -> None:
    server = Server()
    assert server.ask("web.shop.svc").rcode() == dns.rcode.SERVFAIL
    assert not server.answers.known
    server.change(WEB)
    assert addresses(server.ask("web.shop.svc")) == ["10.1.2.3"]


def test_a_change_of_a_service_forgets_what_was_said_of_it_alone() -> None:
    server = Server(WEB, DB, west(2))
    for name in ("web.shop.svc", "WEB.shop.svc", "x.web.shop.svc", "db.shop.svc"):
        server.ask(name)
    server.change(import_object("web", "shop", ips=["10.1.2.9"]), DB, west(2))
    assert addresses(server.ask("web.shop.svc")) == addresses(server.ask("WEB.shop.svc")) == ["10.1.2.9"]
    server.missed = 0
    server.ask("db.shop.svc")
    assert server.missed == 0


def test_a_service_that_comes_ends_what_was_denied() -> None:
    server = Server(DB)
    assert server.ask("web.shop.svc").rcode() == dns.rcode.NXDOMAIN
    server.change(DB, WEB)
    assert addresses(server.ask("web.shop.svc")) == ["10.1.2.3"]
    server.change(DB)
    assert server.ask("web.shop.svc").rcode() == dns.rcode.NXDOMAIN


def test_a_namespace_that_comes_ends_what_was_denied() -> None:
    server = Server(WEB)
    assert server.ask("later.svc").rcode() == dns.rcode.NXDOMAIN
    server.change(WEB, namespaces=["shop", "later"])
    assert server.ask("later.svc").rcode() == dns.rcode.NOERROR
    server.change(WEB, namespaces=["shop"])
    assert server.ask("later.svc").rcode() == dns.rcode.NXDOMAIN


def test_names_of_addresses_follow_too() -> None:
    server = Server(WEB)
    query = dns.message.make_query("3.2.1.10.in-addr.arpa", "PTR").to_wire()
    first = server.udp(query)
    server.change(import_object("other", "shop", ips=["10.1.2.3"]))
    second = server.udp(query)
    assert first is not None
    assert second is not None
    assert [addresses(dns.message.from_wire(each)) for each in (first, second)] == [
        ["web.shop.svc.clusterset.local."],
        ["other.shop.svc.clusterset.local."],
    ]


def test_names_without_end_do_not_fill_the_memory() -> None:
    server = Server(WEB, most=50)
    for number in range(500):
        server.ask(f"n{number}.shop.svc")
        server.ask(f"N{number}.shop.svc")
        assert len(server.answers.known) <= 50
    assert addresses(server.ask("web.shop.svc")) == ["10.1.2.3"]
    server.change()
    assert server.ask("web.shop.svc").rcode() == dns.rcode.NXDOMAIN


def test_what_is_not_ours_is_refused_and_not_kept() -> None:
    server = Server(WEB)
    query = dns.message.make_query("example.com", "A").to_wire()
    for _ in range(2):
        given = server.udp(query)
        assert given is not None
        assert dns.message.from_wire(given).rcode() == dns.rcode.REFUSED
    assert not server.answers.known


def test_an_unknown_version_of_edns_is_told() -> None:
    assert Server(WEB).ask("web.shop.svc", use_edns=1).rcode() == dns.rcode.BADVERS


@pytest.mark.parametrize("data", [b"", b"x" * 11, b"\0\1\x80\0" + bytes(8)])
def test_what_must_not_be_answered(data: bytes) -> None:
    server = Server(WEB)
    assert server.udp(data) is None
    assert server.answers.tcp(data) is None


def test_what_is_malformed_is_told_by_both() -> None:
    server = Server(WEB)
    for made in (server.udp(b"\0\1" + bytes(10)), server.answers.tcp(b"\0\1" + bytes(10))):
        assert made is not None
        assert dns.message.from_wire(made).rcode() == dns.rcode.FORMERR


def test_tcp_answers_are_whole() -> None:
    server = Server(DB, west(100))
    for name in ("db.shop.svc.clusterset.local", "DB.shop.svc.clusterset.local"):
        given = server.answers.tcp(dns.message.make_query(name, "A").to_wire())
        assert given is not None
        found = dns.message.from_wire(given)
        assert len(addresses(found)) == 100
        assert found.question[0].name.to_text() == f"{name}."


def test_every_query_is_counted() -> None:
    server = Server(WEB)
    for name in ("web.shop.svc", "web.shop.svc", "WEB.shop.svc", "nobody.shop.svc"):
        server.ask(name)
    server.ask("web.shop.svc", "HTTPS")
    server.udp(b"\0\1" + bytes(10))
    assert server.counts.queries == {
        ("A", "NOERROR"): 3, ("A", "NXDOMAIN"): 1, ("other", "NOERROR"): 1, ("other", "FORMERR"): 1,
    }  # fmt: skip


LABEL = st.sampled_from(["web", "WEB", "db", "shop", "Shop", "svc", "west", "_http", "_tcp", "other"])
STEP = st.sampled_from(
    [(WEB,), (DB, west(1)), (WEB, DB, west(3)), (WEB, import_object("other", "other", ips=["10.1.2.8"]))]
)
ASKED = st.tuples(
    st.lists(LABEL, max_size=5), st.sampled_from([Type.A, Type.SRV, Type.TXT]), st.sampled_from([0, 600])
)


@given(st.lists(STEP | ASKED, max_size=30))
def test_what_is_kept_is_what_would_be_made(steps: list[Any]) -> None:
    """Whatever changes between questions; answers of several records are compared as sets of orders."""
    server = Server(WEB, most=6)
    for step in steps:
        if isinstance(step[0], dict):
            server.change(*step)
            continue
        labels, kind, size = step
        data = encode_query(Question((*labels, *ZONE), kind), number=7, edns_size=size)
        query = read(data)
        assert isinstance(query, Query)
        made = answer(server.answers.zone, query.question)
        assert server.udp(data) in {encode(query, made, udp_limit(query), turn) for turn in range(4)}
