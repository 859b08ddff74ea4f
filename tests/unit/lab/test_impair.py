"""Faults of links, as texts for nft and tc."""

import pytest

from mcnet.lab.addresses import Block
from mcnet.lab.impair import Impairment, LinkName, drop_rules, find_link, parse_link, parse_percent, queue
from mcnet.lab.spec import LabSpec
from mcnet.lab.topology import plan
from mcnet.model.errors import UsageError

TOPOLOGY = plan(LabSpec(), Block(0))


def test_losses_replace_earlier_ones_in_both_directions() -> None:
    text = drop_rules("east-n1", 5)
    assert text.startswith("table netdev lab_impair_east_n1\ndelete table netdev lab_impair_east_n1\n")
    assert text.count("numgen random mod 10000 < 500 drop") == 2
    assert 'hook ingress device "east-n1"' in text
    assert 'hook egress device "east-n1"' in text


def test_losing_everything_is_no_matter_of_chance() -> None:
    text = drop_rules("n1", 100)
    assert text.count("    drop\n") == 2
    assert "numgen" not in text


def test_no_losses_remove_the_table() -> None:
    assert drop_rules("n1", 0) == "table netdev lab_impair_n1\ndelete table netdev lab_impair_n1\n"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Impairment(), []),
        (Impairment(rate="10mbit"), ["tbf", "rate", "10mbit", "burst", "64kb", "latency", "50ms"]),
        (Impairment(delay="20ms"), ["netem", "delay", "20ms"]),
        (Impairment(delay="20ms", rate="1mbit"), ["netem", "delay", "20ms", "rate", "1mbit"]),
    ],
)
def test_queueing(wanted: Impairment, words: list[str]) -> None:
    assert queue(wanted) == words


@pytest.mark.parametrize("name", ["east-n2", "east/n2"])
def test_links_are_found_by_either_name(name: str) -> None:
    assert find_link(TOPOLOGY, name, LinkName.WAN).far.device == "east-n2"
    assert find_link(TOPOLOGY, name, LinkName.CLUSTER).far.namespace == "mcnet-lab-east-net"


def test_an_unknown_machine_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="'east-n9'") as caught:
        find_link(TOPOLOGY, "east-n9", LinkName.WAN)
    assert "east-n1" in caught.value.hint


@pytest.mark.parametrize(("text", "percent"), [("5%", 5.0), ("0.5", 0.5)])
def test_percentages(text: str, percent: float) -> None:
    assert parse_percent(text) == percent


def test_what_is_no_percentage_or_link_is_refused_with_the_value() -> None:
    with pytest.raises(UsageError, match="'some'"):
        parse_percent("some")
    with pytest.raises(UsageError, match="101 %"):
        Impairment(drop_percent=101)
    with pytest.raises(UsageError, match="'lan'"):
        parse_link("lan")
