"""What a gateway reports of its cables: state, reason, since when. Pure; times are arguments."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mcnet.model.gateway import Cable, CableState, RoundTrip
from mcnet.plan.choice import Health
from mcnet.plan.gateway import Standing
from mcnet.plan.health import PathHealth
from mcnet.plan.vxlan_cable import NAME


def health_of(path: PathHealth | None) -> Health:
    """What the planner makes of a prober's record; None is a path that has no record yet."""
    return Health.UNKNOWN if path is None else Health(path.state)


def cables(
    standings: Iterable[Standing], health: Mapping[str, PathHealth], published: Iterable[Cable], now: str
) -> tuple[Cable, ...]:
    """One entry per remote gateway, sorted; `since` is kept from what was published while the state is the same.

    `now` is an RFC 3339 time.
    """
    before = {(cable.cluster, cable.gateway): cable for cable in published}
    made = []
    for standing in standings:
        cable = _cable(standing, health.get(standing.path.endpoint.name))
        old = before.get((cable.cluster, cable.gateway))
        same = old is not None and old.state is cable.state and old.since
        made.append(replace(cable, since=old.since if same and old is not None else now))
    return tuple(sorted(made, key=lambda cable: (cable.cluster, cable.rail)))


def differ(wanted: tuple[Cable, ...], published: tuple[Cable, ...]) -> bool:
    """Whether anything but measurements (round trip, loss) differs: worth a write at once."""
    return [_plain(cable) for cable in wanted] != [_plain(cable) for cable in published]


def _plain(cable: Cable) -> Cable:
    return replace(cable, round_trip=None, loss=0.0)


def _cable(standing: Standing, path: PathHealth | None) -> Cable:
    endpoint = standing.path.endpoint
    state, reason = _state(standing, path)
    return Cable(
        cluster=endpoint.cluster,
        gateway=endpoint.gateway,
        rail=endpoint.rail,
        state=state,
        driver=NAME,
        local_address=standing.path.local,
        remote_address=standing.path.remote,
        round_trip=_round_trip(path),
        loss=path.loss if path is not None else 0.0,
        active=standing.active,
        reason=reason,
    )


def _state(standing: Standing, path: PathHealth | None) -> tuple[CableState, str]:
    if standing.path.problem:
        return CableState.ERROR, standing.path.problem
    match health_of(path):
        case Health.UP:
            return CableState.CONNECTED, ""
        case Health.UNKNOWN:
            return CableState.CONNECTING, "no probe has been answered yet"
        case Health.DOWN:
            name = standing.path.endpoint.name
            return (
                CableState.ERROR,
                f"{name} does not answer probes at {standing.path.remote}: its link, its node or the way between "
                "is down, or a firewall drops the cable port",
            )


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
