"""Finished answers, kept as bytes by their query: most queries are one look-up in a dictionary.

What many clients send alike is kept by the whole message after its number. Everything else, with letters in both
cases or options that differ each time, is kept by what was read of it, and the asker's own question is put in. An
answer goes when its service changes; none expires by time.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import cycle, repeat
from typing import Final, TypeAlias

from mcnet.codec import dns, dns_answer
from mcnet.codec.dns import HEADER, Query, Unreadable
from mcnet.codec.dns_answer import TCP_LIMIT
from mcnet.dns.counts import Counts, Tally
from mcnet.model.dns import Answer, Name, Question, Rcode
from mcnet.plan.dns_answer import ELSEWHERE, answer, concern
from mcnet.plan.dns_zone import Key, Service, Zone

MOST: Final = 100_000
"""Answers that are kept, some 50 MB; at one more all are forgotten: only names that nobody has are that many."""
TURNS: Final = 8
"""Orders in which the records of one answer are sent, one after the other."""
_NUMBER: Final = 2
"""Bytes of a message's number, which are not kept."""

Found: TypeAlias = tuple[Callable[[], bytes], Tally]
"""What gives the answer without its number, in the next order of its records; and where it is counted."""
Asked: TypeAlias = bytes | tuple[Question, bool, bool, int, bool, bool]
"""A message without its number; or all that an answer depends on: the question, RD, CD, the limit, whether there is
EDNS, DO."""


class Answers:
    """Answers from a zone that changes. `known` is for the UDP server's innermost loop, to be read alone."""

    def __init__(self, counts: Counts, *, most: int = MOST) -> None:
        self._counts = counts
        self._most = most
        self._zone: Zone | None = None
        self.known: dict[Asked, Found] = {}
        self._concerned: dict[str, dict[str, list[Asked]]] = {}
        """Namespace -> service -> what is kept of it."""

    @property
    def zone(self) -> Zone | None:
        """None before the first change."""
        return self._zone

    def change(self, services: Mapping[Key, Service | None], namespaces: Iterable[str]) -> None:
        """Answer by these services from now on (None: it is gone); the first call ends the time of SERVFAIL."""
        before = self._zone or Zone()
        self._zone = before.changed(services, namespaces)
        for namespace, service in (*services, ELSEWHERE):
            self._forget(self._concerned.get(namespace, {}).pop(service, ()))
        for namespace in before.namespaces ^ self._zone.namespaces:
            for asked in self._concerned.pop(namespace, {}).values():
                self._forget(asked)

    def udp(self, data: bytes) -> bytes | None:
        """The answer to a datagram that is not in `known`; None for what gets none."""
        query = dns.read(data)
        if not isinstance(query, Query):
            return self._unread(query)
        alike = query.raw[:-4].islower() and not (query.edns and query.edns.options)
        return self._answer(query, dns_answer.udp_limit(query), data[_NUMBER:] if alike else b"")

    def tcp(self, data: bytes) -> bytes | None:
        """The answer to a message by TCP; None for what gets none."""
        query = dns.read(data)
        return self._answer(query, TCP_LIMIT, b"") if isinstance(query, Query) else self._unread(query)

    def _unread(self, query: Unreadable | None) -> bytes | None:
        if query is None:
            return None
        self._counts.tally(None, query.rcode)[0] += 1
        return dns.refusal(query)

    def _answer(self, query: Query, limit: int, message: bytes) -> bytes:
        """`message` is by what it will be kept, b"" if by what was read of it."""
        edns = query.edns
        asked: Asked = message or (
            query.question, query.recursion_desired, query.checking_disabled,
            limit, edns is not None, edns is not None and edns.dnssec_ok,
        )  # fmt: skip
        following, tally = (not message and self.known.get(asked)) or self._make(query, limit, asked)
        tally[0] += 1
        kept = following()
        end = HEADER - _NUMBER + len(query.raw)
        return query.number.to_bytes(_NUMBER) + kept[: HEADER - _NUMBER] + query.raw + kept[end:]

    def _make(self, query: Query, limit: int, asked: Asked) -> Found:
        kind, edns = query.question.type, query.edns
        if edns and edns.version:
            made = Answer(Rcode.BADVERS, authoritative=False)
        else:
            made = answer(self._zone, query.question)
        found = _in_turn(query, made, limit), self._counts.tally(kind, made.rcode)
        if made.authoritative:  # the others: what is not ours, and SERVFAIL before the first list
            self._keep(asked, query.question.name, found)
        return found

    def _keep(self, asked: Asked, name: Name, found: Found) -> None:
        if len(self.known) >= self._most:
            self.known.clear()
            self._concerned.clear()
        self.known[asked] = found
        namespace, service = concern(name)
        self._concerned.setdefault(namespace, {}).setdefault(service, []).append(asked)

    def _forget(self, gone: Iterable[Asked]) -> None:
        for asked in gone:
            self.known.pop(asked, None)


def _in_turn(query: Query, made: Answer, limit: int) -> Callable[[], bytes]:
    """The answer without its number; of several records, another one first each time."""
    count = len(made.answers)
    turns = min(count, TURNS) or 1
    variants = [
        dns_answer.encode(query, made, limit, turn=number * count // turns)[_NUMBER:] for number in range(turns)
    ]
    return cycle(variants).__next__ if turns > 1 else repeat(variants[0]).__next__
