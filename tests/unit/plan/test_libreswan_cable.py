"""The libreswan driver: both ends fit together, whatever their rails, epochs and families; what pluto is asked."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model import ownership
from mcnet.model.cluster import ClusterSet, Identity
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Route
from mcnet.model.libreswan import IkeConnection, PlutoRequest, PlutoStatus, PlutoVerb
from mcnet.plan import cable, libreswan_cable
from mcnet.plan.cable import CablePath
from mcnet.plan.libreswan_cable import Secrets, connections, requests, with_secrets
from tests.fakes.identities import identity_of
from tests.fakes.worlds import EAST, EAST_0, NORTH, NORTH_0, WEST, WEST_0

OPTIONS = ClusterSet("libreswan")
ADDRESSES = {
    EAST: {"4": ip_address("192.168.1.1"), "6": ip_address("fd01::1")},
    WEST: {"4": ip_address("192.168.2.1"), "6": ip_address("fd02::1")},
}
PODS = {"4": ip_network("10.9.0.0/16"), "6": ip_network("fd09::/48")}
families = st.sampled_from(["4", "6", "46"])
ends = st.tuples(st.integers(0, 7), st.integers(0, 3), st.sampled_from([4500, 4600]), families, families)
End = tuple[int, int, int, str, str]


def end(plain: Endpoint, made: End) -> Endpoint:
    rail, epoch, base, outer, inside = made
    return replace(
        plain,
        rail=rail,
        gateway=f"n{rail + 1}",
        port_base=base,
        private_addresses=tuple(ADDRESSES[plain.cluster][one] for one in outer),
        cable_address4=plain.cable_address4 if "4" in inside else None,
        cable_address6=plain.cable_address6 if "6" in inside else None,
        drivers=(libreswan_cable.offer(epoch),),
    )


def offering(plain: Endpoint, epoch: int = 0) -> Endpoint:
    return replace(plain, drivers=(libreswan_cable.offer(epoch),))


def secrets_of(own: Endpoint) -> Secrets:
    return Secrets(identity_of(own.cluster), {one: identity_of(one).public for one in (EAST, WEST, NORTH)})


def planned(own: Endpoint, *remotes: Endpoint) -> tuple[CablePath, ...]:
    return cable.paths(OPTIONS, own, remotes)


def made(own: Endpoint, *remotes: Endpoint) -> frozenset[IkeConnection]:
    return connections(own, planned(own, *remotes), secrets_of(own))


@given(ends, ends)
def test_both_ends_fit_together(one: End, other: End) -> None:
    east, west = end(EAST_0, one), end(WEST_0, other)
    (there,), (back,) = planned(east, west), planned(west, east)
    assert bool(there.problem) == bool(back.problem)
    here, yonder = ({each.family: each for each in made(*pair)} for pair in ((east, west), (west, east)))
    assert here.keys() == yonder.keys() == set(there.families)
    for family, mine in here.items():
        theirs = yonder[family]
        assert (mine.local, mine.remote, mine.secret) == (theirs.remote, theirs.local, theirs.secret)
        assert mine.begins is not theirs.begins
    assert there.network is back.network


@given(ends, ends, st.sampled_from([(1, 0), (0, 1)]))
def test_a_new_key_on_one_side_is_another_cable_beside_the_former(
    one: End, other: End, step: tuple[int, int]
) -> None:
    east, west = end(EAST_0, one), end(WEST_0, other)
    newer = [
        offering(side, epoch + more) for side, epoch, more in ((east, one[1], step[0]), (west, other[1], step[1]))
    ]
    before, after = made(east, west), made(*newer)
    assert len(before) == len(after)
    for old in before:
        for new in after:
            assert old.if_id != new.if_id
            assert old.secret != new.secret
            assert (old.local.identity, old.remote.identity) != (new.local.identity, new.remote.identity)
            assert (old.local.address, old.local.port) == (new.local.address, new.local.port)


def test_every_gateway_has_a_device_of_its_own() -> None:
    remotes = [offering(replace(WEST_0, rail=rail, gateway=f"n{rail}")) for rail in range(8)] + [offering(NORTH_0)]
    paths = planned(offering(EAST_0), *remotes)
    devices = {path.device for path in paths}
    assert len(devices) == len(remotes)
    assert all(ownership.LIBRESWAN_DEVICE_PATTERN.fullmatch(device) for device in devices)
    links = libreswan_cable.links(offering(EAST_0), paths, (4, 6))
    assert {link.name for link in links} == devices
    assert {ownership.libreswan_device(link.if_id) for link in links} == devices
    assert {link.mtu for link in links} == {1435}


@given(st.integers(0, (1 << 24) - 1), st.integers(0, 1))
def test_a_device_fits_its_pattern_and_the_kernel(number: int, slot: int) -> None:
    name = ownership.libreswan_device(ownership.libreswan_if_id(number, slot))
    assert ownership.LIBRESWAN_DEVICE_PATTERN.fullmatch(name)
    assert name.startswith(ownership.LIBRESWAN_DEVICE_PREFIX)
    assert len(name) == 15


def test_a_number_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="24 bits"):
        ownership.libreswan_if_id(1 << 24, 0)


def test_routes_lead_to_the_other_ends_and_all_may_come_from_there() -> None:
    (path,) = planned(offering(EAST_0), offering(WEST_0))
    assert path.families == (4, 6)
    assert libreswan_cable.routes([path]) == {
        Route(ownership.CABLES_TABLE, ip_network(path.address(family)), device=path.device) for family in (4, 6)
    }
    assert libreswan_cable.sources(path, [PODS["4"]]) == {
        PODS["4"],
        ip_network(path.address(4)),
        ip_network(path.address(6)),
    }


def test_what_has_no_secret_says_so() -> None:
    own, paths = offering(EAST_0), planned(offering(EAST_0), offering(WEST_0))
    keyless, unknown, useless = (
        with_secrets(own, paths, secrets)[0]
        for secrets in (
            None,
            Secrets(identity_of(EAST), {}),
            Secrets(identity_of(EAST), {WEST: Identity(bytes(32), bytes(32))}),
        )
    )
    assert keyless.problem == "gateway n1 has no keys of its cluster: the Secret mcnet-identity can't be read"
    assert unknown.problem == "cluster west has published no identity, so no key can be agreed with it"
    assert useless.problem == "no key can be agreed with cluster west: its identity is not usable"
    assert connections(own, (keyless, unknown, useless), secrets_of(own)) == frozenset()
    assert with_secrets(own, paths, secrets_of(own)) == paths


def test_no_secret_is_shown() -> None:
    for connection in made(offering(EAST_0), offering(WEST_0)):
        assert connection.secret.hex() not in repr(connection)
        assert repr(connection.secret) not in repr(connection)


def test_a_connection_that_changes_is_another_one() -> None:
    usual = {each.name for each in made(offering(EAST_0), offering(WEST_0))}
    assert usual == {each.name for each in made(offering(EAST_0), offering(WEST_0))}
    for other in (
        offering(replace(WEST_0, private_addresses=(ip_address("192.168.2.9"),))),
        offering(replace(WEST_0, port_base=4600)),
        offering(WEST_0, epoch=2),
    ):
        assert not usual & {each.name for each in made(offering(EAST_0), other)}


LISTENING = frozenset({(ADDRESSES[EAST]["4"], 500), (ADDRESSES[WEST]["4"], 500)})
IDLE = PlutoStatus(listening=LISTENING)


def _status(*, have: set[str], up: set[str], trying: set[str]) -> PlutoStatus:
    under_way = tuple((name, "sent IKE_SA_INIT request") for name in trying)
    return PlutoStatus(frozenset(have), frozenset(up), under_way, LISTENING)


def test_what_pluto_is_asked() -> None:
    east = made(offering(EAST_0), offering(WEST_0))
    west = made(offering(WEST_0), offering(EAST_0))
    names = sorted(each.name for each in east)
    fresh = requests(east, IDLE)
    assert fresh == (
        PlutoRequest(PlutoVerb.SECRETS),
        *(PlutoRequest(PlutoVerb.ADD, name) for name in names),
        *(PlutoRequest(PlutoVerb.BEGIN, name) for name in names),
    )
    assert {one.verb for one in requests(west, IDLE)} == {PlutoVerb.SECRETS, PlutoVerb.ADD}
    assert requests(east, _status(have=set(names), up={names[0]}, trying={names[1]})) == ()
    assert requests(east, _status(have=set(names), up={names[0]}, trying=set())) == (
        PlutoRequest(PlutoVerb.BEGIN, names[1]),
    )
    assert requests(east, PlutoStatus()) == (PlutoRequest(PlutoVerb.LISTEN), *fresh)
    left = _status(have={*names, "somebody-elses"}, up=set(names), trying=set())
    assert requests([], left) == tuple(PlutoRequest(PlutoVerb.DELETE, name) for name in names)


def test_what_belongs_to_a_former_cable_stays() -> None:
    old, new = (planned(offering(EAST_0, epoch), offering(WEST_0)) for epoch in (0, 1))
    before, after = (made(offering(EAST_0, epoch), offering(WEST_0)) for epoch in (0, 1))
    names = {one.name for one in before}
    during = _status(have=names, up=names, trying=set())
    asked = requests(after, during, old)
    assert {one.name for one in asked if one.name} == {one.name for one in after}
    assert not {one.verb for one in asked} & {PlutoVerb.DELETE}
    gone = {one.name for one in requests(after, during) if one.verb is PlutoVerb.DELETE}
    assert gone == {one.name for one in requests(after, during, new) if one.verb is PlutoVerb.DELETE} == names


name_sets = st.sets(st.sampled_from([f"mcnet-{one}" for one in range(5)] + ["other"]))


@given(st.booleans(), name_sets, name_sets, name_sets)
def test_requests_bring_pluto_to_what_is_wanted(begins: bool, wanted: set[str], have: set[str], up: set[str]) -> None:
    like = next(iter(made(offering(EAST_0), offering(WEST_0))))
    mine = [replace(like, name=name, begins=begins) for name in wanted if name != "other"]
    asked = requests(mine, _status(have=have, up=up & have, trying=set()))
    now, alive = set(have), set(up & have)
    for request in asked:
        match request.verb:
            case PlutoVerb.DELETE:
                now.remove(request.name)
                alive.discard(request.name)
            case PlutoVerb.ADD:
                assert request.name not in now
                now.add(request.name)
            case PlutoVerb.BEGIN:
                assert request.name in now
                alive.add(request.name)
            case PlutoVerb.SECRETS:
                assert now == {name for name in have if name == "other" or name in wanted}
            case PlutoVerb.STATUS | PlutoVerb.LISTEN:
                raise AssertionError("there is no reason to")
    assert {name for name in now if name != "other"} == {one.name for one in mine}
    assert ("other" in now) == ("other" in have)
    assert not begins or {one.name for one in mine} <= alive
    assert requests(mine, _status(have=now, up=alive, trying=set())) == ()
