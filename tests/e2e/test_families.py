"""IPv6, both families, and pods of another family than what carries them: each in a lab of its own, from nothing to
connected and back. The last one joins clusters that differ.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcnet.lab.demo import show_traffic
from mcnet.lab.impair import Impairment, LinkName
from mcnet.lab.spec import Families, IpFamily, LabSpec, RuleSyntax
from mcnet.lab.workload import FETCH, Workload, url_of
from mcnet.model.gateway import Cable, CableState
from mcnet.model.kernel import Address
from tests.e2e.clusterset import CLUSTERS, Clusterset, brought_up, eventually
from tests.e2e.test_connection import SIZES
from tests.full import FULL

pytestmark = pytest.mark.asyncio(loop_scope="session")

IPV4, IPV6, DUAL = IpFamily.IPV4, IpFamily.IPV6, IpFamily.DUAL


@dataclass(frozen=True)
class Variant:
    """A kind of clusters; `outer` is the family that its cables should use."""

    pods: IpFamily
    underlay: IpFamily
    outer: int
    kube_proxy: RuleSyntax = RuleSyntax.NFTABLES
    masquerade: RuleSyntax = RuleSyntax.IPTABLES


VARIANTS = {
    "ipv6": Variant(IPV6, IPV6, 6),
    "dual": Variant(DUAL, DUAL, 4),
    "ipv4-over-ipv6": Variant(IPV4, IPV6, 6),
    "ipv6-over-ipv4": Variant(IPV6, IPV4, 4),
}
if FULL:
    VARIANTS |= {
        "ipv4, kube-proxy iptables": Variant(IPV4, IPV4, 4, kube_proxy=RuleSyntax.IPTABLES),
        "dual, kube-proxy iptables": Variant(DUAL, DUAL, 4, kube_proxy=RuleSyntax.IPTABLES),
        "ipv6, masquerade nftables": Variant(IPV6, IPV6, 6, masquerade=RuleSyntax.NFTABLES),
        "dual-over-ipv6": Variant(DUAL, IPV6, 6),
    }
HOPELESS = """
import errno, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, socket.SOCK_STREAM) as client:
    client.settimeout(10)
    try:
        client.connect((sys.argv[1], 8080))
    except OSError as error:
        print(errno.errorcode.get(error.errno or 0, "timeout"))
    else:
        print("connected")
"""


@pytest.mark.parametrize("name", VARIANTS)
async def test_two_clusters_from_nothing_to_connected_and_back(name: str, tmp_path: Path) -> None:
    variant = VARIANTS[name]
    spec = LabSpec(
        name=f"f{os.getpid()}", ip_family=variant.pods, underlay_family=variant.underlay,
        kube_proxy_mode=variant.kube_proxy, masquerade=variant.masquerade,
    )  # fmt: skip
    async with brought_up(spec, tmp_path) as made:
        await made.mcnet("deploy-broker", "--context", "east", "--cable-driver", "vxlan")
        for cluster in CLUSTERS:
            await made.mcnet("join", "broker-info.mcnet", "--context", cluster, "--broker-context", "east")
        await _is_connected(made, variant)
        await _pods_and_services_are_reached(made, variant)
        await _nodes_are_seen_with_their_pod_address(made, variant)
        await _nothing_is_wrong(made)
        await _a_lost_path_is_named_and_rejected(made, variant)
        for cluster in reversed(CLUSTERS):
            await made.mcnet("leave", "--context", cluster, "--broker-context", "east")
        for cluster in CLUSTERS:
            assert await made.pictures(cluster) == made.before[cluster]


async def _is_connected(made: Clusterset, variant: Variant) -> None:
    async def connected() -> bool:
        cables = await made.cables()
        return len(cables) == 2 and all(cable.state is CableState.CONNECTED for cable in cables)

    await eventually(connected, 60, "both sides report their cable as connected")
    for cable in await made.cables():
        assert _versions(cable) == {variant.outer}
    assert "connected" in await made.mcnet("show", "connections")
    assert "not ready" not in await made.mcnet("show", "gateways")
    shown = await made.mcnet("show", "endpoints", "-o", "wide")
    assert all(str(address) in shown for cable in await made.cables() for address in _ends(cable))


async def _pods_and_services_are_reached(made: Clusterset, variant: Variant) -> None:
    said: list[str] = []
    await show_traffic(made.lab, CLUSTERS, made.image, said.append)
    families = variant.pods.versions
    assert sum(line.endswith("✓") for line in said) == 2 * (2 * 2 + 2) * len(families)
    for version in families:
        target = made.pod("east-n2").address_in(version)
        assert target is not None
        done = await made.loads["west"].run(made.pod("west-n2"), "python3", "-c", SIZES, target)
        assert done.output == "1000000\n8000 True\n", done.errors


async def _nodes_are_seen_with_their_pod_address(made: Clusterset, variant: Variant) -> None:
    """What starts on a node itself comes with its address on the pod bridge."""
    for version in variant.pods.versions:
        server = made.pod("east-n2").address_in(version)
        assert server is not None
        done = await made.node("west/n2", "python3", "-c", FETCH, "10", url_of(server, 8080))
        assert done.status == 0, done.errors
        node = next(node for node in made.lab.topology.nodes if node.name == "west-n2")
        (own,) = (cidr[1] for cidr in node.pod_cidrs if cidr.version == version)
        assert f'"client": "{own}"' in done.output


async def _nothing_is_wrong(made: Clusterset) -> None:
    """diagnose looks at all of it in these families too, and gives no alarm."""
    diagnoses = json.loads(await made.mcnet("diagnose", "-o", "json"))
    assert {diagnosis["cluster"] for diagnosis in diagnoses} == set(CLUSTERS)
    assert [finding for diagnosis in diagnoses for finding in diagnosis["findings"]] == []


async def _a_lost_path_is_named_and_rejected(made: Clusterset, variant: Variant) -> None:
    """The cable's link is cut: both sides name it, and pods are told at once, in every family."""
    (gateway,) = await made.gateways("west")
    await made.lab.impair(gateway, LinkName.WAN, Impairment(cut=True))
    try:

        async def named() -> bool:
            cables = await made.cables()
            return all(cable.state is CableState.ERROR and "does not answer" in cable.reason for cable in cables)

        await eventually(named, 60, "both sides name the lost cable")
        load: Workload = made.loads["east"]
        for version in variant.pods.versions:
            target = made.pod("west-n2").address_in(version)
            assert target is not None
            done = await load.run(made.pod("east-n2"), "python3", "-c", HOPELESS, target)
            assert done.output.strip() in ("EHOSTUNREACH", "ENETUNREACH", "ECONNREFUSED"), done
    finally:
        await made.lab.impair(gateway, LinkName.WAN, Impairment())
    await _is_connected(made, variant)


