"""Texts of single values in the tables of `mcnet show`: units, ages, counts. What a row says is the views'."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mcnet.plan.durations import format_duration

FEW = 4
"""So many of a long list are named in a table; JSON has them all."""
ROUNDS_UP = 999.5
"""From here on three digits say 1000."""


def yes(row: Mapping[str, Any], key: str) -> str:
    return "yes" if row.get(key) else ""


def yes_or_no(row: Mapping[str, Any], key: str) -> str:
    return "" if row.get(key) is None else ("yes" if row[key] else "no")


def connected(row: Mapping[str, Any], key: str) -> str:
    return f"{row[key]} of {row['cables']}"


def of_desired(row: Mapping[str, Any], key: str) -> str:
    return f"{row[key]} of {row['desired']}" if "desired" in row else ""


def families(row: Mapping[str, Any], key: str) -> str:
    """ "IPv4, IPv6"; "IPv4 only" where one of the two clusters has more."""
    names = ", ".join(row.get(key) or ())
    if not row.get("onlySome"):
        return names
    return f"{names} only" if names else "none in common"


def driver(row: Mapping[str, Any], key: str) -> str:
    """ "wireguard", or "wireguard (userspace)" where the kernel has none."""
    return f"{row.get(key) or ''} (userspace)" if row.get("userspace") else str(row.get(key) or "")


def milliseconds(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return "" if value is None else f"{value * 1000:.2f} ms"


def percent(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return "" if value is None else f"{value * 100:.0f} %"


def bit_rate(row: Mapping[str, Any], key: str) -> str:
    """ "640 bit/s", "1.25 Gbit/s": three digits."""
    value = row.get(key)
    if value is None:
        return ""
    size, unit = float(value), "bit/s"
    for larger in ("kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"):
        if size < ROUNDS_UP:
            break
        size, unit = size / 1000, larger
    digits = 0 if unit == "bit/s" or size >= 99.95 else 1 if size >= 9.995 else 2
    return f"{size:.{digits}f} {unit}"


def weight(row: Mapping[str, Any], key: str) -> str:
    """A gateway's weight, or that it drains."""
    return "drains" if row.get("draining") else "" if row.get(key) is None else str(row[key])


def age(row: Mapping[str, Any], key: str) -> str:
    """How long ago a time was."""
    try:
        moment = datetime.fromisoformat(row.get(key) or "")
    except ValueError:  # none, or somebody else's idea of one
        return ""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return format_duration((datetime.now(UTC) - moment).total_seconds())


def few(row: Mapping[str, Any], key: str) -> str:
    """The first of a list, and how many more there are."""
    return _few([str(value) for value in row.get(key) or ()])


def versions(row: Mapping[str, Any], key: str) -> str:
    """ "0.1.0", or "0.1.0 (3), 0.2.0 (1)" with the number of nodes where there are several."""
    found = row.get(key) or {}
    if len(found) == 1:
        return str(next(iter(found))) or "not reported"
    return ", ".join(f"{version or 'not reported'} ({len(nodes)})" for version, nodes in found.items())


def images(row: Mapping[str, Any], key: str) -> str:
    found = row.get(key) or {}
    if len(found) == 1:
        return str(next(iter(found)))
    return ", ".join(f"{image} ({count})" for image, count in found.items())


def port(row: Mapping[str, Any], key: str) -> str:
    """ "UDP 4520"."""
    return f"{row['protocol'].upper()} {row[key]}".rstrip()


def side(row: Mapping[str, Any], key: str) -> str:
    """The addresses of "from" or "to" where they are known, and who that is."""
    addresses = few(row, f"{key}Addresses")
    return f"{addresses} ({row[key]})" if addresses else str(row[key])


def need(row: Mapping[str, Any], key: str) -> str:
    return "required" if row[key] else "optional"


def service_ports(row: Mapping[str, Any], key: str) -> str:
    """ "80, 53/UDP"."""
    return _few([f"{one['port']}" + _protocol(one["protocol"]) for one in row.get(key) or ()])


def endpoints(row: Mapping[str, Any], key: str) -> str:
    """Of each cluster the endpoints that are ready, of how many: "east 2/2, west 0/1"."""
    return _few([f"{one['cluster']} {one['ready']}/{one['total']}" for one in row.get(key) or ()])


def _few(values: Sequence[str]) -> str:
    if len(values) <= FEW:
        return ", ".join(values)
    return f"{', '.join(values[: FEW - 1])} and {len(values) - FEW + 1} more"


def _protocol(protocol: str) -> str:
    return "" if protocol == "TCP" else f"/{protocol}"
