"""The commands that build a lab's network."""

from mcnet.lab.addresses import Block
from mcnet.lab.filters import masquerade_commands, router_rules
from mcnet.lab.network import (
    attachment,
    configuration,
    creation,
    link_command,
    machine_configuration,
    sysctls,
)
from mcnet.lab.spec import IpFamily, LabSpec, NatKind, RuleSyntax
from mcnet.lab.topology import plan

TOPOLOGY = plan(LabSpec(nat=(("west", NatKind.SYMMETRIC),), ip_family=IpFamily.DUAL), Block(1))


def test_a_node_s_configuration() -> None:
    assert configuration(TOPOLOGY)["mcnet-lab-east-n1"] == [
        "link set lo up",
        "addr add 10.65.0.5/31 dev wan0",
        "addr add fd6d:636e:6501::5/127 dev wan0 nodad",
        "link set wan0 up",
        "route add 0.0.0.0/0 via 10.65.0.4 dev wan0",
        "route add ::/0 via fd6d:636e:6501::4 dev wan0",
        "addr add 10.65.64.11/24 dev eth0",
        "addr add fd6d:636e:6501:200::b/64 dev eth0 nodad",
        "link set eth0 up",
        "route add 10.65.130.0/24 via 10.65.64.12 dev eth0",
        "route add fd6d:636e:6501:8002::/64 via fd6d:636e:6501:200::c dev eth0",
        "link add cni0 address 02:a8:bb:cb:12:64 type bridge",
        "addr add 10.65.129.1/24 dev cni0",
        "addr add fd6d:636e:6501:8001::1/64 dev cni0 nodad",
        "link set cni0 up",
    ]


def test_the_control_plane_reaches_pods_but_has_none() -> None:
    commands = configuration(TOPOLOGY)["mcnet-lab-east-cp"]
    assert "route add 10.65.129.0/24 via 10.65.64.11 dev eth0" in commands
    assert not any("cni0" in command for command in commands)


def test_the_wan_has_no_routes_but_its_links() -> None:
    assert not any("route" in command for command in configuration(TOPOLOGY)["mcnet-lab-wan"])


def test_the_host_gets_one_route_per_family() -> None:
    routes = [command for command in configuration(TOPOLOGY)[None] if "route" in command]
    assert routes == [
        "route add 10.65.0.0/19 via 10.65.31.2 dev mcl-lab",
        "route add fd6d:636e:6501::/56 via fd6d:636e:6501:1f::2 dev mcl-lab",
    ]


def test_the_ends_of_a_link_are_made_in_their_namespaces() -> None:
    commands = [link_command(link) for link in TOPOLOGY.links]
    assert commands[0] == "link add mcl-lab type veth peer name host netns mcnet-lab-wan"
    assert "link add wan0 netns mcnet-lab-west-n1 type veth peer name west-n1 netns mcnet-lab-west-nat" in commands
    assert "link add wan0 netns mcnet-lab-west-cp type veth peer name west-cp netns mcnet-lab-wan" in commands


def test_every_cluster_port_joins_the_bridge() -> None:
    commands = configuration(TOPOLOGY)["mcnet-lab-east-net"]
    assert [command for command in commands if "master" in command] == [
        f"link set {name} master br0" for name in ("cp", "n1", "n2")
    ]


def test_sysctls_cover_every_namespace_and_nodes_filter_strictly() -> None:
    settings = sysctls(TOPOLOGY)
    assert settings.keys() == set(TOPOLOGY.namespaces.values())
    node = settings["mcnet-lab-east-n1"]
    assert (node["net.ipv4.conf.default.rp_filter"], node["net.ipv4.conf.all.rp_filter"]) == ("1", "0")
    assert settings["mcnet-lab-east-net"]["net.bridge.bridge-nf-call-iptables"] == "0"


def test_namespaces_are_made_without_mounting_their_directory() -> None:
    assert creation(["a"]).splitlines() == [
        "set -e", "mkdir -p /run/netns", ": > /run/netns/a", "unshare --net=/run/netns/a true",
    ]  # fmt: skip


