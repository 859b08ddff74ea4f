"""The prober without a network: every probe fails to leave. Real packets are in tests/netns/test_ping.py."""

import asyncio
import errno
import socket
import time
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcnet.codec.icmp import decode_reply
from mcnet.model.probe import PathHealth, Target
from mcnet.plan import pace
from mcnet.plan.damping import HOLDS, QUIET
from mcnet.probe import ping
from mcnet.probe.ping import Clock, Prober
from mcnet.probe.sockets import Received
from tests.fakes.eventually import eventually
from tests.fakes.mutations import damaged
from tests.fakes.probed_path import ADDRESS, Kind, ProbedPath, Trouble, in_order
from tests.fakes.several_paths import Several

TARGET = Target("a", IPv4Address("192.0.2.1"), "nowhere")


@pytest.fixture(autouse=True)
def _no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENODEV, "no such device")

    monkeypatch.setattr(ping, "open_socket", refuse)


async def until(prober: Prober, key: str, state: str) -> None:
    while prober.snapshot()[key].state != state:
        prober.changed.clear()
        await asyncio.wait_for(prober.changed.wait(), 8)


async def test_a_missing_device_is_a_path_that_is_down() -> None:
    calls: list[str] = []
    prober = Prober(interval=0.05, multiplier=2, on_change=lambda: calls.append("changed"))
    prober.set_targets(frozenset({TARGET}))
    assert prober.snapshot()["a"].state == "unknown"
    began = time.monotonic()
    running = asyncio.create_task(prober.run())
    await until(prober, "a", "down")
    running.cancel()
    health = prober.snapshot()["a"]
    assert health.lost == health.sent >= 2
    assert health.since >= began
    assert calls == ["changed"]


async def test_a_device_by_which_nothing_can_be_sent_is_watched_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    prober = Prober(interval=0.05)
    forgotten: list[tuple[int, str]] = []
    monkeypatch.setattr(prober._watch, "forget", forgotten.append)
    prober.set_targets(frozenset({TARGET}))
    running = asyncio.create_task(prober.run())
    await until(prober, "a", "down")
    running.cancel()
    assert set(forgotten) == {(4, "nowhere")}


async def test_rounds_that_were_late_themselves_judge_nothing() -> None:
    prober = Prober(interval=0.2, multiplier=1)
    prober.set_targets(frozenset({TARGET}))
    running = asyncio.create_task(prober.run())
    stop = time.monotonic() + 2
    while time.monotonic() < stop:
        # What is tested is a loop that is kept busy, so it is kept busy.
        time.sleep(0.13)  # noqa: ASYNC251
        await asyncio.sleep(0)
    assert prober.snapshot()["a"].state == "unknown"
    assert prober.snapshot()["a"].sent == 0
    await until(prober, "a", "down")
    running.cancel()


def test_on_a_busy_machine_a_path_is_lost_where_another_one_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Several(monkeypatch, 3)
    paths.cut = {paths.addresses[1]}
    rounds = 0
    while paths.states() != ["up", "down", "up"]:
        paths.round(0.3)
        rounds += 1
    assert 4 <= rounds <= 8, "three probes, each of which has waited longer"


def test_where_none_answers_a_busy_machine_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Several(monkeypatch, 3)
    paths.cut = set(paths.addresses)
    for _ in range(50):
        paths.round(0.3)
    assert paths.states() == ["up"] * 3
    for _ in range(4):
        paths.round(0.1)
    assert paths.states() == ["down"] * 3


def test_what_was_on_its_way_when_the_machine_was_suspended_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Several(monkeypatch, 2)
    paths.cut = {paths.addresses[0]}
    for _ in range(20):
        paths.round(5.0, slept=4.9)
    paths.round(0.1)
    assert paths.states() == ["up", "up"]
    assert paths.prober.snapshot()["192.0.2.1"].lost == 1, "what was sent since then"


@pytest.mark.parametrize("late", [0.0, 0.049, 0.05, 0.2])
def test_a_look_judges_on_time_or_where_another_path_answers(monkeypatch: pytest.MonkeyPatch, late: float) -> None:
    """And only what is about to be lost: the second loss waits for its round."""
    paths = Several(monkeypatch, 2)
    about_to_be_lost(paths, paths.addresses[0])
    paths.look(late)
    assert paths.states() == ["down", "up"]


