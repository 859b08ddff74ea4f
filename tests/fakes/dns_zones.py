"""A zone made of ServiceImports and EndpointSlices as objects, and short questions to it."""

from collections.abc import Iterable
from typing import Any

from mcnet.codec.dns_objects import decode_import, decode_slice
from mcnet.model.dns import ZONE, Answer, Name, Ptr, Question, Srv, Txt, Type
from mcnet.plan.dns_answer import answer
from mcnet.plan.dns_zone import Options, Zone, service


def zone_of(*objects: dict[str, Any], namespaces: Iterable[str] = ("shop",), options: Options | None = None) -> Zone:
    """The zone with these imports and slices."""
    slices = [decode_slice(obj) for obj in objects if obj["kind"] == "EndpointSlice"]
    services = {}
    for one in (decode_import(obj) for obj in objects if obj["kind"] == "ServiceImport"):
        own = [each for each in slices if (each.namespace, each.service) == (one.namespace, one.name)]
        services[one.namespace, one.name] = service(one, own, options or Options())
    return Zone().changed(services, namespaces)


def name_of(text: str) -> Name:
    """A name within the zone: "web.shop.svc", "" for the apex; absolute with a dot at the end."""
    if text.endswith("."):
        return tuple(label for label in text.split(".") if label)
    return (*(label for label in text.split(".") if label), *ZONE)


def ask(zone: Zone | None, name: str, kind: Type = Type.A) -> Answer:
    return answer(zone, Question(name_of(name), kind))


def said(zone: Zone | None, name: str, kind: Type = Type.A) -> list[str] | str:
    """What is answered, sorted and short; "NODATA", or the rcode, where that is nothing."""
    found = ask(zone, name, kind)
    if found.rcode or not found.answers:
        return found.rcode.name if found.rcode else "NODATA"
    return sorted(short(one.data) for one in found.answers)


def short(data: object) -> str:
    match data:
        case Srv(port=port, target=target):
            return f"{port} {within(target)}"
        case Ptr(target):
            return within(target)
        case Txt(text):
            return text
        case _:
            return str(data)


def within(name: Name) -> str:
    assert name[-2:] == ZONE
    return ".".join(name[:-2])
