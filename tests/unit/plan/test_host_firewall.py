"""Which accept rules go into which chain, and where: only for what is dropped, in front of what drops."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.foreign import Clause, ForeignChain, ForeignRule, Match, Verdict
from mcnet.model.kernel import HostRule
from mcnet.model.ownership import HOST_RULE_MARK
from mcnet.plan.foreign_chains import obstacles
from mcnet.plan.host_firewall import Passage, decide, passages, present, remedy, warnings

DROP, ACCEPT = Verdict.DROP, Verdict.ACCEPT
REJECT = ForeignRule(9, (Clause((), DROP),))
GATEWAY = passages(
    families=(4,), underlay=(4,), gateway=True, port_base=4500, peer_port_bases=(4600,), drivers=["vxlan"]
)
NODE = passages(families=(4,), underlay=(4,), gateway=False, port_base=4500)


def base(hook: str, *rules: ForeignRule, policy: Verdict = ACCEPT, **changes: object) -> ForeignChain:
    chain = ForeignChain("inet", "filter", hook, rules, type="filter", hook=hook, policy=policy)
    return replace(chain, **changes)  # type: ignore[arg-type]


def texts(rules: Iterable[HostRule]) -> set[str]:
    return {rule.text.removesuffix(" counter accept") for rule in rules}


def test_nothing_drops_nothing_is_wanted() -> None:
    assert decide([base("input"), base("forward")], GATEWAY).rules == frozenset()


def test_what_a_gateway_takes_in() -> None:
    rules = decide([base("input", REJECT)], GATEWAY).rules
    assert texts(rules) == {
        "udp dport 4800",
        "udp dport 4520",
        'iifname "mcnet-vx" udp dport 4801',
        'iifname "mcnet-vx" meta l4proto icmp',
        'iifname "mcnet-c*" meta l4proto icmp',
    }
    assert {rule.before for rule in rules} == {9}
    assert all(rule.mark.startswith(HOST_RULE_MARK) for rule in rules)


def test_cables_of_pluto_have_other_devices() -> None:
    wanted = passages(families=(4,), underlay=(4,), gateway=True, port_base=4500, drivers=["libreswan", "vxlan"])
    taken = texts(decide([base("input", REJECT)], wanted).rules)
    assert {"udp dport 4524", 'iifname "ipsec18*" meta l4proto icmp', 'iifname "mcnet-c*" meta l4proto icmp'} <= taken
    through = texts(decide([base("forward", policy=DROP)], wanted).rules)
    assert {'iifname "ipsec18*"', 'oifname "ipsec18*"', 'iifname "mcnet-c*"', 'oifname "mcnet-c*"'} <= through
    keys = [passage.packet.key for passage in wanted]
    assert len(keys) == len(set(keys))


def test_another_node_has_no_cables() -> None:
    assert texts(decide([base("input", REJECT)], NODE).rules) == {
        "udp dport 4800",
        'iifname "mcnet-vx" udp dport 4801',
    }


def test_what_goes_through_and_out() -> None:
    through = {f'{way} "{device}"' for way in ("iifname", "oifname") for device in ("mcnet-vx", "mcnet-c*")}
    assert texts(decide([base("forward", policy=DROP)], GATEWAY).rules) == through
    out = {"udp dport 4800", "udp dport 4520", "udp dport 4620", 'oifname "mcnet-vx"', 'oifname "mcnet-c*"'}
    assert texts(decide([base("output", policy=DROP)], GATEWAY).rules) == out


def test_only_what_is_dropped() -> None:
    lets_overlay = ForeignRule(3, (Clause((Match("udp dport", (4800,)),), ACCEPT),))
    assert texts(decide([base("input", lets_overlay, REJECT)], NODE).rules) == {'iifname "mcnet-vx" udp dport 4801'}


def test_packets_delivered_by_the_cni() -> None:
    remote = ip_network("10.20.0.0/16")
    wanted = passages(families=(4,), underlay=(4,), gateway=False, port_base=4500, delivered=[remote])
    assert "ip saddr 10.20.0.0/16" in texts(decide([base("forward", policy=DROP)], wanted).rules)


def test_families_go_into_the_chains_that_see_them() -> None:
    wanted = passages(families=(4, 6), underlay=(6,), gateway=True, port_base=4500)
    rules = decide(
        [base("input", REJECT, family="ip"), base("input", REJECT, family="ip6", table="six")], wanted
    ).rules
    assert texts(rule for rule in rules if rule.family == "ip") == {
        'iifname "mcnet-vx" udp dport 4801',
        'iifname "mcnet-vx" meta l4proto icmp',
        'iifname "mcnet-c*" meta l4proto icmp',
    }
    assert "udp dport 4800" in texts(rule for rule in rules if rule.family == "ip6")


def placed(chain: ForeignChain, rules: Iterable[HostRule], position: int) -> ForeignChain:
    """The chain with `rules` in it. An accepting rule is enough: it is not judged for what it matches."""
    ours = [
        ForeignRule(100 + number, (Clause((), ACCEPT),), rule.mark)
        for number, rule in enumerate(sorted(rules, key=str))
    ]
    return replace(chain, rules=(*chain.rules[:position], *ours, *chain.rules[position:]))


def test_rules_that_stand_right_are_kept_wherever_they_are() -> None:
    chain = base("input", ForeignRule(1), REJECT)
    wanted = decide([chain], GATEWAY).rules
    for position in (0, 1):
        there = placed(chain, wanted, position)
        assert decide([there], GATEWAY).rules == wanted == present([there])


def test_rules_behind_what_drops_go_and_come_back_in_front() -> None:
    chain = base("input", REJECT)
    wanted = decide([chain], NODE).rules
    behind = placed(chain, wanted, 1)
    assert decide([behind], NODE).rules == frozenset()
    assert decide([chain], NODE).rules == wanted


def test_a_table_that_only_its_program_may_change_is_named_with_the_command() -> None:
    plan = decide([base("input", REJECT, table="firewalld", name="filter_INPUT", owned=True)], NODE)
    assert plan.rules == frozenset()
    assert "firewall-cmd --permanent --add-port=4800/udp && firewall-cmd --reload" in plan.problems[0]


@pytest.mark.parametrize(
    ("chain", "command"),
    [
        (base("input", REJECT), "nft insert rule inet filter input udp dport 4800 accept"),
        (base("input", REJECT, family="ip", name="INPUT"), "iptables -w -I INPUT -p udp --dport 4800 -j ACCEPT"),
        (base("forward", policy=DROP, family="ip", name="FORWARD"), "iptables -w -I FORWARD -i mcnet-vx -j ACCEPT"),
        (
            base("forward", REJECT, table="firewalld"),
            "firewall-cmd --permanent --zone=trusted --add-interface=mcnet-vx && firewall-cmd --reload",
        ),
    ],
)
def test_the_command_that_mends(chain: ForeignChain, command: str) -> None:
    assert remedy(obstacles([chain], [passage.packet for passage in NODE])[0]) == command
    (warning,) = warnings([chain], NODE)
    assert chain.place in warning
    assert command in warning
    assert "--manage-host-firewall" in warning


def test_no_warning_for_what_is_helped() -> None:
    chain = base("input", REJECT)
    assert warnings([placed(chain, decide([chain], NODE).rules, 0)], NODE) == ()


@given(st.lists(st.sampled_from(GATEWAY)), st.booleans())
def test_a_chain_that_lets_some_through_gets_rules_for_the_rest_alone(let: list[Passage], policy: bool) -> None:
    def accepts(passage: Passage) -> ForeignRule:
        known = {key: value for key, value in passage.packet.known.items() if not str(value).startswith("(")}
        return ForeignRule(1, (Clause(tuple(Match(key, (value,)) for key, value in known.items()), ACCEPT),))

    for hook in ("input", "forward", "output"):
        here = [passage for passage in GATEWAY if passage.packet.hook == hook]
        rules = [accepts(passage) for passage in here if passage in let]
        chain = base(hook, *rules, policy=DROP) if policy else base(hook, *rules, REJECT)
        assert texts(decide([chain], GATEWAY).rules) == {passage.text for passage in here if passage not in let}


def test_a_range_of_ports_is_opened_whole() -> None:
    wanted = passages(families=(4,), underlay=(4,), gateway=True, port_base=4500, drivers=["wireguard"])
    assert "udp dport 4500-4515" in texts(decide([base("input", REJECT)], wanted).rules)
    chains = (
        base("input", policy=DROP),
        base("input", policy=DROP, family="ip", table="filter", name="INPUT"),
        base("input", policy=DROP, table="firewalld"),
    )
    said = " ".join(warnings(chains, wanted))
    assert "nft insert rule inet filter input udp dport 4500-4515 accept" in said
    assert "iptables -w -I INPUT -p udp --dport 4500:4515 -j ACCEPT" in said
    assert "--add-port=4500-4515/udp" in said
