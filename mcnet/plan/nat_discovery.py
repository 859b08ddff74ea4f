"""By which of its addresses a remote gateway is reached: asked over both, decided by who answers. No I/O, no clock.

A gateway publishes its own address and, behind a NAT, a public one; both are signed, so that a datagram of this
protocol, which nobody authenticates, can only choose between them. The exchange and its timers are Submariner's
(pkg/natdiscovery; wire format: mcnet.codec.nat_discovery); unlike there, a path that dies is looked for again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from mcnet.codec.nat_discovery import NOWHERE, Party, Place, Request, Response, Result
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address
from mcnet.plan.outer_address import outer_family, public_of

RESEND: Final = 2.0
"""Seconds until an unanswered request is sent again."""
GIVE_UP: Final = 60.0
"""Seconds after which the published addresses decide, without an answer."""
UPGRADE: Final = 1.0
"""Seconds in which the private way is still taken after the public one has answered first."""


class Way(Enum):
    """Which of a peer's addresses."""

    PRIVATE = "private"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Peer:
    """A remote gateway as its Endpoint has it. `public` is None for one that published none."""

    party: Party
    private: Address
    public: Address | None
    port: int
    """UDP port of its NAT discovery."""

    def address(self, way: Way) -> Address | None:
        return self.private if way is Way.PRIVATE else self.public


@dataclass(frozen=True, slots=True)
class Path:
    """The way that was found. `translated`: something on the way changes addresses or ports. `seen` is where this
    gateway's own packets seem to come from, as the peer says: a hint, not a fact."""

    way: Way
    translated: bool
    answered: bool = True
    """False where nobody has answered and the published addresses decided."""
    seen: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Search:
    """The state of looking for the way to one peer."""

    since: float
    numbers: Mapping[Way, int] = field(default_factory=dict)
    """Of the last request by each way: only its answer counts."""
    sent: float | None = None
    path: Path | None = None
    found: float = 0.0


@dataclass(frozen=True, slots=True)
class Send:
    """A request to send."""

    request: Request
    to: Place


def tick(search: Search, peer: Peer, own: "Own", now: float) -> tuple[Search, tuple[Send, ...]]:
    """What is due at `now`: requests while nobody has answered, then the decision without them."""
    if search.path is not None:
        return search, ()
    if now - search.since >= GIVE_UP:
        return replace(search, path=_unanswered(peer), found=now), ()
    if search.sent is not None and now - search.sent < RESEND:
        return search, ()
    number = own.next_number(search)
    numbers = {way: number + at for at, way in enumerate(_ways(peer))}
    sends = tuple(
        Send(_request(own, peer, way, number), Place(peer.address(way), peer.port)) for way, number in numbers.items()
    )
    return replace(search, numbers=numbers, sent=now), sends


@dataclass(frozen=True, slots=True)
class Own:
    """This gateway: how it is called, and where it believes to send from. `first` is a random number of 63 bits, so
    that nobody beside the way can guess what is asked."""

    party: Party
    place: Place
    first: int

    def next_number(self, search: Search) -> int:
        return max(search.numbers.values(), default=self.first) + 1


def parties(
    own: Endpoint, endpoints: Iterable[Endpoint], *, port: int, first: int
) -> tuple[dict[int, Own], dict[str, Peer]]:
    """Who asks, by family of the outer address, and whom, by the Endpoint's name: the gateways of other clusters that
    share a family. `port` is that of NAT discovery, `first` where the numbers begin."""
    me: dict[int, Own] = {
        address.version: Own(Party(own.cluster, own.name), Place(address, port), first)
        for address in own.private_addresses
    }
    peers: dict[str, Peer] = {}
    for one in endpoints:
        family = outer_family(own, one)
        if one.cluster == own.cluster or family is None:
            continue
        private = next(address for address in one.private_addresses if address.version == family)
        peers[one.name] = Peer(Party(one.cluster, one.name), private, public_of(one, family), port)
    return me, peers


def _ways(peer: Peer) -> tuple[Way, ...]:
    return (Way.PRIVATE,) if peer.public in (None, peer.private) else (Way.PRIVATE, Way.PUBLIC)


def _request(own: Own, peer: Peer, way: Way, number: int) -> Request:
    return Request(number, own.party, peer.party, own.place, Place(peer.address(way), peer.port))


def _unanswered(peer: Peer) -> Path:
    """A peer that has published a public address is behind a NAT, else there would be no need for it."""
    way = Way.PUBLIC if Way.PUBLIC in _ways(peer) else Way.PRIVATE
    return Path(way, translated=way is Way.PUBLIC, answered=False)


def answered(
    search: Search, peer: Peer, own: Own, response: Response, *, came_from: Address, now: float
) -> tuple[Search, str]:
    """Take an answer into account; and why it was not, "" if it was.

    One over the private way must come from the private address: a stranger's machine with the same private address
    in another network would else be taken for the peer.
    """
    if (response.sender, response.receiver) != (peer.party, own.party):
        return search, "it is not the peer's answer to this gateway"
    way = next((way for way, number in search.numbers.items() if number == response.number), None)
    if way is None:
        return search, "nobody asked that, or it was asked again since"
    if response.result not in (Result.OK, Result.NAT_DETECTED):
        return search, f"the peer says {response.result.name.lower().replace('_', ' ')}"
    if way is Way.PRIVATE and came_from != peer.private:
        return search, f"it came from {came_from} instead of {peer.private}"
    if search.path is not None and not _is_better(search, way, now):
        return search, "the way is known already"
    path = Path(way, response.result is Result.NAT_DETECTED, seen=response.received_from)
    return replace(search, path=path, found=now), ""


def _is_better(search: Search, way: Way, now: float) -> bool:
    """The private way just after the public one: both were asked at once."""
    assert search.path is not None
    if not search.path.answered:
        return True
    return search.path.way is Way.PUBLIC and way is Way.PRIVATE and now - search.found <= UPGRADE


def again(search: Search, now: float) -> Search:
    """The path has died, or the peer's Endpoint has changed: look once more. Old answers don't count any more."""
    return Search(since=now, numbers={way: number + 1 for way, number in search.numbers.items()}, sent=None)


def answer(request: Request, own: Own, came_from: Place) -> Response:
    """What this gateway says to a request."""
    unknown = None
    if request.receiver.cluster != own.party.cluster:
        unknown = Result.UNKNOWN_CLUSTER
    elif request.receiver.endpoint != own.party.endpoint:
        unknown = Result.UNKNOWN_ENDPOINT
    source = request.source.address is not None and request.source.address != came_from.address
    port = request.source.port != came_from.port
    target = request.target.address is not None and request.target.address != own.place.address
    seen = Result.NAT_DETECTED if source or port or target else Result.OK
    return Response(
        request.number,
        unknown or seen,
        sender=own.party,
        receiver=request.sender,
        source_translated=source,
        port_translated=port,
        target_translated=target,
        received_from=came_from,
    )
