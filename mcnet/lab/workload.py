"""Web servers in a lab's clusters, one per node, and clients in their pods: what demo and tests send traffic with."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from mcnet.kube.api import Api
from mcnet.kube.connect import from_kubeconfig
from mcnet.kube.kinds import NODE, POD, SERVICE, JsonObject
from mcnet.lab.binaries import ensure_binaries
from mcnet.lab.lab import Lab
from mcnet.lab.processes import Completed, call
from mcnet.model.errors import McnetError
from mcnet.render.engine import render

READY_TIMEOUT = 180.0


@dataclass(frozen=True, slots=True)
class WebValues:
    """`templates/demo`."""

    nodes: tuple[str, ...]
    image: str


@dataclass(frozen=True, slots=True)
class WebPod:
    """A web server pod; `url` reaches it by its first address."""

    cluster: str
    name: str
    node: str
    addresses: tuple[str, ...]

    @property
    def address(self) -> str:
        """Its first address."""
        return self.addresses[0]

    @property
    def url(self) -> str:
        return url_of(self.address, 8080)

    def address_in(self, version: int) -> str | None:
        """Its address of an IP version, None if it has none."""
        return in_version(self.addresses, version)


def in_version(addresses: Iterable[str], version: int) -> str | None:
    """The first of these addresses that is of an IP version."""
    return next((address for address in addresses if ip_address(address).version == version), None)


def url_of(address: str, port: int) -> str:
    """The URL of a server; IPv6 addresses in brackets (RFC 3986, 3.2.2)."""
    return f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a web server said: its host name, and the client's address as it saw it."""

    server: str
    client: str


FETCH = """
import json, sys, urllib.request
for url in sys.argv[2:]:
    try:
        print(urllib.request.urlopen(url, timeout=float(sys.argv[1])).read().decode().strip())
    except OSError as error:
        sys.exit(f"can't fetch {url}: {error}")
"""


AWAIT = """
import sys, time, urllib.request
end = time.monotonic() + float(sys.argv[1])
for url in sys.argv[2:]:
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).read()
            break
        except OSError as error:
            if time.monotonic() > end:
                sys.exit(f"no answer from {url}: {error}")
            time.sleep(0.1)
"""
"""Asks each URL until it answers."""


