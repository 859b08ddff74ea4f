"""Reads what API servers tell of one service, and lets a pod of each member try it. Nothing else is changed."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mcnet.codec import service as service_codec
from mcnet.codec import service_state
from mcnet.codec.broker import BrokerCredential
from mcnet.codec.errors import DecodeError
from mcnet.codec.exported_service import decode_audience
from mcnet.codec.fields import JsonObject, fields_of
from mcnet.diagnose.broker import API_NAME, read_broker, same_server
from mcnet.diagnose.service.evidence import Evidence, Place
from mcnet.diagnose.service.reach import decode
from mcnet.diagnose.site import Site
from mcnet.install.once import run_once
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.connect import with_token
from mcnet.kube.mcs import served_kinds
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import McnetError
from mcnet.model.service import SERVICE_NAME_LABEL, Service, ServiceName, derived_name, record_name
from mcnet.plan import service_health
from mcnet.plan.service_audience import Audience
from mcnet.show.services import IMPORTED

Held = Mapping[ClusterId, Audience]
"""The clusters of which the broker has a record, and whom it is for."""

REACH_MODULE = "mcnet.diagnose.service.reach"


async def gather(sites: Sequence[Site], service: ServiceName) -> Evidence:
    """Everything but what pods see."""
    places, members = await asyncio.gather(
        asyncio.gather(*(_read(site, service) for site in sites)), asyncio.gather(*(_members(site) for site in sites))
    )
    known = {site.member.cluster for site in sites}
    everybody = sorted(known.union(*members))
    held, unread = await _records(sites, service, everybody)
    return Evidence(
        service=service,
        places=tuple(places),
        records=None if held is None else frozenset(held),
        audiences={one: to for one, to in (held or {}).items() if to is not None},
        broker_unread=unread,
        absent=tuple(one for one in everybody if one not in known),
    )


async def reach(sites: Sequence[Site], evidence: Evidence) -> Evidence:
    """With what a pod of each importing member sees."""
    by_cluster = {site.member.cluster: site for site in sites}
    importing = {place.cluster for place in evidence.importing if place.service_import}
    places = await asyncio.gather(
        *(
            _reach(by_cluster[place.cluster], evidence.name, place) if place.cluster in importing else _as_is(place)
            for place in evidence.places
        )
    )
    return replace(evidence, places=tuple(places))


async def _as_is(place: Place) -> Place:
    return place


async def _reach(site: Site, name: str, place: Place) -> Place:
    try:
        pod = await site.pod(REACH_MODULE, name, API_NAME, *map(str, ports(place)))
        (outcome,) = await run_once(site.api, [pod])
        if outcome.problem:
            return replace(place, unreached=f"the pod {outcome.values.name} failed: {outcome.problem}")
        return replace(place, reached=decode(outcome.output))
    except McnetError as error:
        return replace(place, unreached=error.message)


def ports(place: Place) -> list[int]:
    """The TCP ports to connect to. A headless service's name leads to its pods, which listen on their own ports."""
    made = place.service_import
    if made is None:
        return []
    found = [port for one in place.endpoints for port in one.ports] if made.headless else made.ports
    return sorted({port.port for port in found if port.protocol == "TCP"})


async def _read(site: Site, service: ServiceName) -> Place:
    empty = Place(cluster=site.member.cluster, context=site.context)
    try:
        members = {cluster.id for cluster in await site.clusters()}
        lost = service_health.cut_off(await site.gateways(), members)
        return replace(await _place(site.api, empty, service), lost=lost)
    except McnetError as error:
        return replace(empty, unread=error.message)
    except DecodeError as error:
        return replace(empty, unread=f"an object is not usable: {error}")


async def _place(api: Api, empty: Place, service: ServiceName) -> Place:
    served = await served_kinds(api)
    if served is None:
        return replace(empty, installed=False)
    namespace, name = service
    found = await api.find(kinds.NAMESPACE, namespace)
    source = await api.find(kinds.SERVICE, name, namespace)
    export = await api.find(served.service_export, name, namespace)
    made = await api.find(served.service_import, name, namespace)
    slices = await api.list(kinds.ENDPOINT_SLICE, namespace, labels=f"{SERVICE_NAME_LABEL}={name},{IMPORTED}")
    return replace(
        empty,
        namespace=found is not None,
        source=source is not None,
        export=service_state.decode_export(export) if export else None,
        service_import=service_state.decode_import(made) if made else None,
        derived=await _derived(api, service),
        endpoints=tuple(map(service_state.decode_endpoints, slices)),
    )


async def _derived(api: Api, service: ServiceName) -> Service | None:
    obj = await api.find(kinds.SERVICE, derived_name(service), service.namespace)
    return service_codec.decode(obj) if obj else None


async def _members(site: Site) -> set[ClusterId]:
    """The clusterset's members as this one knows them."""
    try:
        return {cluster.id for cluster in await site.clusters()}
    except McnetError:
        return set()  # what is wrong there is told of its services


async def _records(
    sites: Sequence[Site], service: ServiceName, clusters: Iterable[ClusterId]
) -> tuple[Held | None, str]:
    """The broker's records, asked for by the first member that can read it; else why none can."""
    unread = "there is no member that could ask it"
    for site in sites:
        broker = await read_broker(site)
        if broker.credential is None or broker.held is None:
            unread = broker.unread
            continue
        try:
            return await _ask(site, broker.credential, service, clusters), ""
        except McnetError as error:
            unread = error.message
    return None, unread


async def _ask(site: Site, credential: BrokerCredential, service: ServiceName, clusters: Iterable[ClusterId]) -> Held:
    """By a context that leads to the broker where there is one, else by the member's own credential."""
    if here := same_server(site, credential):
        return await _held(here, credential.namespace, service, clusters)
    async with await with_token(server=credential.server, ca=credential.ca, token=credential.token) as api:
        return await _held(api, credential.namespace, service, clusters)


async def _held(api: Api, namespace: str, service: ServiceName, clusters: Iterable[ClusterId]) -> Held:
    names = list(clusters)
    found = await asyncio.gather(
        *(api.find(kinds.EXPORTED_SERVICE, record_name(one, service), namespace) for one in names)
    )
    return {one: _audience(record) for one, record in zip(names, found, strict=True) if record is not None}


def _audience(record: JsonObject) -> Audience:
    try:
        return decode_audience(fields_of(record).child("spec"))
    except DecodeError:
        return None  # that it can't be understood is discovery's to tell