async def test_clusters_that_differ_use_what_both_have(tmp_path: Path) -> None:
    """`both` has IPv4 and IPv6, `four` and `six` one of them, outside and inside."""
    spec = LabSpec(
        name=f"f{os.getpid()}",
        clusters=("both", "four", "six"),
        nodes=1,
        cluster_families=tuple(
            (cluster, Families(family, family)) for cluster, family in (("both", DUAL), ("four", IPV4), ("six", IPV6))
        ),
    )
    async with brought_up(spec, tmp_path) as made:
        servers = made.lab.topology.clusters[0].public_servers
        for cluster, server in (("both", servers[0]), ("four", servers[0]), ("six", servers[1])):
            await made.mcnet("deploy-broker", "--context", "both", "--server", server, "--cable-driver", "vxlan")
            await made.mcnet("join", "broker-info.mcnet", "--context", cluster, "--broker-context", "both")

        async def settled() -> bool:
            states = {
                (cluster, cable.cluster): (cable.state, _versions(cable))
                for cluster in spec.clusters
                for cable in await made.cables_of(cluster)
            }
            return states == {
                ("both", "four"): (CableState.CONNECTED, {4}),
                ("four", "both"): (CableState.CONNECTED, {4}),
                ("both", "six"): (CableState.CONNECTED, {6}),
                ("six", "both"): (CableState.CONNECTED, {6}),
                ("four", "six"): (CableState.ERROR, set()),
                ("six", "four"): (CableState.ERROR, set()),
            }

        await eventually(settled, 60, "two cables are connected, the third is named on both sides")
        for pair in (("both", "four"), ("both", "six")):
            said: list[str] = []
            await show_traffic(made.lab, pair, made.image, said.append)
            assert sum(line.endswith("✓") for line in said) == 2 * 2
        for cluster, has, lacks in (("four", "IPv4", "IPv6"), ("six", "IPv6", "IPv4")):
            shown = await made.mcnet("show", "connections", "--context", cluster, status=1)
            assert f"has no {has} address, only {lacks}" in shown
            assert "private-address" in shown
            assert f"{has} only" in shown
        for cluster in ("six", "four", "both"):
            await made.mcnet("leave", "--context", cluster, "--broker-context", "both")
        for cluster in spec.clusters:
            assert await made.pictures(cluster) == made.before[cluster]


def _ends(cable: Cable) -> list[Address]:
    return [address for address in (cable.local_address, cable.remote_address) if address is not None]


def _versions(cable: Cable) -> set[int]:
    return {address.version for address in _ends(cable)}
