"""Whom a member believes: first keys are pinned, others stop a cluster, what is not signed has no effect."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec import farewell, pins
from mcnet.codec.fingerprint import fingerprint
from mcnet.model.cluster import Cluster, ClusterId
from mcnet.model.endpoint import Endpoint
from mcnet.model.trust import FAREWELL_ANNOTATION, Farewell, Pin
from mcnet.plan.trust import MOST_SEQUENCES, Refusal, Verdict, changed, is_stopped, judge, keys_differ
from tests.fakes.identities import identity_of, signed_object

EAST, NORTH = ClusterId("east"), ClusterId("north")
Json = dict[str, Any]


def member(name: ClusterId = EAST, generation: int = 1, *, keys: bool = True) -> Cluster:
    return Cluster(name, (IPv4Network("10.1.0.0/16"),), (), identity_of(name, generation).public if keys else None)


def endpoint(
    name: ClusterId = EAST, gateway: str = "e1", *, sequence: int = 5, generation: int = 1, mtu: int = 1500
) -> Json:
    value = Endpoint(name, gateway, 0, (IPv4Address("192.0.2.1"),), sequence=sequence, mtu=mtu)
    return signed_object(value, "broker", generation)


def pin(name: ClusterId = EAST, generation: int = 1, **sequences: int) -> Pin:
    return Pin(identity_of(name, generation).public, tuple(sorted(sequences.items())))


def said(generation: int = 1, name: ClusterId = EAST) -> Farewell:
    return farewell.sign(name, identity_of(name, generation))


def reasons(verdict: Verdict) -> list[tuple[str, Refusal]]:
    return [(one.name, one.refusal) for one in verdict.refused]


def test_first_keys_are_pinned_and_sequences_noted() -> None:
    verdict = judge([member()], [endpoint(), endpoint(gateway="e2", sequence=9)], {}, {})
    assert verdict == Verdict({EAST: pin(e1=5, e2=9)})


def test_other_keys_stop_the_cluster_and_no_other() -> None:
    objects = [endpoint(generation=2), endpoint(NORTH)]
    verdict = judge([member(generation=2), member(NORTH)], objects, {EAST: pin(e1=5)}, {})
    assert reasons(verdict) == [("east", Refusal.CHANGED_KEY)]
    assert verdict.dropped == {"east.e1"}
    assert verdict.pins == {EAST: replace(pin(e1=5), offered=member(generation=2).identity), NORTH: pin(NORTH, e1=5)}
    why = verdict.refused[0].why
    assert fingerprint(identity_of("east").public.signing_key) in why
    assert fingerprint(identity_of("east", 2).public.signing_key) in why
    assert "mcnet member trust east" in why


def test_even_rightly_signed_endpoints_of_the_old_keys_are_stopped() -> None:
    """The broker names other keys: which of the two is the cluster nobody can tell from here."""
    verdict = judge([member(generation=2)], [endpoint()], {EAST: pin()}, {})
    assert verdict.dropped == {"east.e1"}


def test_the_old_keys_back_at_the_broker_are_taken_as_before() -> None:
    stopped = {EAST: replace(pin(e1=5), offered=member(generation=2).identity)}
    verdict = judge([member()], [endpoint()], stopped, {})
    assert verdict == Verdict({EAST: pin(e1=5)})


@pytest.mark.parametrize(
    ("pinned", "farewells"),
    [(1, [said(1)]), (1, [said(1), said(2)]), (2, [said(1), said(2)])],
    ids=["left once", "left twice while we were away", "left twice"],
)
def test_a_farewell_of_the_pinned_keys_lets_the_next_ones_in(pinned: int, farewells: list[Farewell]) -> None:
    verdict = judge(
        [member(generation=3)], [endpoint(generation=3)], {EAST: pin(generation=pinned, e1=99)}, {EAST: farewells}
    )
    assert verdict == Verdict({EAST: pin(generation=3, e1=5)})


@pytest.mark.parametrize(
    "farewells",
    [
        [],
        [said(2)],
        [said(name=NORTH)],
        [replace(said(), signature=said(2).signature)],
        [replace(said(2), signing_key=said().signing_key)],
        [Farewell(identity_of("east").public.signing_key, b"")],
    ],
    ids=["none", "of other keys", "of another cluster", "another's signature", "another's key", "empty"],
)
def test_what_is_no_farewell_of_the_pinned_keys_lets_nobody_in(farewells: list[Farewell]) -> None:
    verdict = judge([member(generation=2)], [], {EAST: pin()}, {EAST: farewells})
    assert reasons(verdict) == [("east", Refusal.CHANGED_KEY)]


def altered(obj: Json, **spec: Any) -> Json:
    return obj | {"spec": obj["spec"] | spec}


@pytest.mark.parametrize(
    ("obj", "refusal"),
    [
        (altered(endpoint(), signature=""), Refusal.UNSIGNED),
        (altered(endpoint(), mtu=1400), Refusal.FORGED),
        (altered(endpoint(), sequence=6), Refusal.FORGED),
        (altered(endpoint(), unknown="x"), Refusal.FORGED),
        (altered(endpoint(), signature="no base64!"), Refusal.FORGED),
        (endpoint(generation=2), Refusal.FORGED),
        (altered(endpoint(), signature=endpoint(gateway="e2")["spec"]["signature"]), Refusal.FORGED),
        (endpoint(sequence=4), Refusal.REPLAYED),
    ],
)
def test_what_is_refused_leaves_copies_and_pins_as_they_are(obj: Json, refusal: Refusal) -> None:
    verdict = judge([member()], [obj], {EAST: pin(e1=5)}, {})
    assert reasons(verdict) == [("east.e1", refusal)]
    assert verdict.dropped == frozenset()
    assert verdict.pins == {EAST: pin(e1=5)}


def test_an_endpoint_signed_by_another_member_is_forged() -> None:
    forged = endpoint(NORTH)
    forged = {"metadata": {"name": "east.e1"}, "spec": forged["spec"] | {"cluster": "east"}}
    verdict = judge([member(), member(NORTH)], [forged], {}, {})
    assert reasons(verdict) == [("east.e1", Refusal.FORGED)]


def test_nobody_vouches_for_strangers_and_for_a_cluster_without_keys() -> None:
    verdict = judge([member(keys=False)], [endpoint(), endpoint(NORTH)], {}, {})
    assert reasons(verdict) == [("east.e1", Refusal.KEYLESS), ("north.e1", Refusal.STRANGER)]
    assert verdict.dropped == {"east.e1", "north.e1"}
    assert verdict.pins == {}


def test_keys_that_vanish_are_other_keys() -> None:
    verdict = judge([member(keys=False)], [endpoint()], {EAST: pin()}, {})
    assert reasons(verdict) == [("east", Refusal.CHANGED_KEY)]
    assert verdict.dropped == {"east.e1"}


def test_a_member_that_is_gone_stays_pinned() -> None:
    assert judge([], [], {EAST: pin(e1=5)}, {}).pins == {EAST: pin(e1=5)}


def test_an_older_endpoint_is_known_after_its_gateway_was_gone() -> None:
    after = judge([member()], [], judge([member()], [endpoint(sequence=7)], {}, {}).pins, {}).pins
    assert reasons(judge([member()], [endpoint(sequence=6)], after, {})) == [("east.e1", Refusal.REPLAYED)]


def test_only_the_newest_sequences_are_kept() -> None:
    objects = [endpoint(gateway=f"e{number}", sequence=number) for number in range(MOST_SEQUENCES + 5)]
    kept = dict(judge([member()], objects, {}, {}).pins[EAST].sequences)
    assert kept == {f"e{number}": number for number in range(5, MOST_SEQUENCES + 5)}


def test_which_farewells_have_to_be_read() -> None:
    known = {EAST: pin(), NORTH: pin(NORTH)}
    assert changed([member(generation=2), member(NORTH), member(ClusterId("new"))], known) == (EAST,)


def test_an_unreadable_pin_stops_its_cluster_until_it_is_trusted() -> None:
    verdict = judge([member()], [endpoint()], {EAST: Pin(None)}, {EAST: [said()]})
    assert reasons(verdict) == [("east", Refusal.CHANGED_KEY)]
    assert is_stopped(verdict.pins[EAST])
    assert keys_differ(verdict.pins[EAST]).startswith("its pin is unreadable, the broker names SHA256:")
    assert verdict.pins[EAST].offered == member().identity


generations = st.integers(1, 3)


@given(
    st.lists(st.tuples(generations, generations, st.integers(0, 9), st.booleans()), max_size=8),
    st.sets(generations),
)
def test_only_what_the_pinned_keys_signed_is_ever_used(
    history: list[tuple[int, int, int, bool]], left: set[int]
) -> None:
    """Whatever the broker shows one after the other: used is only what the pinned keys have signed, never an older
    one, and pinned keys change only by their own farewell."""
    known: Mapping[ClusterId, Pin] = {}
    farewells = {EAST: [said(generation) for generation in left]}
    highest: dict[Any, int] = {}
    for names, signs, sequence, there in history:
        before = known.get(EAST)
        objects = [endpoint(generation=signs, sequence=sequence)] if there else []
        verdict = judge([member(generation=names)], objects, known, farewells)
        known = verdict.pins
        if before and before.identity != known[EAST].identity:
            assert before.identity in [identity_of("east", generation).public for generation in left]
            highest = {}
        refused = {one.name for one in verdict.refused} | verdict.dropped
        if objects and "east.e1" not in refused:
            assert known[EAST].identity == identity_of("east", signs).public
            key = known[EAST].identity
            assert sequence >= highest.get(key, 0)
            highest[key] = sequence
        again = judge([member(generation=names)], objects, known, farewells)
        assert again.pins == known


identities = generations.map(lambda generation: identity_of("east", generation).public)
some_pins = st.builds(
    Pin,
    st.none() | identities,
    st.dictionaries(st.text(max_size=5), st.integers(0, 2**53), max_size=3).map(
        lambda found: tuple(sorted(found.items()))
    ),
    st.none() | identities,
)


@given(st.dictionaries(st.sampled_from((EAST, NORTH)), some_pins))
def test_pins_are_kept_as_they_are(known: dict[ClusterId, Pin]) -> None:
    assert pins.decode(pins.encode(known, namespace="n")) == known


@given(st.text() | st.sampled_from(["{}", "[]", "null", '{"signingKey": 1}', '{"sequences": []}', "[" * 5000]))
def test_whatever_stands_in_a_pin_is_read(text: str) -> None:
    read = pins.decode({"data": {"east": text, "no cluster!": text}})
    assert read == {EAST: Pin(None)}


def lease(text: object) -> Json:
    return {"metadata": {"annotations": {FAREWELL_ANNOTATION: text}}}


@given(
    st.text()
    | st.sampled_from(["{}", "[1]", '[{"signingKey": 5}]', "[" * 5000, '[{"signingKey":"é","signature":""}]'])
)
def test_whatever_stands_in_a_farewell_is_read(text: str) -> None:
    assert farewell.decode(lease(text)) == ()


def test_farewells_travel_and_the_newest_are_kept() -> None:
    row = [said(generation) for generation in range(1, farewell.MOST + 3)]
    assert farewell.decode(lease(farewell.encode(row))) == tuple(row[2:])
    assert all(farewell.is_valid(one, EAST) for one in row)
    assert farewell.decode({}) == farewell.decode({"metadata": {"annotations": None}}) == ()
