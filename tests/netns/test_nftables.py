"""Tables through the real nft: what is rendered is accepted, and what is listed has the fingerprint."""

import errno
import json
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mcnet.codec.nft import fingerprint, render
from mcnet.codec.nft_elements import canonical
from mcnet.kernel import nftables
from mcnet.model.errors import KernelError
from mcnet.model.kernel import NftChain, NftSet, NftTable
from mcnet.model.ownership import MARK_SETS
from mcnet.model.probe import Mark
from mcnet.plan import gateway, route_agent, soft_mark
from tests.fakes.worlds import IPSEC, Situation
from tests.netns.namespaces import Namespace, shell

EVERYTHING = NftTable(
    "mcnet",
    (
        NftSet("empty4", "ipv4_addr", ("interval",)),
        NftSet("empty6", "ether_addr . ipv6_addr", ("interval",)),
        NftSet("all4", "ipv4_addr", ("interval",), frozenset({"0.0.0.0/0"})),
        NftSet("all6", "ipv6_addr", ("interval",), frozenset({"::/0"})),
        NftSet(
            "overlapping", "ipv4_addr", ("interval",), frozenset({"10.0.0.0/8", "10.1.0.0/16", "11.0.0.0-11.0.0.9"})
        ),
        NftSet("plain6", "ipv6_addr", (), frozenset({"fd00::1", "FD00:0:0::2"})),
        NftSet("names", "ifname", (), frozenset({"mcnet-vx", "eth0"})),
        NftSet("macs", "ether_addr . ipv4_addr", ("interval",), frozenset({"02:00:00:00:00:0A . 10.1.0.0/16"})),
        NftSet("macs6", "ether_addr . ipv6_addr", ("interval",), frozenset({"02:00:00:00:00:01 . fd00::/64"})),
        NftSet("by_device", "ifname . ipv4_addr", ("interval",), frozenset({"mcnet-c1 . 10.1.2.3/32"})),
        NftSet("ports", "inet_service", ("interval",), frozenset({"80", "4500-4529"})),
        NftSet(
            "flows",
            "ipv4_addr . inet_proto . inet_service",
            (),
            frozenset({"10.0.0.1 . tcp . 80", "10.0.0.1 . 17 . 53"}),
        ),
    ),
    (
        NftChain("helper", "", ("return",)),
        NftChain(
            "raw", "type filter hook prerouting priority raw", ("ip saddr @all4 notrack", 'iifname "mcnet-c*" accept')
        ),
        NftChain(
            "forward",
            "type filter hook forward priority mangle + 5",
            ("tcp flags syn tcp option maxseg size set rt mtu",),
        ),
        NftChain(
            "post", "type nat hook postrouting priority srcnat - 10", ("ip daddr @overlapping snat ip to ip saddr",)
        ),
    ),
    (("ipv4/ip_forward", "0"), ("ipv4/conf/x y/a", 'quote " and\nline' + "ü" * 200)),
)


async def held(table: NftTable) -> bool:
    await nftables.replace(table)
    return await nftables.read(table.name) == fingerprint(table)


def test_everything_that_a_table_may_hold_comes_back(namespace: Namespace) -> None:
    async def body() -> None:
        assert await nftables.read("mcnet") is None
        assert await held(EVERYTHING)
        assert await held(EVERYTHING)
        assert await held(NftTable("mcnet", (), ()))
        await nftables.remove("mcnet")
        await nftables.remove("mcnet")
        assert await nftables.read("mcnet") is None

    namespace.run(body())


def test_the_tables_of_a_node_with_libreswan_cables_come_back(namespace: Namespace) -> None:
    situation = Situation(**IPSEC)
    for decision in (gateway.decide(situation.for_gateway()), route_agent.decide(situation.for_route_agent())):
        (table,) = decision.state.tables
        assert isinstance(table, NftTable)
        assert "ipsec18" in render(table)
        assert namespace.run(held(table))


def _prefixes(family: int) -> st.SearchStrategy[str]:
    network, bits = (IPv4Network, 32) if family == 4 else (IPv6Network, 128)
    return st.builds(
        lambda base, length: str(network((base, length), strict=False)),
        st.integers(0, 2**bits - 1),
        st.integers(0, bits),
    )


@settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.frozensets(_prefixes(4), max_size=8),
    st.frozensets(_prefixes(6), max_size=8),
    st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=3, unique_by=lambda note: note[0]),
)
def test_any_prefixes_and_notes(
    namespace: Namespace, prefixes4: frozenset[str], prefixes6: frozenset[str], notes: list[tuple[str, str]]
) -> None:
    macs = {f"02:00:00:00:00:{number:02x} . {prefix}" for number, prefix in enumerate(sorted(prefixes4))}
    table = NftTable(
        "mcnet",
        (
            NftSet("four", "ipv4_addr", ("interval",), prefixes4),
            NftSet("six", "ipv6_addr", ("interval",), prefixes6),
            NftSet("pairs", "ether_addr . ipv4_addr", ("interval",), frozenset(macs)),
        ),
        (),
        tuple(notes),
    )
    assert namespace.run(held(table))


