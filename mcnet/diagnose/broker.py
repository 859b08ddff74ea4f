"""The broker as a member reaches it: its credential, whether that is accepted, and what the broker holds.

Read once per member, by the member's own credential; where that fails, by a context under diagnosis that leads to
the same API server.
"""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from mcnet.codec.broker import BrokerCredential, decode_secret
from mcnet.codec.errors import DecodeError
from mcnet.diagnose.inside import Inside, decode
from mcnet.diagnose.site import BrokerContext, Site
from mcnet.install.once import run_once
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.connect import with_token
from mcnet.kube.kinds import JsonObject
from mcnet.model.errors import ForbiddenError, McnetError
from mcnet.model.member import BROKER_SECRET, SYSTEM_NAMESPACE
from mcnet.plan.gateway_choice import is_ready

INSIDE_MODULE: Final = "mcnet.diagnose.inside"
API_NAME: Final = "kubernetes.default.svc"
"""The API server's own name in every cluster."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What the broker holds, its version and its clock: the server's time and this machine's."""

    clusters: tuple[JsonObject, ...] = ()
    endpoints: tuple[JsonObject, ...] = ()
    leases: tuple[JsonObject, ...] = ()
    version: str = ""
    clock: tuple[datetime, datetime] | None = None

    @property
    def now(self) -> datetime:
        """The broker's time when it was read, this machine's if it tells none."""
        return self.clock[0] if self.clock else datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Broker:
    """`credential` None: there is none, `missing` says why. `refused` is why the broker does not accept it,
    `unreached` why it could not be asked from here. `held` is None where nothing could be read."""

    credential: BrokerCredential | None
    missing: str = ""
    refused: str = ""
    unreached: str = ""
    held: Holding | None = None
    context: str = ""
    """A context of the kubeconfig that leads to it; "" if none does."""

    @property
    def server(self) -> str:
        return self.credential.server if self.credential else ""

    @property
    def host(self) -> str:
        return urlsplit(self.server).hostname or ""

    @property
    def unread(self) -> str:
        """Why nothing is known of what it holds."""
        return "" if self.held else self.missing or self.refused or self.unreached

    @property
    def option(self) -> str:
        """The option that makes one of our commands act as the broker's admin, with a blank before it."""
        return f" --context {self.context}" if self.context else ""


async def read_broker(site: Site) -> Broker:
    """Once per member."""
    return await site.once("broker", lambda: _read(site))


async def look_inside(site: Site) -> Inside:
    """What a pod where discovery is (in the pod network, as a rule) sees of DNS and of the broker. Raises McnetError
    if there was none."""
    return await site.once("inside", lambda: _inside(site))


async def _read(site: Site) -> Broker:
    credential, missing = await _credential(site)
    if credential is None:
        return Broker(None, missing)
    refused = unreached = ""
    held: Holding | None = None
    try:
        async with await with_token(server=credential.server, ca=credential.ca, token=credential.token) as api:
            held = await _holding(api, credential.namespace)
    except ForbiddenError as error:
        refused = error.message
    except McnetError as error:
        unreached = error.message
    known = [*site.brokers, *(BrokerContext(one.context, one.api.server, one.api.ca) for one in (site, *site.others))]
    context = next((one.context for one in known if one.leads_to(credential.server, credential.ca)), "")
    if held is None and (api_here := same_server(site, credential)):
        held = await _holding(api_here, credential.namespace)
    return Broker(credential, "", refused, unreached, held, context)


async def _credential(site: Site) -> tuple[BrokerCredential | None, str]:
    secret = await site.api.find(kinds.SECRET, BROKER_SECRET, SYSTEM_NAMESPACE)
    if secret is None:
        return None, f"there is no Secret {BROKER_SECRET}"
    try:
        return decode_secret(secret), ""
    except DecodeError as error:
        return None, f"the Secret {BROKER_SECRET} is damaged: {error}"


def same_server(site: Site, credential: BrokerCredential) -> Api | None:
    """The Api of a member under diagnosis that is the broker's too, if there is one."""
    for one in (site, *site.others):
        if BrokerContext(one.context, one.api.server, one.api.ca).leads_to(credential.server, credential.ca):
            return one.api
    return None


async def _holding(api: Api, namespace: str) -> Holding:
    before = datetime.now(UTC)
    told = await api.date()
    middle = before + (datetime.now(UTC) - before) / 2
    return Holding(
        clusters=tuple(await api.list(kinds.CLUSTER, namespace)),
        endpoints=tuple(await api.list(kinds.ENDPOINT, namespace)),
        leases=tuple(await api.list(kinds.LEASE, namespace)),
        version=await api.version(),
        clock=(told, middle) if told else None,
    )


async def _inside(site: Site) -> Inside:
    credential, _ = await _credential(site)
    url, ca = (credential.server, base64.b64encode(credential.ca).decode()) if credential else ("", "")
    host = urlsplit(url).hostname or ""
    names = (API_NAME, *((host,) if host and not is_address(host) else ()))
    pod = await site.pod(INSIDE_MODULE, url, ca, *names, node=await _place(site))
    (outcome,) = await run_once(site.api, [pod])
    if outcome.problem:
        raise McnetError(
            f"the pod {outcome.values.name} failed: {outcome.problem}",
            f"{site.kubectl} get events",
        )
    return decode(outcome.output)


async def _place(site: Site) -> str:
    """The node in whose network discovery looks for the broker; "" where it is in the pod network."""
    if not site.member.discovery_on_nodes:
        return ""
    nodes = await site.listed(kinds.NODE)
    return next((str(node["metadata"]["name"]) for node in nodes if is_ready(node)), "")


def is_address(host: str) -> bool:
    """Whether it is an address and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
