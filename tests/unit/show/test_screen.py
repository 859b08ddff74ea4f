"""What is said besides the tables: why, next commands, notes, contexts that had nothing to say, the exit status."""

import json
from dataclasses import replace

import pytest
import yaml

from mcnet.model.errors import UnreachableError, UsageError
from mcnet.model.traffic import Throughput
from mcnet.show.gather import Reading, Seen, Unread
from mcnet.show.screen import Screen, draw_views
from mcnet.show.topology import draw_topology
from mcnet.show.views import BY_NAME, VIEWS
from tests.fakes.pictures import changed, clusterset

PICTURE = clusterset({"east": 1, "west": 2})
EAST, WEST = PICTURE.members
READINGS: list[Reading] = [Seen("east-admin", EAST, PICTURE.brokers[0]), Seen("west-admin", WEST)]
LOST = Unread("far", UnreachableError("https://far did not answer within 5 s"))


def drawn(name: str, readings: list[Reading] = READINGS, form: str = "table", *, named: bool = False) -> Screen:
    return draw_views([BY_NAME[name]], readings, form, color=False, named=named)


@pytest.mark.parametrize("name", [view.name for view in VIEWS])
def test_every_view_in_every_form_says_the_same(name: str) -> None:
    rows = json.loads(drawn(name, form="json").out)
    assert yaml.safe_load(drawn(name, form="yaml").out) == rows
    for form in ("table", "wide"):
        table = drawn(name, form=form).out.split("\n\n")[0].splitlines()
        assert len(table) == len(rows) + 1
    assert rows
    assert all(isinstance(row, dict) for row in rows)


@pytest.mark.parametrize("name", [view.name for view in VIEWS])
def test_every_column_is_a_key_of_some_row(name: str) -> None:
    keys = {key for row in BY_NAME[name].rows(PICTURE) for key in row}
    assert {column.key for column in BY_NAME[name].columns} <= keys


def test_all_of_them_from_one_picture() -> None:
    every = json.loads(draw_views(VIEWS, READINGS, "json", color=False, named=False).out)
    assert list(every) == [view.name for view in VIEWS]
    assert every["connections"] == json.loads(drawn("connections", form="json").out)
    text = draw_views(VIEWS, READINGS, "table", color=False, named=False).out
    assert [line for line in text.splitlines() if line in {view.title for view in VIEWS}] == [
        view.title for view in VIEWS
    ]


def test_why_and_next_are_said_once_below_the_table() -> None:
    dead = changed(PICTURE, daemon_problems={"east-n1": "CrashLoopBackOff"}).members[0]
    screen = drawn("connections", [Seen("east-admin", dead), READINGS[1]])
    assert screen.status == 1
    assert screen.out.count("east → west: the gateway's daemon on east-n1 does not run (CrashLoopBackOff)") == 1
    assert "\n  next: kubectl --context east-admin -n mcnet-system describe pods" in screen.out


def test_a_note_is_no_alarm() -> None:
    screen = drawn("brokers", [READINGS[1]])
    assert screen.status == 0
    assert "\nnote: https://broker.example.com:6443: no context of this kubeconfig" in screen.out


def test_contexts_with_nothing_to_say_take_one_line_together() -> None:
    absent: list[Reading] = [Seen("plain"), Seen("third", None, PICTURE.brokers[0])]
    assert drawn("connections", READINGS + absent).err == "no member: plain, third (broker)\n"
    assert drawn("members", READINGS + absent).err == "neither member nor broker: plain\n"
    assert drawn("ports", READINGS + absent).err == ""


def test_an_unread_context_takes_a_line_and_a_named_one_is_an_error() -> None:
    assert (
        drawn("gateways", [*READINGS, LOST]).err
        == "\nfar: could not be read: https://far did not answer within 5 s\n"
    )
    assert drawn("gateways", [*READINGS, LOST]).status == 0
    assert drawn("gateways", [LOST]).status == 3
    with pytest.raises(UnreachableError):
        drawn("gateways", [LOST], named=True)


def test_a_named_context_has_to_be_what_the_view_is_about() -> None:
    broker: list[Reading] = [Seen("hub", None, PICTURE.brokers[0])]
    assert drawn("brokers", broker, named=True).status == 0
    with pytest.raises(UsageError, match="context hub is a broker, but no member"):
        drawn("connections", broker, named=True)
    with pytest.raises(UsageError, match="context plain is no member"):
        drawn("members", [Seen("plain")], named=True)


def test_ports_without_a_clusterset_are_said_in_words() -> None:
    assert "gateways of other clusters" in drawn("ports", [Seen("plain")], named=True).out


def test_damaged_objects_are_named_and_count() -> None:
    damaged = replace(EAST, unreadable=("x: spec.mtu: is missing",))
    screen = drawn("endpoints", [Seen("east-admin", damaged)])
    assert (screen.status, screen.err) == (1, "\neast: can't be read: x: spec.mtu: is missing\n")


def test_what_others_write_can_not_command_the_terminal() -> None:
    evil = replace(EAST.endpoints[1], gateway="n\x1b[2J1")
    member = changed(PICTURE, endpoints=(EAST.endpoints[0], evil)).members[0]
    screens = [drawn("endpoints", [Seen("e", member)], form).out for form in ("table", "json", "yaml")]
    screens += [draw_topology([Seen("e", member)], form, color=False, named=False).out for form in DRAWINGS]
    assert "n?[2J1" in screens[0]
    assert not any("\x1b" in screen for screen in screens)


DRAWINGS = ("tree", "dot", "svg", "mermaid", "json")


def test_a_change_of_state_is_one_and_a_measurement_is_none() -> None:
    report = EAST.gateways[0]
    slower = tuple(replace(one, loss=0.25, round_trip=None, throughput=Throughput(1, 2)) for one in report.cables)
    idle = tuple(replace(one, active=False) for one in report.cables)
    first = drawn("connections").state
    for cables, same in ((slower, True), (idle, False)):
        member = changed(PICTURE, gateways=(replace(report, cables=cables),)).members[0]
        assert (drawn("connections", [Seen("east-admin", member), READINGS[1]]).state == first) is same


def test_the_tree_says_what_is_wrong() -> None:
    dead = changed(PICTURE, daemon_problems={"east-n1": "crash"}).members[0]
    screen = draw_topology([Seen("east-admin", dead), READINGS[1]], "tree", color=True, named=False)
    assert screen.status == 1
    assert "\x1b[33munknown" in screen.out
    assert "east east-n1: its daemon does not run: crash" in screen.out
    assert draw_topology([Seen("x")], "tree", color=False, named=False).out == ""
