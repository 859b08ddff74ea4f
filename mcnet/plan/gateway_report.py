"""What a gateway reports of its cables: state, reason, cause, since when. Pure; times are arguments."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from mcnet.model.gateway import Cable, CableState, Cause, Gateway, RoundTrip
from mcnet.model.probe import Mark, PathHealth
from mcnet.model.traffic import Throughput
from mcnet.plan.choice import Health
from mcnet.plan.damping import hold
from mcnet.plan.gateway import Standing

DIRECT: Final = "direct"
NAT: Final = "nat"
"""Ways of a cable: to the address that the other gateway published, or to another one that its packets come from."""


def health_of(path: PathHealth | None) -> Health:
    """What the planner makes of a prober's record; None is a path that has no record yet."""
    if path is None:
        return Health.UNKNOWN
    return Health.HELD if path.held_until else Health(path.state)


def cables(
    standings: Iterable[Standing],
    health: Mapping[str, PathHealth],
    published: Iterable[Cable],
    now: str,
    rates: Mapping[str, Throughput] = MappingProxyType({}),
) -> tuple[Cable, ...]:
    """One entry per remote gateway, sorted; `since` is kept from what was published while the state is the same.

    `now` is an RFC 3339 time, `rates` are by the remote Endpoint's name.
    """
    before = {(cable.cluster, cable.gateway): cable for cable in published}
    made = []
    for standing in standings:
        cable = replace(_cable(standing, health), throughput=rates.get(standing.path.endpoint.name))
        old = before.get((cable.cluster, cable.gateway))
        same = old is not None and old.state is cable.state and old.since
        made.append(replace(cable, since=old.since if same and old is not None else now))
    return tuple(sorted(made, key=lambda cable: (cable.cluster, cable.rail)))


def differ(wanted: Gateway, published: Gateway) -> bool:
    """Whether anything but measurements (round trip, loss, throughput) differs: worth a write at once."""
    return _plain(wanted) != _plain(published)


def _plain(report: Gateway) -> Gateway:
    bare = (replace(cable, round_trip=None, loss=0.0, throughput=None) for cable in report.cables)
    return replace(report, cables=tuple(bare))


def _cable(standing: Standing, health: Mapping[str, PathHealth]) -> Cable:
    """Measurements are those of the first family inside; the state is that of the worst."""
    endpoint = standing.path.endpoint
    by_family = {family: health.get(standing.path.probe(family)) for family in standing.path.families}
    state, cause, reason = _state(standing, by_family)
    path = next(iter(by_family.values()), None)
    return Cable(
        cluster=endpoint.cluster,
        gateway=endpoint.gateway,
        rail=endpoint.rail,
        state=state,
        driver=standing.path.driver,
        device=standing.path.device,
        userspace=standing.userspace,
        local_address=standing.path.local,
        remote_address=standing.seen_at[0] if standing.seen_at else standing.path.remote,
        path=NAT if standing.seen_at or _is_public(standing) else DIRECT,
        round_trip=_round_trip(path),
        loss=path.loss if path is not None else 0.0,
        active=standing.active,
        reason=reason,
        cause=cause,
        mtu=standing.carries,
        share=standing.share,
    )


def _state(standing: Standing, by_family: Mapping[int, PathHealth | None]) -> tuple[CableState, Cause, str]:
    if standing.path.problem:
        return CableState.ERROR, Cause.SETTINGS, standing.path.problem
    found = {family: health_of(path) for family, path in by_family.items()}
    down = [family for family, health in found.items() if health is Health.DOWN]
    name = standing.path.endpoint.name
    held = [path.falls for path in by_family.values() if path is not None and path.held_until]
    if held and not down:
        return (
            CableState.ERROR,
            Cause.FLAPPING,
            f"{name} answers probes again, but went down {held[0]} times, a short while up in between: it carries "
            f"traffic again once it has answered for {hold(held[0]):g} seconds, or where nothing else does",
        )
    if down and len(down) < len(found):
        return (
            CableState.ERROR,
            Cause.ONE_FAMILY,
            f"{name} answers probes, but not those in IPv{down[0]}: IPv{down[0]} is switched off on one of the two "
            f"gateways, or a firewall drops ICMP there; its IPv{down[0]} traffic takes no way over this cable",
        )
    obstacle = standing.path.obstacle
    if down:
        return (
            CableState.ERROR,
            Cause.NO_WAY if obstacle else Cause.SILENT,
            obstacle
            or f"{name} does not answer probes at {standing.path.remote}: its link, its node or the way between "
            "is down, or a firewall drops the cable port",
        )
    if Health.UNKNOWN in found.values():
        return (
            CableState.CONNECTING,
            Cause.NO_WAY if obstacle else Cause.WAITING,
            obstacle or "no probe has been answered yet",
        )
    return CableState.CONNECTED, *_why_unused(standing)


def _why_unused(standing: Standing) -> tuple[Cause, str]:
    endpoint = standing.path.endpoint
    if standing.active:
        return Cause.ANSWERS, ""
    if standing.mark is Mark.ISOLATED:
        cause, why = Cause.ISOLATED, "no other node of its cluster answers it"
    elif endpoint.weight == 0:
        cause, why = Cause.DRAINS, "it drains"
    elif standing.mark is Mark.SPARE:
        cause, why = Cause.SPARE, "it drains, or that its way to the nodes of its cluster comes and goes"
    else:
        return Cause.NONE, ""
    return cause, f"{endpoint.name} says that {why}: nothing is sent by it while a better gateway is there"


def _is_public(standing: Standing) -> bool:
    """Whether the cable goes to the public address."""
    return standing.path.remote is not None and standing.path.remote not in standing.path.endpoint.private_addresses


def _round_trip(path: PathHealth | None) -> RoundTrip | None:
    if path is None or path.rtt_last is None:
        return None
    return RoundTrip(
        last=path.rtt_last,
        minimum=path.rtt_min or path.rtt_last,
        average=path.rtt_avg or path.rtt_last,
        maximum=path.rtt_max or path.rtt_last,
        deviation=path.rtt_stddev or 0.0,
    )
