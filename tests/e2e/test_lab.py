"""One lab of two clusters: it works as clusters do, does what its commands promise, and goes without a trace."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from mcnet.lab.archive import write_image
from mcnet.lab.binaries import find_binaries
from mcnet.lab.configs import PAUSE_IMAGE
from mcnet.lab.impair import Impairment, LinkName
from mcnet.lab.lab import Lab
from mcnet.lab.pause import pause_program
from mcnet.lab.processes import call, check, is_running, wait_until
from mcnet.lab.spec import IpFamily, LabSpec, NatKind, RuleSyntax
from mcnet.lab.topology import API_PORT
from mcnet.model.errors import KernelError
from tests.e2e.traces import container_groups, descendants, marked_processes, standard_places, traces

# Fetches a URL of an API server, whose certificate is checked elsewhere.
FETCH = """
import ssl, sys, urllib.request
trust = ssl._create_unverified_context()
print(urllib.request.urlopen(sys.argv[1], timeout=5, context=trust).read().decode(), end="")
"""
# Answers one connection with the address it came from.
SERVE = """
import socket, sys
server = socket.create_server(("", 8080), family=socket.AF_INET, reuse_port=True)
connection, (address, _) = server.accept()
connection.sendall(address.encode())
"""
ASK = """
import socket, sys, time
for attempt in range(50):
    try:
        connection = socket.create_connection((sys.argv[1], 8080), timeout=5)
        break
    except ConnectionRefusedError:
        time.sleep(0.1)
print(connection.recv(100).decode(), end="")
"""
# Asks a name server for the A record of a name; prints the return code and the number of answers.
LOOKUP = """
import socket, struct, sys
server, name = sys.argv[1:]
labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
query = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + labels + b"\\0" + struct.pack("!2H", 1, 1)
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(5)
client.sendto(query, (server, 53))
_, flags, _, answers, _, _ = struct.unpack("!6H", client.recv(512)[:12])
print(flags & 15, answers, end="")
"""
PODS = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "still", "namespace": "default"},
    "spec": {
        "selector": {"matchLabels": {"app": "still"}},
        "template": {
            "metadata": {"labels": {"app": "still"}},
            "spec": {"containers": [{"name": "pause", "image": PAUSE_IMAGE, "imagePullPolicy": "Never"}]},
        },
    },
}


@pytest.fixture(scope="module")
def places_before() -> set[str]:
    """What of Kubernetes' standard places the host had before the lab."""
    return standard_places()


@pytest.fixture(scope="module")
def lab(places_before: set[str]) -> Iterator[Lab]:
    """Two clusters with everything that is not the default; the last test takes it down."""
    lab = Lab(f"t{uuid4().hex[:6]}")
    spec = LabSpec(
        name=lab.name,
        ip_family=IpFamily.DUAL,
        kube_proxy_mode=RuleSyntax.IPTABLES,
        masquerade=RuleSyntax.NFTABLES,
        overlapping_cidrs=True,
        nat=(("west", NatKind.SYMMETRIC),),
    )
    try:
        asyncio.run(lab.up(spec, print))
        yield lab
    finally:
        if lab.store.directory.exists():
            asyncio.run(lab.down())


async def kubectl(lab: Lab, cluster: str, *arguments: str, stdin: str = "") -> Any:
    """What kubectl answers, decoded where it is JSON."""
    program = str((await find_binaries())["kubectl"])
    argv = [program, f"--kubeconfig={lab.kubeconfig}", f"--context={cluster}", *arguments]
    output = await check(argv, mark=lab.store.mark, stdin=stdin)
    return json.loads(output) if "json" in arguments else output


async def python(lab: Lab, place: str, script: str, *arguments: str, pod: str = "") -> str:
    """Runs a script at a place, or in the network of the pod there that has this address."""
    inside = ["nsenter", f"--net=/run/netns/{await namespace_of(lab, place, pod)}"] if pod else []
    done = await lab.exec(place, *inside, sys.executable, "-c", script, *arguments)
    assert done.status == 0, done.errors
    return done.output


async def namespace_of(lab: Lab, place: str, address: str) -> str:
    """The pod's network namespace on its node."""
    names = (await lab.exec(place, "ls", "/run/netns")).output.split()
    for name in names:
        if f" {address}/" in (await lab.exec(place, "ip", "-n", name, "address")).output:
            return name
    raise AssertionError(f"no pod with {address} at {place} among {names}")