class Workload:
    """The web servers of one cluster of a lab."""

    def __init__(self, lab: Lab, cluster: str, api: Api, kubectl: str) -> None:
        self.cluster = cluster
        self._lab = lab
        self._api = api
        self._kubectl = kubectl
        self.pods: tuple[WebPod, ...] = ()
        self.services: tuple[str, ...] = ()
        """The Service's ClusterIPs."""

    @classmethod
    async def deploy(cls, lab: Lab, cluster: str, image: str) -> Self:
        """Start the web servers and wait until all are ready."""
        api = await from_kubeconfig(context=cluster, kubeconfig=lab.kubeconfig)
        made = cls(lab, cluster, api, str((await ensure_binaries(lambda _: None))["kubectl"]))
        nodes = tuple(sorted(node["metadata"]["name"] for node in await api.list(NODE)))
        for obj in render("demo", WebValues(nodes=nodes, image=image)):
            await made._apply(obj)
        made.pods = tuple(await asyncio.gather(*(made._ready(node) for node in nodes)))
        made.services = tuple((await api.get(SERVICE, "web", "default"))["spec"]["clusterIPs"])
        await asyncio.gather(*(made._served(pod) for pod in made.pods))
        return made

    async def close(self) -> None:
        """Close the connection to the API server; the web servers stay."""
        await self._api.close()

    def on(self, node: str) -> WebPod:
        """The pod on the node `node`."""
        return next(pod for pod in self.pods if pod.node == node)

    def command(self, pod: WebPod, *argv: str) -> list[str]:
        """The kubectl command that runs a program inside of `pod`, from the host, as a user would."""
        target = [f"--kubeconfig={self._lab.kubeconfig}", f"--context={self.cluster}", "-n", "default"]
        return [self._kubectl, *target, "exec", "-i", pod.name, "--", *argv]

    async def run(self, pod: WebPod, *argv: str, stdin: str = "") -> Completed:
        """Run a program inside of `pod` to its end."""
        return await call(self.command(pod, *argv), mark=self._lab.store.mark, stdin=stdin)

    @property
    def service(self) -> str:
        """The Service's first ClusterIP."""
        return self.services[0]

    async def fetch(self, pod: WebPod, url: str, timeout: float = 5.0) -> Seen:
        """Fetch `url` from inside of `pod`. Raises McnetError if that fails."""
        return (await self.fetch_all(pod, (url,), timeout))[0]

    async def fetch_all(self, pod: WebPod, urls: Sequence[str], timeout: float = 5.0) -> list[Seen]:
        """Fetch one after the other from inside of `pod`. Raises McnetError for the first that fails."""
        done = await self.run(pod, "python3", "-c", FETCH, str(timeout), *urls)
        if done.status != 0:
            raise McnetError(f"{pod.name} in {pod.cluster}: {_first_line(done.errors)}", "mcnet show connections")
        said: list[Mapping[str, str]] = [json.loads(line) for line in done.output.splitlines()]
        return [Seen(one["server"], one["client"]) for one in said]

    async def reach(self, pod: WebPod, url: str, within: float) -> None:
        """Waits until `url` answers from inside of `pod`; raises McnetError after `within` seconds."""
        done = await self.run(pod, "python3", "-c", AWAIT, str(within), url)
        if done.status != 0:
            raise McnetError(f"{pod.name} in {pod.cluster}: {_first_line(done.errors)}", "mcnet show services")

    async def _served(self, pod: WebPod) -> None:
        """Waits until the Service answers on the pod's node: its kube-proxy may hear of a pod later than we do."""
        urls = [url_of(address, 80) for address in self.services if pod.address_in(ip_address(address).version)]
        done = await self.run(pod, "python3", "-c", AWAIT, str(READY_TIMEOUT), *urls)
        if done.status != 0:
            raise McnetError(
                f"{pod.name} in {self.cluster}: {_first_line(done.errors)}",
                f"kubectl --context {self.cluster} get endpointslices -l kubernetes.io/service-name=web",
            )

    async def _apply(self, obj: JsonObject) -> None:
        """Apply; a pod of another image is replaced, else it would count as ready until it is restarted."""
        name = obj["metadata"]["name"]
        if obj["kind"] == "Pod":
            old = await self._api.find(POD, name, "default")
            if old is not None and old["spec"]["containers"][0]["image"] != obj["spec"]["containers"][0]["image"]:
                await self._api.delete(POD, name, "default")
                await self._api.wait_for(POD, name, "default", lambda found: found is None, READY_TIMEOUT)
        await self._api.apply(obj)

    async def _ready(self, node: str) -> WebPod:
        name = f"web-{node}"
        try:
            pod = await self._api.wait_for(POD, name, "default", _is_ready, READY_TIMEOUT)
        except TimeoutError as error:
            raise McnetError(
                f"pod {name} in {self.cluster} is not ready after {READY_TIMEOUT:.0f} s",
                f"kubectl --context {self.cluster} describe pod {name}",
            ) from error
        assert pod is not None
        return WebPod(self.cluster, name, node, tuple(one["ip"] for one in pod["status"]["podIPs"]))


def _first_line(errors: str) -> str:
    """What the program said: kubectl adds a line of its own, that the command failed."""
    return next((line for line in errors.splitlines() if line.strip()), "no word")


def _is_ready(pod: Mapping[str, object] | None) -> bool:
    status = (pod or {}).get("status", {})
    assert isinstance(status, dict)
    return any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in status.get("conditions", [])
    )