@pytest.mark.parametrize(("late", "state"), [(0.0, "down"), (0.049, "down"), (0.05, "up"), (0.2, "up")])
def test_only_a_look_on_time_judges_where_no_other_path_answers(
    monkeypatch: pytest.MonkeyPatch, late: float, state: str
) -> None:
    paths = Several(monkeypatch, 2)
    about_to_be_lost(paths, *paths.addresses)
    paths.look(late)
    assert paths.states() == [state, state]
    paths.round(0.1)
    assert paths.states() == ["down", "down"], "what the look could not judge was left to the round"


def test_a_look_in_time_after_a_late_round_asks_the_others_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for others, state in ((1, "up"), (2, "down")):
        paths = Several(monkeypatch, 2)
        about_to_be_lost(paths, *paths.addresses[: 3 - others])
        paths.look(round_late=0.06)
        assert paths.states()[0] == state


def test_a_look_in_time_after_a_suspend_judges_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine was suspended while the round was still sending."""
    paths = Several(monkeypatch, 2)
    about_to_be_lost(paths, paths.addresses[0])
    paths.slept += 4.9
    paths.look()
    assert paths.states() == ["up", "up"]


def test_the_round_after_such_a_look_knows_of_the_suspend_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third path has answered before, so that it would be a witness."""
    paths = Several(monkeypatch, 3)
    lost, asked, _ = paths.addresses
    about_to_be_lost(paths, lost)
    paths.forget(asked)
    paths.look(5.0, slept=4.9)
    paths.awake += 0.05
    paths.prober._round(5.0)
    paths.round(0.1)
    assert paths.prober.snapshot()[str(asked)].lost == 0


def about_to_be_lost(paths: Several, *addresses: IPv4Address) -> None:
    """Two probes of each of `addresses` are, and the third is on its way."""
    paths.cut = set(addresses)
    for _ in range(3):
        assert set(paths.states()) == {"up"}
        paths.look()
        paths.round(0.1)
    assert {paths.prober.snapshot()[str(one)].lost for one in addresses} == {2}


def test_a_witness_is_lost_sooner_and_a_path_is_asked_twice_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Several(monkeypatch, 3)
    first, second, third = paths.addresses
    paths.prober.set_targets(
        frozenset(Target(str(one), one, "d", losses=losses) for one, losses in ((first, 1), (second, 2), (third, 0)))
    )
    for _ in range(5):
        paths.round(0.1)
    paths.cut = set(paths.addresses)
    paths.round(0.1)
    paths.look()
    assert paths.states() == ["up", "up", "up"]
    paths.round(0.1)
    assert paths.states() == ["down", "up", "up"]
    paths.look()
    assert paths.states() == ["down", "down", "up"]


