"""Foreign chains that drop our packets, one finding per chain and command."""

from ipaddress import ip_network

from mcnet.model.foreign import Clause, ForeignChain, ForeignRule, Match, Verdict
from mcnet.model.look import Order
from mcnet.plan.host_drops import drops

ORDER = Order("n1", gateway=True, peer_port_bases=(4500,), families=(4,), underlay=(4,), drivers=("vxlan",))


def chain(hook: str, *rules: ForeignRule, policy: Verdict = Verdict.ACCEPT) -> ForeignChain:
    return ForeignChain("inet", "fw", "guard", rules, "filter", hook, policy)


def drop(port: int) -> ForeignRule:
    return ForeignRule(7, (Clause((Match("udp dport", (port,)),), Verdict.DROP),))


def test_no_chain_no_drop() -> None:
    assert drops(ORDER, ()) == ()
    assert drops(ORDER, [chain("input"), chain("output"), chain("forward")]) == ()


def test_a_rule_that_drops_one_port() -> None:
    (found,) = drops(ORDER, [chain("input", drop(4800))])
    assert (found.chain, found.packets, found.certain) == ("inet fw guard", ("overlay",), True)
    assert found.why == "its rule with handle 7 drops"
    assert found.remedy.startswith("nft insert rule inet fw guard ")
    (found,) = drops(ORDER, [chain("output", drop(4520))])
    assert found.packets == ("vxlan-cable-4520-out",)


def test_a_node_that_is_no_gateway_needs_no_cable() -> None:
    order = Order("n2", families=(4,), underlay=(4,))
    assert drops(order, [chain("input", drop(4520)), chain("output", drop(4520))]) == ()


def test_delivery_by_the_cni_needs_remote_sources_forwarded() -> None:
    remote = ip_network("10.1.0.0/16")
    rule = ForeignRule(8, (Clause((Match("ip saddr", (remote,)),), Verdict.DROP),))
    order = Order("n2", families=(4,), underlay=(4,), remote=(remote,))
    assert drops(order, [chain("forward", rule)]) == ()
    cni = Order("n2", families=(4,), underlay=(4,), remote=(remote,), delivery="cni")
    assert [one.packets for one in drops(cni, [chain("forward", rule)])] == [("from-10.1.0.0/16",)]