def _some(
    names: str, kinds: st.SearchStrategy[NftSet | NftChain]
) -> st.SearchStrategy[tuple[NftSet | NftChain, ...]]:
    """Some of these names, each with one of the kinds."""
    return st.sets(st.sampled_from(names)).flatmap(
        lambda found: st.tuples(*(st.builds(replace, kinds, name=st.just(name)) for name in sorted(found)))
    )


_KINDS: Final = st.one_of(
    st.builds(
        NftSet, st.just(""), st.just("ipv4_addr"), st.just(("interval",)), st.frozensets(_prefixes(4), max_size=5)
    ),
    st.builds(
        NftSet, st.just(""), st.just("ipv6_addr"), st.just(("interval",)), st.frozensets(_prefixes(6), max_size=5)
    ),
    st.builds(NftSet, st.just(""), st.just("ifname"), st.just(()), st.frozensets(st.sampled_from(["a", "b", "c"]))),
    st.builds(
        NftSet,
        st.just(""),
        st.just("ether_addr . ipv4_addr"),
        st.just(("interval",)),
        st.frozensets(st.integers(0, 9).map("02:00:00:00:00:01 . 10.{}.0.0/16".format), max_size=4),
    ),
)
_CHAINS: Final = st.builds(
    NftChain,
    st.just(""),
    st.sampled_from(["", "type filter hook prerouting priority raw", "type filter hook output priority raw"]),
    st.lists(st.sampled_from(["accept", "counter", 'iifname vmap { "lo" : drop }']), max_size=3).map(tuple),
)
_TABLES: Final = st.builds(
    NftTable, st.just("mcnet"), _some("abc", _KINDS), _some("xyz", _CHAINS), st.sampled_from([(), (("a/b", "0"),)])
)


@settings(
    max_examples=40,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(_TABLES, min_size=2, max_size=4))
def test_any_table_becomes_any_other_where_it_stands(namespace: Namespace, tables: list[NftTable]) -> None:
    async def body() -> None:
        await nftables.remove("mcnet")
        assert await held(tables[0])
        with pytest.MonkeyPatch.context() as patch:
            # What replaces the whole table is not called.
            patch.setattr(nftables, "render", None)
            for table in tables[1:]:
                assert await held(table)

    namespace.run(body())


def test_what_can_t_be_changed_where_it_stands_is_replaced(namespace: Namespace) -> None:
    async def body() -> None:
        await nftables.replace(EVERYTHING)
        # A chain that a map refers to can't be deleted before it.
        await shell("nft 'add map inet mcnet mine { type mark : verdict; elements = { 1 : jump helper } }'")
        assert await held(replace(EVERYTHING, chains=EVERYTHING.chains[1:]))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nftables, "rewriting", lambda *_: "no script")
            assert await held(EVERYTHING)

    namespace.run(body())


def test_a_broken_script_leaves_the_old_table(namespace: Namespace) -> None:
    async def body() -> None:
        good = NftTable("mcnet", (), (NftChain("c", "type filter hook input priority 0", ("accept",)),))
        await nftables.replace(good)
        with pytest.raises(KernelError, match="replace nft table inet mcnet"):
            await nftables.replace(NftTable("mcnet", (), (NftChain("c", "", ("ip saddr 10.0.0.0/99 accept",)),)))
        assert await nftables.read("mcnet") == fingerprint(good)

    namespace.run(body())


_PROTOCOLS = st.frozensets(st.integers(0, 255).map(str), max_size=6)


def _with_protocols(*elements: frozenset[str]) -> NftTable:
    """A table with the sets of the marks, the only ones that change without their table being sealed anew."""
    names = MARK_SETS.values()
    sets = (NftSet(name, "inet_proto", (), held) for name, held in zip(names, elements, strict=True))
    return NftTable("mcnet", tuple(sets), ())


@settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(_PROTOCOLS, _PROTOCOLS, _PROTOCOLS)
def test_any_protocols_become_any_others_without_nft(
    namespace: Namespace, before: frozenset[str], after: frozenset[str], second: frozenset[str]
) -> None:
    async def body() -> None:
        old, new = _with_protocols(before, second), _with_protocols(after, second)
        await nftables.replace(old)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nftables, "run", None)
            await nftables.change(old, new)
        listed = json.loads(await shell("nft -j -n list table inet mcnet"))["nftables"]
        held = {one["set"]["name"]: one["set"].get("elem", []) for one in listed if "set" in one}
        for item in new.sets:
            assert canonical(item.type, (), held[item.name]) == sorted(item.elements)

    namespace.run(body())