@given(st.lists(st.floats(0.1, 3.0), max_size=60))
def test_a_path_that_answers_is_never_lost_however_late_rounds_are(gaps: list[float]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        paths = Several(patch, 3)
        for gap in gaps:
            paths.round(gap)
        assert paths.states() == ["up"] * 3
        assert all(one.lost == 0 for one in paths.prober.snapshot().values())


@pytest.mark.parametrize(("index", "closed"), [(7, 0), (8, 1), (0, 1)])
def test_what_can_t_be_sent_closes_no_socket_by_which_others_wait_for_answers(
    monkeypatch: pytest.MonkeyPatch, index: int, closed: int
) -> None:
    """A WireGuard device refuses what is for a peer that it does not have (ENOKEY), or whose address it does not know
    (EDESTADDRREQ). Only a device made anew, or gone, needs another socket."""
    paths = Several(monkeypatch, 3)
    paths.refused = {paths.addresses[-1]}
    monkeypatch.setattr(ping, "device_index", lambda _: index)
    paths.round(0.1)
    assert paths.closed == closed
    if not closed:
        for _ in range(5):
            paths.round(0.1)
        assert paths.states() == ["up", "up", "down"]


async def test_a_new_pace_holds_from_the_next_round_on() -> None:
    prober = Prober(interval=30.0, multiplier=100)
    prober.set_pace(interval=0.1, multiplier=2)
    prober.set_targets(frozenset({TARGET}))
    running = asyncio.create_task(prober.run())
    await until(prober, "a", "down")
    running.cancel()


async def test_replies_of_others_and_damaged_ones_count_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come to every raw socket; only the prober's own token, identifier, number and the right sender count."""
    waiting: list[Received] = []
    taken: list[Received] = []
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def sent(_: object, request: bytes, address: IPv4Address, __: str) -> None:
        reply = bytes([0x45]) + bytes(19) + bytes([0]) + request[1:]
        own = decode_reply(4, reply)
        assert own is not None
        waiting.extend(Received(address, data, 0.0) for data in damaged(reply) if decode_reply(4, data) != own)
        waiting.append(Received(IPv4Address("192.0.2.99"), reply, 0.0))
        there.send(b"x")

    def received(opened: socket.socket) -> Received | None:
        with suppress(BlockingIOError):
            opened.recv(1)
        if not waiting:
            return None
        taken.append(waiting.pop())
        return taken[-1]

    here.setblocking(False)
    monkeypatch.setattr(ping, "open_socket", lambda *_: here)
    monkeypatch.setattr(ping, "send", sent)
    monkeypatch.setattr(ping, "receive", received)
    prober = Prober(interval=0.05, multiplier=3)
    prober.set_targets(frozenset({TARGET}))
    running = asyncio.create_task(prober.run())
    await until(prober, "a", "down")
    running.cancel()
    health = prober.snapshot()["a"]
    assert health.lost == health.sent >= 3
    assert len(taken) > 3 * len(waiting), "only those of the last round are still to be read"
    there.close()


async def test_targets_come_and_go_and_keep_their_history() -> None:
    other = Target("b", IPv4Address("192.0.2.2"), "nowhere")
    prober = Prober(interval=0.05, multiplier=2)
    prober.set_targets(frozenset({TARGET}))
    running = asyncio.create_task(prober.run())
    await until(prober, "a", "down")
    prober.set_targets(frozenset({TARGET, other}))
    assert [prober.snapshot()[key].state for key in ("a", "b")] == ["down", "unknown"]
    await until(prober, "b", "down")
    prober.set_targets(frozenset({other}))
    assert set(prober.snapshot()) == {"b"}
    prober.set_targets(frozenset({Target("b", IPv4Address("192.0.2.3"), "nowhere")}))
    assert prober.snapshot()["b"].state == "unknown"
    prober.set_targets(frozenset())
    assert prober.snapshot() == {}
    running.cancel()


async def test_a_path_under_another_name_keeps_its_history() -> None:
    prober = Prober(interval=0.05, multiplier=2)
    prober.set_targets(frozenset({TARGET}))
    running = asyncio.create_task(prober.run())
    await until(prober, "a", "down")
    renamed = replace(TARGET, key="b", formerly="a")
    prober.set_targets(frozenset({renamed}))
    assert {key: path.state for key, path in prober.snapshot().items()} == {"b": "down"}
    sent = prober.snapshot()["b"].sent
    await eventually(lambda: prober.snapshot()["b"].sent >= sent + 3)
    for other in (replace(renamed, key="c"), replace(renamed, key="c", formerly="b", device="elsewhere")):
        prober.set_targets(frozenset({replace(renamed, formerly=""), other}))
        assert [prober.snapshot()[key].state for key in "bc"] == ["down", "unknown"], other
    running.cancel()


KINDS: list[Kind] = ["set", "suspended", "stalled", "stalled reading", "stalled sending"]
SECONDS = {
    "set": st.sampled_from([-864000.0, -3600.0, -5.0, -0.2, -0.05, 0.05, 0.1, 0.2, 0.25, 5.0, 3600.0, 864000.0]),
    "suspended": st.sampled_from([1.0, 30.0, 7200.0, 864000.0]),
    "stalled": st.floats(0.001, 3.0),
    "stalled reading": st.floats(0.001, 3.0),
    "stalled sending": st.floats(0.001, 3.0),
}
TROUBLES = st.lists(
    st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(st.floats(0.5, 2), st.just(kind), SECONDS[kind])),
    max_size=4,
)
"""More than half a second apart, in which a verdict that is wrong all the same is followed by a right one."""
ROUND_TRIPS = st.sampled_from([0.0005, 0.04, 0.12, 0.26, 0.31, 0.44])
"""Seconds: several probes are on their way at once on the longer ones."""


async def probed(path: ProbedPath, *, after: float, known: dict[str, PathHealth] | None = None) -> PathHealth:
    """What a prober says that probes until all trouble has been there, and for some seconds after."""
    prober = Prober(interval=0.1, multiplier=3, clock=path.clock())
    prober.set_targets(frozenset({Target("a", ADDRESS, "nowhere")}), known)
    running = asyncio.create_task(prober.run())
    while path.troubles:  # noqa: ASYNC110 - time passes by this alone
        await asyncio.sleep(0.1)
    await asyncio.sleep(after)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return prober.snapshot()["a"]