async def test_all_nodes_are_ready_with_their_addresses(lab: Lab) -> None:
    for cluster in lab.topology.clusters:
        nodes = (await kubectl(lab, cluster.name, "get", "nodes", "-o", "json"))["items"]
        assert {node["metadata"]["name"] for node in nodes} == {node.name for node in cluster.nodes}
        for node in nodes:
            ready = [each["status"] for each in node["status"]["conditions"] if each["type"] == "Ready"]
            assert ready == ["True"]
        for machine, node in zip(cluster.nodes, sorted(nodes, key=lambda each: str(each["metadata"])), strict=True):
            internal = [each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"]
            assert internal == [str(address) for address in machine.cluster_addresses]
            assert node["spec"]["podCIDRs"] == [str(cidr) for cidr in machine.pod_cidrs]


async def test_dns_answers_on_every_node(lab: Lab) -> None:
    for cluster in lab.topology.clusters:
        for node in cluster.nodes:
            place = f"{node.cluster}/{node.short_name}"
            server = str(cluster.dns_addresses[0])
            assert await python(lab, place, LOOKUP, server, "kubernetes.default.svc.cluster.local") == "0 1"
            assert await python(lab, place, LOOKUP, server, "nothing.default.svc.cluster.local") == "3 0"


async def test_pods_reach_pods_of_other_nodes_with_their_own_address(lab: Lab) -> None:
    await kubectl(lab, "east", "apply", "-f", "-", stdin=json.dumps(PODS))
    await kubectl(lab, "east", "rollout", "status", "daemonset/still", "--timeout=60s")
    pods = (await kubectl(lab, "east", "get", "pods", "-l", "app=still", "-o", "json"))["items"]
    address = {pod["spec"]["nodeName"]: pod["status"]["podIP"] for pod in pods}
    one, other = address["east-n1"], address["east-n2"]
    _, seen = await asyncio.gather(
        python(lab, "east/n2", SERVE, pod=other), python(lab, "east/n1", ASK, other, pod=one)
    )
    assert seen == one
    # What leaves the cluster has the node's address: here to the wan end of the control plane.
    plane = lab.topology.clusters[0].control_plane
    _, seen = await asyncio.gather(
        python(lab, "east/cp", SERVE), python(lab, "east/n1", ASK, str(plane.wan_addresses[0]), pod=one)
    )
    assert seen == str(lab.topology.clusters[0].nodes[0].wan_addresses[0])


async def test_every_api_server_is_reached_from_everywhere(lab: Lab) -> None:
    pods = (await kubectl(lab, "east", "get", "pods", "-l", "app=still", "-o", "json"))["items"]
    [pod] = [each["status"]["podIP"] for each in pods if each["spec"]["nodeName"] == "east-n1"]
    for cluster in lab.topology.clusters:
        url = f"{cluster.public_server}/readyz"
        assert await python(lab, "east/n1", FETCH, url, pod=pod) == "ok"
        assert await python(lab, "west/n2", FETCH, url) == "ok"
        assert await kubectl(lab, cluster.name, "get", "--raw", "/readyz") == "ok"
    service = lab.topology.clusters[0].api_service_addresses[0]
    assert await python(lab, "east/n1", FETCH, f"https://{service}:443/readyz", pod=pod) == "ok"


async def test_the_api_server_calls_kubelets(lab: Lab) -> None:
    logs = await kubectl(lab, "west", "-n", "kube-system", "logs", "deployment/coredns")
    assert "CoreDNS-" in logs


async def test_nothing_unsolicited_passes_the_nat(lab: Lab) -> None:
    west = lab.topology.clusters[1]
    assert west.router is not None
    for address in (*west.router.uplink.near.addresses, *west.nodes[0].wan.near.addresses):
        assert (await lab.exec("east/n1", "ping", "-c1", "-W1", str(address.ip))).status != 0
    assert (await lab.exec("west/n1", "ping", "-c1", "-W1", str(west.router.uplink.far.addresses[0].ip))).status == 0


async def test_exec_passes_status_and_streams_on(lab: Lab) -> None:
    done = await lab.exec("west/n1", "sh", "-c", "cat; echo no >&2; exit 7", stdin="yes")
    assert (done.status, done.output, done.errors) == (7, "yes", "no\n")
    assert "wan0" in (await lab.exec("west/cp", "ip", "link")).output
    assert "west-nat" in (await lab.exec("wan", "ip", "link")).output


async def test_a_machine_sees_its_own_processes_only(lab: Lab) -> None:
    inside = (await lab.exec("east/n1", "ps", "-eo", "comm")).output.split()
    assert "kubelet" in inside
    assert "kube-apiserver" not in inside
    # Places of its own, not the host's.
    assert "mcnet-lab" not in (await lab.exec("west/n1", "ls", "/run/netns")).output
    assert set((await lab.exec("east/n1", "ls", "/var/log")).output.split()) == {"containers", "pods"}


async def test_status_names_running_processes(lab: Lab) -> None:
    [east, _] = lab.status()["clusters"]
    assert east["controlPlane"]["processes"].keys() >= {"etcd", "kube-apiserver", "kube-scheduler"}
    assert all(is_running(pid) for node in east["nodes"] for pid in node["processes"].values())


async def reaches(lab: Lab, place: str, address: object) -> bool:
    return (await lab.exec(place, "ping", "-c1", "-W1", str(address))).status == 0


async def comes_back(lab: Lab, place: str, address: object) -> bool:
    """A neighbour that was not there a moment ago is asked for again only after a second or two."""
    return await wait_until(lambda: reaches(lab, place, address), seconds=10)


async def test_a_cut_wan_link_spares_the_cluster_and_comes_back_whole(lab: Lab) -> None:
    node = lab.topology.clusters[0].nodes[0]
    routes = (await lab.exec("east/n1", "ip", "route")).output
    await lab.impair("east-n1", LinkName.WAN, Impairment(cut=True))
    assert [await reaches(lab, "wan", address) for address in node.wan_addresses] == [False, False]
    internal = f"https://{lab.topology.clusters[0].control_plane.cluster_addresses[0]}:{API_PORT}/readyz"
    assert await python(lab, "east/n1", FETCH, internal) == "ok"
    await lab.impair("east-n1", LinkName.WAN, Impairment())
    assert [await comes_back(lab, "wan", address) for address in node.wan_addresses] == [True, True]
    assert (await lab.exec("east/n1", "ip", "route")).output == routes


async def test_a_cut_cluster_link_spares_the_wan(lab: Lab) -> None:
    one = lab.topology.clusters[0].nodes[0]
    await lab.impair("east-n1", LinkName.CLUSTER, Impairment(cut=True))
    assert not await reaches(lab, "east/n2", one.cluster_addresses[0])
    assert await reaches(lab, "east/n2", one.wan_addresses[0])
    await lab.impair("east-n1", LinkName.CLUSTER, Impairment())
    assert await comes_back(lab, "east/n2", one.cluster_addresses[0])


async def test_lost_packets_and_slow_links(lab: Lab) -> None:
    address = str(lab.topology.clusters[0].nodes[0].wan_addresses[0])
    await lab.impair("east-n1", LinkName.WAN, Impairment(drop_percent=100))
    assert not await reaches(lab, "wan", address)
    await lab.impair("east-n1", LinkName.WAN, Impairment(rate="1mbit"))
    # 200 packets of 1,400 bytes are 2.2 s at 1 Mbit/s, less the 64 KiB that may go at once.
    started = time.monotonic()
    await lab.exec("wan", "ping", "-q", "-c200", "-i0.001", "-s1372", "-W3", address)
    assert time.monotonic() - started > 1
    await lab.impair("east-n1", LinkName.WAN, Impairment())
    assert "tbf" not in (await lab.exec("east/n1", "tc", "qdisc")).output


async def test_delays_are_kept_or_refused_by_name(lab: Lab) -> None:
    address = str(lab.topology.clusters[0].nodes[0].wan_addresses[0])
    # A trial of the test's own, in a namespace that goes with it.
    trial = ["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    if (await call(trial, mark=lab.store.mark)).status:
        with pytest.raises(KernelError, match="CONFIG_NET_SCH_NETEM"):
            await lab.impair("east-n1", LinkName.WAN, Impairment(delay="100ms"))
        assert await reaches(lab, "wan", address)
    else:
        await lab.impair("east-n1", LinkName.WAN, Impairment(delay="100ms"))
        started = time.monotonic()
        assert await reaches(lab, "wan", address)
        assert time.monotonic() - started > 0.2
    await lab.impair("east-n1", LinkName.WAN, Impairment())


async def test_images_are_loaded_into_the_named_cluster(lab: Lab, tmp_path: Path) -> None:
    write_image(tmp_path / "i.tar", "localhost/loaded:1", {"/pause": pause_program()}, ["/pause"])
    await lab.load_image(tmp_path / "i.tar", ["east"])
    listed = [
        "localhost/loaded:1" in (await lab.exec(place, "ctr", "-n", "k8s.io", "images", "ls", "-q")).output
        for place in ("east/n1", "east/n2", "west/n1")
    ]
    assert listed == [True, True, False]


async def test_a_component_is_stopped_and_started_again(lab: Lab) -> None:
    stopped = await lab.stop("east-cp", "kube-scheduler")
    assert not is_running(stopped.pid, stopped.started)
    started = await lab.start("east-cp", "kube-scheduler")
    assert is_running(started.pid, started.started)
    assert started.argv == stopped.argv


async def test_down_leaves_nothing_within_ten_seconds(lab: Lab, places_before: set[str]) -> None:
    before = descendants(set(marked_processes(lab)))
    groups = container_groups(before)
    assert {"pause", "coredns", "kube-apiserver", "etcd"} <= set(before.values())
    assert groups
    assert await traces(lab)
    started = time.monotonic()
    await lab.down()
    assert time.monotonic() - started < 10
    assert await traces(lab) == []
    assert {pid: name for pid, name in before.items() if is_running(pid)} == {}
    assert [path for path in groups if path.exists()] == []
    assert standard_places() == places_before
