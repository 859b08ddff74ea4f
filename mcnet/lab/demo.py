"""`mcnet lab demo`: two clusters from nothing to connected, with the commands a user types.

Everything is done by the real command line in a process of its own; what this module adds is the traffic and a
look at what the servers saw. It leaves the lab up. Raises McnetError as soon as a step fails.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from mcnet.lab.image import ensure_image, image_reference
from mcnet.lab.lab import Lab
from mcnet.lab.spec import LabSpec
from mcnet.lab.workload import Seen, WebPod, Workload, in_version, url_of
from mcnet.model.errors import McnetError
from mcnet.model.ownership import OVERLAY_RANGE4, OVERLAY_RANGE6

NAME = "http://web.default.svc.clusterset.local/"
DNS_WITHIN = 180.0
"""Seconds: the kubelet brings CoreDNS its new configuration within a minute or so, and CoreDNS looks for it twice a
minute."""

Say = Callable[[str], None]
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trip:
    """One request from a pod to another cluster: to a pod, or (`server` None) to the Service's ClusterIP."""

    client: WebPod
    server: WebPod | None
    target: str
    seen: Seen

    @property
    def fine(self) -> bool:
        """Whether the server saw whom it should: the pod itself; by ClusterIP the gateway's overlay address."""
        if self.server is not None:
            own = self.client.address_in(ip_address(self.target).version)
            return (self.seen.server, self.seen.client) == (self.server.name, own)
        client = ip_address(self.seen.client)
        return client in (OVERLAY_RANGE4 if client.version == 4 else OVERLAY_RANGE6)


async def bring_up(spec: LabSpec, say: Say, progress: Progress) -> str:
    """First part: the clusters, with our image in every node. Returns the image's name."""
    lab = Lab(spec.name)
    say("1. Two Kubernetes clusters, made of network namespaces on this machine")
    say(f"$ mcnet lab up --name {spec.name} --nodes {spec.nodes} --with-image")
    lab.require_absent()
    image = image_reference()
    archive = await ensure_image(progress)
    await lab.up(spec, progress, [archive])
    return image


async def tell(spec: LabSpec, image: str, say: Say) -> None:
    """Second part: broker, join, connections, traffic."""
    lab = Lab(spec.name)
    story = _Story(lab, say, image)
    first, second = spec.clusters[:2]
    say(f"\n2. {first}'s API server becomes the broker; {' and '.join(spec.clusters)} join")
    await story.mcnet("deploy-broker", "--context", first)
    for cluster in lab.topology.clusters:
        # Nodes tell their own prefixes only; a user knows the range that later nodes will get theirs from.
        ranges = [word for cidr in cluster.pod_cidrs for word in ("--pod-cidr", str(cidr))]
        await story.mcnet("join", "broker-info.mcnet", "--context", cluster.name, "--broker-context", first, *ranges)
    say("\n3. What is connected")
    await story.mcnet("show", "connections")
    say(f"\n4. Web servers on every node; a pod in {second} asks those of {first}, and the other way round")
    await show_traffic(lab, (first, second), image, say)
    say(f"\n5. {first} exports its Service web; a pod in {second} asks for it by name")
    await story.mcnet("export", "service", "web", "--context", first)
    await show_name(lab, first, second, image, say)
    say(_closing(lab, first, second, image))


async def show_traffic(lab: Lab, clusters: tuple[str, str], image: str, say: Say) -> None:
    """Fetch from every pod of each cluster every pod and the Service of the other, and show who was seen."""
    loads = [await Workload.deploy(lab, cluster, image) for cluster in clusters]
    try:
        trips = await _both_ways(*loads)
    finally:
        for load in loads:
            await load.close()
    for line in table(trips):
        say(line)
    wrong = [trip for trip in trips if not trip.fine]
    if wrong:
        raise McnetError(
            f"{len(wrong)} of {len(trips)} requests were seen from an unexpected address", "mcnet show connections"
        )
    say(f"\n{len(trips)} of {len(trips)} requests answered. By pod IP the server sees the pod's own address,")
    say("by ClusterIP the overlay address of the gateway that serves it.")


async def show_name(lab: Lab, first: str, second: str, image: str, say: Say) -> None:
    """Fetch the exported Service web of `first` by its name from a pod of `second`, and show who answered."""
    load = await Workload.deploy(lab, second, image)
    try:
        client = load.pods[0]
        await load.reach(client, NAME, DNS_WITHIN)
        seen = await load.fetch(client, NAME)
    finally:
        await load.close()
    if not seen.server.startswith(f"web-{first}-"):
        raise McnetError(f"{NAME} was answered by {seen.server}", f"mcnet diagnose service web --context {second}")
    say(f"{client.name}: {NAME} was answered by {seen.server}, which saw {seen.client}")


async def _both_ways(one: Workload, other: Workload) -> list[Trip]:
    trips: list[Trip] = []
    for here, there in ((other, one), (one, other)):
        for client in here.pods:
            targets = [
                (server, address)
                for version in (4, 6)
                if client.address_in(version)
                for server, address in (
                    *((server, server.address_in(version)) for server in there.pods),
                    (None, in_version(there.services, version)),
                )
                if address
            ]
            urls = [url_of(address, 8080 if server else 80) for server, address in targets]
            seen = await here.fetch_all(client, urls)
            trips += [Trip(client, *target, who) for target, who in zip(targets, seen, strict=True)]
    return trips


def table(trips: Sequence[Trip]) -> list[str]:
    """The trips as lines of a table."""
    rows = [("FROM", "TO", "SERVER SAW", "")]
    for trip in trips:
        own = trip.client.address_in(ip_address(trip.target).version)
        source = f"{trip.client.name} {own}"
        target = f"{trip.server.name} {trip.target}" if trip.server else f"Service web {trip.target}"
        rows.append((source, target, trip.seen.client, "✓" if trip.fine else "✗"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, (*widths, 1), strict=True)).rstrip() for row in rows
    ]


class _Story:
    """Runs our own commands as a user would, in the lab's directory, and shows them."""

    def __init__(self, lab: Lab, say: Say, image: str) -> None:
        self._lab = lab
        self._say = say
        self._image = image

    async def mcnet(self, *argv: str) -> None:
        """Run `mcnet ARGV` to its end. Raises McnetError if it fails; it has said why itself."""
        self._say(f"$ mcnet {' '.join(argv)}")
        sys.stdout.flush()
        environment = os.environ | {"KUBECONFIG": str(self._lab.kubeconfig), "MCNET_IMAGE": self._image}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mcnet.cli", *argv, cwd=self._lab.store.directory, env=environment
        )
        if status := await process.wait():
            raise McnetError(f"mcnet {argv[0]} ended with status {status}", f"mcnet lab down --name {self._lab.name}")


def _closing(lab: Lab, first: str, second: str, image: str) -> str:
    name = "" if lab.name == "lab" else f" --name {lab.name}"
    return f"""
The lab stays up. Look around:
  export KUBECONFIG={lab.kubeconfig}
  export MCNET_IMAGE={image}
  mcnet show connections -o wide
  kubectl --context {second} get pods -A -o wide
  kubectl --context {second} exec web-{second}-n1 -- ping -c 3 ADDRESS-OF-A-POD-IN-{first.upper()}
  mcnet lab exec{name} {second}/n1 -- ip rule
  mcnet lab impair{name} {first}-n1 wan --cut
Take it down:
  mcnet lab down{name}"""