def test_masquerading_spares_the_whole_cluster_in_both_syntaxes() -> None:
    east = TOPOLOGY.clusters[0]
    [(argv, table)] = masquerade_commands(east, RuleSyntax.NFTABLES)
    assert argv[0] == "nft"
    assert "ip saddr 10.65.128.0/20 ip daddr != { 10.65.128.0/20, 224.0.0.0/4 } masquerade" in table
    assert "ip6 saddr fd6d:636e:6501:8000::/56" in table
    v4, v6 = masquerade_commands(east, RuleSyntax.IPTABLES)
    assert (v4[0][0], v6[0][0]) == ("iptables-nft-restore", "ip6tables-nft-restore")
    assert "-A POD-MASQUERADE -d 10.65.128.0/20 -j RETURN" in v4[1]


def test_only_a_symmetric_router_randomizes_ports() -> None:
    router = TOPOLOGY.clusters[1].router
    assert router is not None
    assert "masquerade fully-random" in router_rules(router)
    friendly = plan(LabSpec(nat=(("west", NatKind.EIM),)), Block(0)).clusters[1].router
    assert friendly is not None
    assert "fully-random" not in router_rules(friendly)


def test_ipv4_pods_go_by_ipv6_next_hops_and_nodes_have_a_way_to_services() -> None:
    spec = LabSpec(ip_family=IpFamily.IPV4, underlay_family=IpFamily.IPV6)
    commands = configuration(plan(spec, Block(1)))["mcnet-lab-east-n1"]
    assert [command for command in commands if "10.65" in command] == [
        "route add 10.65.130.0/24 via inet6 fd6d:636e:6501:200::c dev eth0",
        "addr add 10.65.129.1/24 dev cni0",
        "route add 10.65.96.0/22 dev cni0",
        "route add 10.65.64.10 via inet6 fd6d:636e:6501:200::a dev eth0",
    ]
    assert not any("0.0.0.0/0" in command for command in commands)


def test_ipv6_pods_go_by_link_local_next_hops_where_nodes_have_ipv4() -> None:
    spec = LabSpec(ip_family=IpFamily.IPV6, underlay_family=IpFamily.IPV4)
    commands = configuration(plan(spec, Block(1)))["mcnet-lab-east-n1"]
    assert [command for command in commands if ":" in command and "link add" not in command] == [
        "addr add fe80::b/64 dev eth0 nodad",
        "route add fd6d:636e:6501:8002::/64 via fe80::c dev eth0",
        "addr add fd6d:636e:6501:8001::1/64 dev cni0 nodad",
        "route add fd6d:636e:6501:300::/112 dev cni0",
        "route add fd6d:636e:6501:200::a via fe80::a dev eth0",
    ]


def test_a_node_more_gets_what_it_would_have_had_from_the_start() -> None:
    spec, number = TOPOLOGY.spec.with_node("east")
    larger = plan(spec, Block(1))
    machine = next(one for one in larger.nodes if one.name == f"east-n{number}")
    commands = attachment(larger.clusters[0], machine)
    before, after = configuration(TOPOLOGY), configuration(larger)
    for namespace in after:
        added = [command for command in after[namespace] if command not in before.get(namespace, [])]
        assert sorted(commands.get(namespace, [])) == sorted(added), namespace


def test_a_machine_that_reboots_gets_its_own_commands_and_the_far_ends_of_its_links() -> None:
    node = next(machine for machine in TOPOLOGY.machines if machine.name == "east-n1")
    found = machine_configuration(TOPOLOGY, node)
    whole = configuration(TOPOLOGY)
    assert found.pop("mcnet-lab-east-n1") == whole["mcnet-lab-east-n1"]
    assert found == {
        "mcnet-lab-wan": [
            "addr add 10.65.0.4/31 dev east-n1",
            "addr add fd6d:636e:6501::4/127 dev east-n1 nodad",
            "link set east-n1 up",
        ],
        "mcnet-lab-east-net": ["link set n1 up", "link set n1 master br0"],
    }