@example(0.12, [(0.13, "set", 0.1)])
@example(0.0005, [(0.55, "stalled sending", 0.14)])
@given(ROUND_TRIPS, TROUBLES)
def test_no_clock_that_is_set_no_suspend_and_no_stall_is_a_loss(
    round_trip: float, troubles: list[tuple[float, Kind, float]]
) -> None:
    path = ProbedPath(round_trip)
    path.troubles = in_order(path.awake, troubles)
    with pytest.MonkeyPatch.context() as patch:
        path.install(patch)
        found = path.run(probed(path, after=5.0))
    assert (found.state, found.lost) == ("up", 0)


@example(0.0005, 0.0)
@given(st.floats(0.0001, 0.02), st.floats(0.0, 0.3))
def test_a_path_that_is_cut_is_noticed_as_soon_as_published(round_trip: float, moment: float) -> None:
    path = ProbedPath(round_trip)
    cut = path.awake + 2.0 + moment
    path.troubles = [Trouble(cut, "cut")]
    with pytest.MonkeyPatch.context() as patch:
        path.install(patch)
        found = path.run(probed(path, after=1.0))
    assert found.state == "down"
    # What was on its way then arrives; the third probe goes out two intervals later at the soonest.
    assert 0.2 < found.since - cut < pace.detection(0.1, 3) + 0.002


@example(0.0005, 0.62)
@given(ROUND_TRIPS, st.floats(0.0, 3.0))
def test_an_end_that_is_set_up_later_has_not_been_lost(round_trip: float, moment: float) -> None:
    """Probes that were sent before there was anybody to answer are judged when the first answer has come."""
    path = ProbedPath(round_trip, whole=False)
    there = path.awake + moment
    path.troubles = [Trouble(there, "whole")]
    with pytest.MonkeyPatch.context() as patch:
        path.install(patch)
        found = path.run(probed(path, after=3.0))
    assert (found.state, found.falls) == ("up", 0)
    assert found.since < there + 2 * round_trip + 0.6


@example(0.0005, 0.11, 0.05)
@given(st.sampled_from([0.0005, 0.02]), st.floats(0.03, 0.24), st.floats(0.0, 0.3))
def test_a_link_that_fills_up_is_no_lost_path(before: float, full: float, moment: float) -> None:
    """Round trips are a hundred times longer all at once: that is what full queues do."""
    path = ProbedPath(before)
    path.troubles = [Trouble(path.awake + 2.0 + moment, "long", full), Trouble(path.awake + 10.0, "long", before)]
    with pytest.MonkeyPatch.context() as patch:
        path.install(patch)
        found = path.run(probed(path, after=2.0))
    assert (found.state, found.falls, found.lost) == ("up", 0, 0)


@given(st.floats(0.24, 0.95), st.floats(0.0, 0.3))
def test_where_queues_are_longer_than_that_it_is_up_again_by_what_comes(full: float, moment: float) -> None:
    path = ProbedPath(0.0005)
    filled = path.awake + 2.0 + moment
    path.troubles = [Trouble(filled, "long", full)]
    with pytest.MonkeyPatch.context() as patch:
        path.install(patch)
        found = path.run(probed(path, after=3.0))
    assert (found.state, found.lost) == ("up", 0)
    assert found.falls <= 1
    assert found.since < filled + full + 0.5


@given(st.floats(0.001, 0.2), st.floats(0.0, 0.3))
def test_a_path_that_is_cut_while_its_queues_are_full_is_noticed_as_much_later(full: float, moment: float) -> None:
    path = ProbedPath(0.0005)
    cut = path.awake + 6.0 + moment
    path.troubles = [Trouble(path.awake + 2.0, "long", full), Trouble(cut, "cut")]
    with pytest.MonkeyPatch.context() as patch:
        path.install(patch)
        found = path.run(probed(path, after=3.0))
    assert found.state == "down"
    assert found.since - cut < pace.detection(0.1, 3) + 2 * full + 0.102