@pytest.mark.parametrize("wanted", Mark)
@pytest.mark.parametrize("held", Mark)
def test_a_mark_does_not_replace_its_table(namespace: Namespace, held: Mark, wanted: Mark) -> None:
    """A packet that is being checked at that moment would be dropped. What differs otherwise does replace it."""

    def with_mark(mark: Mark) -> NftTable:
        return replace(EVERYTHING, sets=(*EVERYTHING.sets, *soft_mark.sets(mark)))

    async def body() -> None:
        await nftables.replace(with_mark(held))
        before = await nftables.read("mcnet")
        assert before is not None
        await nftables.update(before, with_mark(wanted))
        after = await nftables.read("mcnet")
        assert after == fingerprint(with_mark(wanted))
        assert after is not None
        assert (after.mark, after.made) == (wanted, before.made)
        other = replace(with_mark(held), chains=EVERYTHING.chains[:1])
        await nftables.update(after, other)
        replaced = await nftables.read("mcnet")
        assert replaced == fingerprint(other)
        assert replaced is not None
        assert replaced.made != before.made

    namespace.run(body())


def test_elements_that_the_kernel_refuses_change_nothing(namespace: Namespace) -> None:
    async def body() -> None:
        old = _with_protocols(frozenset({"1"}), frozenset())
        new = _with_protocols(frozenset(), frozenset({"58"}))
        with pytest.raises(KernelError, match=r"change elements of nft table inet mcnet: .*ENOENT"):
            await nftables.change(old, new)
        await nftables.replace(NftTable("mcnet", old.sets[:1], ()))
        held = await nftables.read("mcnet")
        with pytest.raises(KernelError, match="ENOENT") as refused:
            await nftables.change(old, new)
        assert refused.value.errno == errno.ENOENT
        assert await nftables.read("mcnet") == held, "the first set was not emptied either"

    namespace.run(body())


def test_an_unchanged_counter_is_no_change(namespace: Namespace) -> None:
    async def body() -> None:
        table = NftTable("mcnet", (), (NftChain("c", "type filter hook output priority 0", ("counter accept",)),))
        await nftables.replace(table)
        await shell("ping -c1 -W1 127.0.0.1 || true")
        assert "packets 0" not in await shell("nft list table inet mcnet")
        assert await nftables.read("mcnet") == fingerprint(table)

    namespace.run(body())


EDITS = {
    "rule flushed": "nft flush table inet mcnet",
    "rule added": "nft add rule inet mcnet forward drop",
    "rule deleted": "nft delete rule inet mcnet forward handle $(nft -a list chain inet mcnet forward"
    " | sed -n 's/.*mss.*# handle //p; s/.*maxseg.*# handle //p')",
    "rule changed under its comment": "nft replace rule inet mcnet raw handle $(nft -a list chain inet mcnet raw"
    " | sed -n 's/.*notrack.*# handle //p') accept comment "
    '\\"$(nft list chain inet mcnet raw | sed -n \'s/.*notrack comment "\\(.*\\)"/\\1/p\')\\"',
    "policy": "nft 'chain inet mcnet forward { policy drop; }'",
    "chain added": "nft 'add chain inet mcnet mine'",
    "chain with hook added": "nft 'add chain inet mcnet mine { type filter hook input priority 0; policy drop; }'",
    "table dormant": "nft 'add table inet mcnet { flags dormant; }'",
    "element added": "nft 'add element inet mcnet plain6 { fd00::9 }'",
    "element deleted": "nft 'delete element inet mcnet plain6 { fd00::1 }'",
    "element given a comment": "nft 'delete element inet mcnet plain6 { fd00::1 };"
    ' add element inet mcnet plain6 { fd00::1 comment "x" }\'',
    "set added": "nft 'add set inet mcnet mine { type mark; }'",
    "set with a limit": "nft 'flush table inet mcnet; delete set inet mcnet plain6;"
    " add set inet mcnet plain6 { type ipv6_addr; size 3; limit rate 1/day; };"
    " add element inet mcnet plain6 { fd00::1, fd00::2 }'",
    "map added": "nft 'add map inet mcnet mine { type mark : verdict; }'",
    "counter added": "nft 'add counter inet mcnet mine'",
    "note deleted": "nft 'delete element inet mcnet notes { 0x100 }'",
    "notes flushed": "nft 'flush set inet mcnet notes'",
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_every_edit_by_hand_is_seen_and_undone(namespace: Namespace, edit: str) -> None:
    async def body() -> None:
        wanted = fingerprint(EVERYTHING)
        assert await held(EVERYTHING)
        await shell(edit)
        found = await nftables.read("mcnet")
        assert found is not None
        assert found != wanted
        assert found.edited or found.notes != wanted.notes
        assert await held(EVERYTHING)
        assert "limit" not in await shell("nft list table inet mcnet")

    namespace.run(body())


def test_a_table_of_an_earlier_version_is_written_once_more_and_called_unsealed_not_edited(
    namespace: Namespace,
) -> None:
    async def body() -> None:
        await shell(f"nft -f - <<'X'\n{render(EVERYTHING)}\nX")
        found = await nftables.read("mcnet")
        assert found == replace(fingerprint(EVERYTHING), sealed=False)
        assert await held(EVERYTHING)

    namespace.run(body())
