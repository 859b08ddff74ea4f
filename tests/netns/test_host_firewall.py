"""Rules in other programs' chains, with real packets: blocked without, passing with, back after a reload."""

import asyncio
import re
from ipaddress import ip_address
from typing import Any

import pytest

from mcnet.kernel import execute, foreign, leave, monitor
from mcnet.model.kernel import KernelState
from mcnet.plan import host_firewall
from mcnet.plan.diff import diff
from tests.netns.firewalls import DOCKER, FIREWALLD, RHEL
from tests.netns.namespaces import Namespace, connect, shell

PASSAGES = host_firewall.passages(families=(4,), underlay=(4,), gateway=True, port_base=4500, drivers=["vxlan"])
SCRIPTS = {"firewalld": FIREWALLD.format(trusted='"cni0"'), "RHEL": RHEL, "Docker": DOCKER}
NODE, PEER = "172.30.9.1", "172.30.9.2"


async def one_round(*, wanted: bool = True) -> int:
    """What the route agent does about host firewalls; how many changes."""
    chains = await foreign.read()
    plan = host_firewall.decide(chains, PASSAGES) if wanted else host_firewall.Plan()
    assert plan.problems == ()
    actual = KernelState(host_rules=host_firewall.present(chains))
    changes = diff(KernelState(host_rules=plan.rules), actual)
    failures = await execute.apply(changes)
    assert failures == ()
    return len(changes)


async def reached(udp: int) -> bool:
    """Whether a datagram to `udp` of the node is let in: a closed port says so, a firewall says something else."""
    said = await shell(
        f"python3 - <<'E'\n"
        f"import socket\n"
        f"s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)\n"
        f"s.connect(('{NODE}', {udp})); s.send(b'x')\n"
        f"try: s.recv(9)\n"
        f"except ConnectionRefusedError: print('refused')\n"
        f"except OSError as error: print(error)\n"
        f"E"
    )
    return said.strip() == "refused"


@pytest.mark.parametrize("name", ["firewalld", "RHEL"])
def test_packets_are_let_in_where_they_were_not(namespace: Namespace, peer: Namespace, name: str) -> None:
    connect(namespace, peer, name="eth0", addresses=(f"{NODE}/24", f"{PEER}/24"))
    # Else the kernel says "closed" once a second only.
    namespace.run(shell("sysctl -qw net.ipv4.icmp_ratelimit=0"))
    assert peer.run(reached(4800))
    namespace.run(shell(SCRIPTS[name]))
    assert not peer.run(reached(4800))
    before = namespace.run(shell("nft -s list ruleset"))
    assert namespace.run(one_round()) > 0
    assert peer.run(reached(4800))
    assert peer.run(reached(4520))
    assert not peer.run(reached(4801)), "adverts come by the overlay alone"
    assert not peer.run(reached(9999))
    assert namespace.run(one_round()) == 0
    namespace.run(shell(SCRIPTS[name]))  # a reload: all rules are theirs again
    assert not peer.run(reached(4800))
    assert namespace.run(one_round()) > 0
    assert peer.run(reached(4800))
    assert namespace.run(one_round(wanted=False)) > 0
    assert not peer.run(reached(4800))
    assert namespace.run(shell("nft -s list ruleset")) == before


@pytest.mark.parametrize("name", SCRIPTS)
def test_packets_pass_from_the_overlay_to_pods_and_back(namespace: Namespace, peer: Namespace, name: str) -> None:
    """`peer` is the pod, the overlay a dummy with a host behind it."""
    with Namespace() as far:
        connect(namespace, peer, name="cni0", addresses=("10.10.0.1/24", "10.10.0.2/24"))
        connect(namespace, far, name="mcnet-vx", addresses=("10.20.0.1/24", "10.20.0.2/24"))
        namespace.run(shell("echo 1 >/proc/sys/net/ipv4/ip_forward"))
        peer.run(shell("ip route add default via 10.10.0.1"))
        far.run(shell("ip route add default via 10.20.0.1"))
        ways = ((far, "10.10.0.2"), (peer, "10.20.0.2"))
        assert all(one.run(pings(target)) for one, target in ways)
        namespace.run(shell(SCRIPTS[name]))
        assert not any(one.run(pings(target)) for one, target in ways)
        namespace.run(one_round())
        assert all(one.run(pings(target)) for one, target in ways)
        assert far.run(pings("10.20.0.1")), "probes of the node itself"
        namespace.run(leave.remove_all())
        assert not any(one.run(pings(target)) for one, target in ways)


async def pings(target: str) -> bool:
    # Another identifier each time: a connection that is known passes most firewalls.
    said = await shell(f"ping -c 3 -i 0.2 -W 2 {ip_address(target)} || true")
    return re.search(r"[1-9]\d* received", said) is not None


def test_iptables_reads_our_rules_and_may_rewrite_them(namespace: Namespace) -> None:
    namespace.run(shell(RHEL + DOCKER))
    namespace.run(one_round())
    shown = namespace.run(shell("iptables -S"))
    assert '-A INPUT -p udp -m udp --dport 4800 -m comment --comment "mcnet:host:overlay:' in shown
    assert shown.index("--dport 4800") < shown.index("-j REJECT")
    namespace.run(shell("iptables-save | iptables-restore"))
    assert namespace.run(one_round()) == 0
    assert "mcnet:" not in namespace.run(shell("nft list ruleset")), "nft shows none of them any more"
    assert namespace.run(one_round(wanted=False)) > 0
    assert "mcnet" not in namespace.run(shell("iptables -S"))


def test_a_rule_that_somebody_puts_in_front_loses_its_place_to_ours(namespace: Namespace, peer: Namespace) -> None:
    connect(namespace, peer, name="eth0", addresses=(f"{NODE}/24", f"{PEER}/24"))
    namespace.run(shell(RHEL))
    namespace.run(one_round())
    namespace.run(shell("iptables -w -I INPUT -p udp -j REJECT --reject-with icmp-host-prohibited"))
    assert not peer.run(reached(4800))
    assert namespace.run(one_round()) > 0
    assert namespace.run(one_round()) > 0
    assert peer.run(reached(4800))
    assert namespace.run(one_round()) == 0


def test_a_chain_that_appears_or_is_flushed_is_an_event(namespace: Namespace) -> None:
    async def events() -> None:
        watching = monitor.watch()
        await anext(watching)
        for script in (
            FIREWALLD.format(trusted='"cni0"'),
            RHEL,
            "iptables -w -F INPUT",
            "nft delete table inet firewalld",
        ):
            following = anext(watching)
            await shell(script)
            await following
        await watching.aclose()  # type: ignore[attr-defined]

    namespace.run(events())


def test_a_table_with_an_owner_is_left_alone_and_named(namespace: Namespace) -> None:
    async def owned() -> Any:
        process = await asyncio.create_subprocess_exec("nft", "-i", stdin=asyncio.subprocess.PIPE)
        assert process.stdin
        script = (
            "add table inet firewalld { flags owner; }\n"
            "add chain inet firewalld filter_INPUT { type filter hook input priority 10; policy drop; }\n"
        )
        process.stdin.write(script.encode())
        await process.stdin.drain()
        chains: Any = ()
        while not any(chain.table == "firewalld" for chain in chains):
            chains = await foreign.read()
        process.stdin.close()
        await process.wait()
        return host_firewall.decide(chains, PASSAGES)

    plan = namespace.run(owned())
    assert plan.rules == frozenset()
    assert any("firewall-cmd --permanent --add-port=4800/udp" in problem for problem in plan.problems)