@example(0.0005, 1.0, 0.9, 0.6)
@given(st.floats(0.0001, 0.02), st.floats(0.4, 5.0), st.floats(0.0, 2.9), st.floats(0.45, 9.0))
def test_a_path_that_held_probes_back_after_a_loss_is_noticed_as_soon_when_it_is_lost_again(
    round_trip: float, lost: float, held: float, answers: float
) -> None:
    """A link that comes back asks for its neighbour's address first, and sends all at once when it has it."""
    path = ProbedPath(round_trip)
    path.troubles = in_order(
        path.awake, [(2.0, "cut", 0.0), (lost, "held", 0.0), (held, "whole", 0.0), (answers, "cut", 0.0)]
    )
    cut = path.troubles[-1].moment
    with pytest.MonkeyPatch.context() as patch:
        path.install(patch)
        found = path.run(probed(path, after=1.0))
    assert found.state == "down"
    assert 0.2 < found.since - cut < pace.detection(0.1, 3) + 0.002


@example(0.0005, 0.4, 4.0)
@given(st.floats(0.0001, 0.02), st.floats(0.1, 0.4), st.floats(0.01, 4.0))
def test_a_path_that_stalls_again_and_again_is_learned(round_trip: float, held: float, open_for: float) -> None:
    """As radio links do that send when it is their turn. It may be given up at first, and then no more."""
    path = ProbedPath(round_trip)
    turns = [(open_for, "held", 0.0), (held, "whole", 0.0)] * int(60 / (held + open_for))
    path.troubles = in_order(path.awake, turns)
    with pytest.MonkeyPatch.context() as patch:
        path.install(patch)
        found = path.run(probed(path, after=0.0))
    assert found.falls <= 2
    assert found.state == "up"
    assert path.awake - found.since > 20


@given(ROUND_TRIPS, st.floats(2.0, 2.3), st.sampled_from([0.101, 0.15, 0.199]))
def test_two_probes_lost_are_no_lost_path(round_trip: float, moment: float, seconds: float) -> None:
    path = ProbedPath(round_trip)
    path.troubles = [Trouble(path.awake + moment, "cut"), Trouble(path.awake + moment + seconds, "whole")]
    with pytest.MonkeyPatch.context() as patch:
        path.install(patch)
        found = path.run(probed(path, after=2.0))
    assert (found.state, found.falls) == ("up", 0)
    assert 1 <= found.lost <= 2


@pytest.mark.parametrize("round_trip", [0.0005, 0.12, 0.3])
def test_a_path_that_loses_three_of_four_goes_down(round_trip: float) -> None:
    """On a long path they are judged after the answer to a later one."""
    path = ProbedPath(round_trip)
    begun = path.awake + 2.05
    for number in range(10):
        path.troubles += [Trouble(begun + 0.4 * number, "cut"), Trouble(begun + 0.4 * number + 0.3, "whole")]
    with pytest.MonkeyPatch.context() as patch:
        path.install(patch)
        found = path.run(probed(path, after=2.0))
    assert (found.state, found.falls) == ("up", 1)


@settings(max_examples=30)
@given(ROUND_TRIPS, TROUBLES, st.lists(st.tuples(st.floats(0.1, 5), st.floats(0.1, 5)), max_size=3), st.booleans())
def test_whatever_happened_the_path_is_at_last_what_it_is(
    round_trip: float, troubles: list[tuple[float, Kind, float]], cuts: list[tuple[float, float]], whole: bool
) -> None:
    """Up when it has answered for as long as it may be held down, down when it has been silent for two seconds."""
    path = ProbedPath(round_trip)
    lost: list[tuple[float, Kind, float]] = [
        one for answers, silent in cuts for one in ((answers, "cut", 0.0), (silent, "whole", 0.0))
    ]
    both = in_order(path.awake, troubles) + in_order(path.awake, lost)
    path.troubles = sorted(both, key=lambda trouble: trouble.moment)
    if not whole:
        path.troubles.append(Trouble(path.awake + 60.0, "cut"))
    with pytest.MonkeyPatch.context() as patch:
        path.install(patch)
        found = path.run(probed(path, after=HOLDS[len(cuts)] + 1 if whole else 2.0))
    assert found.state == ("up" if whole else "down")


def test_the_system_s_clock_set_before_another_prober_takes_over_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That the path has been up for long is known by a clock that goes on: it is not held down when it is lost."""
    assert Clock().awake is time.monotonic, "one clock for all processes"
    path = ProbedPath(0.001, whole=False)
    path.install(monkeypatch)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    known = {"a": PathHealth("up", since=path.awake - 2 * QUIET, falls=4)}
    found = path.run(probed(path, after=2.0, known=known))
    assert (found.state, found.falls) == ("down", 1)
