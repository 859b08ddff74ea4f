"""Which base chains drop a packet: rules in their order, jumps and gotos, policies, and what can't be known."""

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.foreign import Clause, Condition, ForeignChain, ForeignRule, Match, Opaque, Verdict
from mcnet.plan.foreign_chains import OUTSIDE, Packet, obstacles

ACCEPT, DROP, JUMP, GOTO, RETURN = Verdict.ACCEPT, Verdict.DROP, Verdict.JUMP, Verdict.GOTO, Verdict.RETURN
OVERLAY = Packet("overlay", "input", 4, {"iifname": OUTSIDE, "l4proto": "udp", "udp dport": 4800})


def rule(handle: int, verdict: Verdict, *conditions: Condition, target: str = "", mark: str = "") -> ForeignRule:
    return ForeignRule(handle, (Clause(conditions, verdict, target),), mark)


def base(*rules: ForeignRule, policy: Verdict = ACCEPT, **changes: str) -> ForeignChain:
    chain = ForeignChain("inet", "filter", "input", rules, type="filter", hook="input", policy=policy)
    return replace(chain, **changes)  # type: ignore[arg-type]


def chain(name: str, *rules: ForeignRule) -> ForeignChain:
    return ForeignChain("inet", "filter", name, rules)


def judged(*chains: ForeignChain, packet: Packet = OVERLAY) -> list[tuple[int | None, bool]]:
    return [(one.handle, one.certain) for one in obstacles(chains, [packet])]


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        (Match("udp dport", (4800,)), True),
        (Match("udp dport", (22, 4800)), True),
        (Match("udp dport", ((4000, 5000),)), True),
        (Match("udp dport", (53,)), False),
        (Match("udp dport", (4800,), negated=True), False),
        (Match("th dport", (4800,)), True),
        (Match("tcp dport", (4800,)), False),
        (Match("tcp dport", (4800,), negated=True), False),
        (Match("l4proto", ("udp",)), True),
        (Match("l4proto", (17,)), True),
        (Match("l4proto", ("icmp", "ipv6-icmp")), False),
        (Match("ct state", ("established", "related")), False),
        (Match("ct state", ("new",)), True),
        (Match("ct state", ("invalid",)), False),
        (Match("ct status", ("dnat",)), False),
        (Match("mark", (0x4000,)), False),
        (Match("nfproto", ("ipv4",)), True),
        (Match("nfproto", ("ipv6",)), False),
        (Match("ip6 saddr", (ip_network("::/0"),)), False),
        (Match("iifname", ("lo",)), False),
        (Match("iifname", ("lo",), negated=True), True),
        (Match("iifname", ("mcnet-*",)), False),
    ],
)
def test_what_fits_a_packet(condition: Condition, fits: bool) -> None:
    assert judged(base(rule(1, DROP, condition))) == ([(1, True)] if fits else [])


@pytest.mark.parametrize(
    "condition",
    [
        Opaque("multiport"),
        Match("iifname", ("eth0",)),
        Match("ip saddr", (ip_network("10.0.0.0/8"),)),
        Match("cgroup", (1,)),
    ],
)
def test_what_is_not_known_does_not_drop_but_makes_a_later_drop_uncertain(condition: Condition) -> None:
    assert judged(base(rule(1, DROP, condition))) == []
    assert judged(base(rule(1, ACCEPT, condition), rule(2, DROP))) == [(2, False)]
    assert judged(base(rule(1, DROP, condition), rule(2, DROP))) == [(2, True)]


def test_the_established_connections_of_iptables_are_not_ours() -> None:
    assert judged(base(rule(1, ACCEPT, Opaque("conntrack")), rule(2, DROP))) == [(2, True)]
    port = Match("udp dport", (4800,))
    assert judged(base(rule(1, ACCEPT, Opaque("state"), port), rule(2, DROP))) == [(2, False)]


def test_a_policy_drops_what_no_rule_accepts() -> None:
    assert judged(base(policy=DROP)) == [(None, True)]
    assert judged(base(rule(1, ACCEPT, Match("udp dport", (4800,))), policy=DROP)) == []
    assert judged(base(rule(1, RETURN), rule(2, ACCEPT), policy=DROP)) == [(None, True)]


def test_only_base_chains_of_the_packets_hook_and_family_matter() -> None:
    assert judged(base(policy=DROP, hook="forward")) == []
    assert judged(base(policy=DROP, family="ip6")) == []
    assert judged(base(policy=DROP, type="nat")) == []
    assert judged(base(policy=DROP, family="ip")) == [(None, True)]
    assert judged(chain("input", rule(1, DROP))) == []


def test_the_drop_in_a_chain_is_that_of_the_jump() -> None:
    zones = chain("zones", rule(5, GOTO, target="public"))
    public = chain("public", rule(6, ACCEPT, Match("tcp dport", (22,))), rule(7, DROP))
    assert judged(base(rule(1, JUMP, target="zones"), rule(2, ACCEPT)), zones, public) == [(1, True)]


def test_a_chain_that_decides_nothing_comes_back_to_the_one_that_jumped() -> None:
    one = chain("one", rule(5, RETURN), rule(6, DROP))
    assert judged(base(rule(1, JUMP, target="one"), rule(2, DROP)), one) == [(2, True)]
    # A goto ends the chain that it stands in.
    gone = chain("one", rule(5, GOTO, target="two"), rule(6, DROP))
    assert judged(base(rule(1, JUMP, target="one"), rule(2, ACCEPT)), gone, chain("two")) == []
    assert judged(base(rule(1, GOTO, target="two"), rule(2, ACCEPT), policy=DROP), chain("two")) == [(None, True)]


def test_a_jump_that_is_not_sure_matters_only_if_it_could_accept() -> None:
    maybe = Opaque("set")
    accepting = chain("some", rule(5, ACCEPT))
    assert judged(base(rule(1, JUMP, maybe, target="some"), rule(2, DROP)), accepting) == [(2, False)]
    assert judged(base(rule(1, JUMP, maybe, target="some"), rule(2, DROP)), chain("some")) == [(2, True)]


def test_rules_of_ours_count_only_when_asked_for() -> None:
    chains = [base(rule(1, ACCEPT, mark="mcnet:host:x"), rule(2, DROP))]
    assert len(obstacles(chains, [OVERLAY])) == 1
    assert obstacles(chains, [OVERLAY], with_ours=True) == ()


@given(st.data())
def test_jumps_in_circles_end(data: st.DataObject) -> None:
    names = ["a", "b", "c"]
    verdicts = st.sampled_from([ACCEPT, DROP, RETURN, JUMP, JUMP, GOTO])
    conditions = st.sampled_from([(), (Opaque("x"),), (Match("udp dport", (1,)),)])

    def some(handle: int) -> ForeignRule:
        verdict = data.draw(verdicts)
        target = data.draw(st.sampled_from([*names, "nowhere"])) if verdict in (JUMP, GOTO) else ""
        return rule(handle, verdict, *data.draw(conditions), target=target)

    chains = [base(*(some(number) for number in range(3)))]
    chains += [chain(name, *(some(number) for number in range(data.draw(st.integers(0, 2))))) for name in names]
    assert len(obstacles(chains, [OVERLAY])) <= 1
