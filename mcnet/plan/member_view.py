"""A member as the broker holds it, and what its admin is told of it. Reading it is mcnet.install.members'."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from mcnet.codec.fingerprint import fingerprint
from mcnet.model.cluster import Cluster, ClusterId, Identity, Requested
from mcnet.model.endpoint import Endpoint
from mcnet.plan.approval import Difference, advertised, difference
from mcnet.plan.durations import format_duration

FRESH: Final = 60
"""Seconds after its last sign of life for which a member counts as alive: discovery writes one every 20 s."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """All that the broker holds of one member. `cluster` is None where only an account or endpoints are left."""

    id: ClusterId
    cluster: Cluster | None = None
    requested: Requested | None = None
    uid: str = ""
    """Of the Cluster object: another one under the same name is another record."""
    created: str = ""
    account: bool = False
    """Whether the account of the member is there."""
    token: bool = False
    """Whether a join token waits to be used."""
    seen: datetime | None = None
    """Its last sign of life."""
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def identity(self) -> Identity | None:
        return self.cluster.identity if self.cluster else None


def age(record: MemberRecord, now: datetime) -> float | None:
    """Seconds since the last sign of life, by the reader's clock; None if there was none."""
    return max(0.0, (now - record.seen).total_seconds()) if record.seen else None


def state(record: MemberRecord, now: datetime) -> str:
    """ "alive", "silent" (it has been seen, but not lately) or "never seen"."""
    seconds = age(record, now)
    if seconds is None:
        return "never seen"
    return "alive" if seconds < FRESH else "silent"


def waiting(record: MemberRecord, others: tuple[Cluster, ...]) -> Difference:
    """What the member asks for against what is approved; without the services that can't be advertised."""
    if record.cluster is None or record.requested is None:
        return Difference()
    free, _ = advertised(record.id, record.requested.service_prefixes, others)
    return difference(record.cluster.prefixes, (*record.requested.pod_prefixes, *free))


def signs_of_life(record: MemberRecord, cables: tuple[str, ...], now: datetime) -> tuple[str, ...]:
    """Why the member can't be taken for gone, as clauses; () if nothing says that it lives. `cables` are the gateways
    of other clusters that are connected with it."""
    found = []
    seconds = age(record, now)
    if seconds is not None and seconds < FRESH:
        found.append(f"it gave a sign of life {format_duration(seconds)} ago")
    if cables:
        found.append(f"{', '.join(cables)} {'is' if len(cables) == 1 else 'are'} connected with it")
    return tuple(found)


def described(record: MemberRecord, now: datetime) -> str:
    """The member in one clause: by whom an ID is held."""
    parts = []
    if record.identity:
        parts.append(f"key {fingerprint(record.identity.signing_key)}")
    if record.cluster and record.cluster.pod_prefixes:
        parts.append(f"pods {', '.join(map(str, record.cluster.pod_prefixes))}")
    if record.created:
        parts.append(f"joined {record.created}")
    seconds = age(record, now)
    parts.append("never seen" if seconds is None else f"last seen {format_duration(seconds)} ago")
    return ", ".join(parts)


def facts(record: MemberRecord, others: tuple[Cluster, ...], now: datetime) -> Row:
    """Everything about one member, for `-o json` and as the source of the screens."""
    cluster = record.cluster
    keys = record.identity
    seconds = age(record, now)
    return {
        "cluster": record.id,
        "state": state(record, now),
        "lastSeen": record.seen.isoformat() if record.seen else "",
        "lastSeenSeconds": None if seconds is None else int(seconds),
        "podPrefixes": [str(prefix) for prefix in cluster.pod_prefixes] if cluster else [],
        "servicePrefixes": [str(prefix) for prefix in cluster.service_prefixes] if cluster else [],
        "waiting": str(waiting(record, others)),
        "signingKey": fingerprint(keys.signing_key) if keys else "",
        "agreementKey": fingerprint(keys.agreement_key) if keys else "",
        "version": cluster.version if cluster else "",
        "joined": record.created,
        "account": record.account,
        "token": record.token,
        "gateways": [
            {
                "name": one.gateway,
                "rail": one.rail,
                "addresses": [str(address) for address in one.private_addresses],
                "prefixes": [str(prefix) for prefix in one.prefixes],
            }
            for one in sorted(record.endpoints, key=lambda one: (one.rail, one.gateway))
        ],
    }


def lines(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The facts of one member as labelled lines."""
    seen = row["lastSeenSeconds"]
    told = [
        ("cluster", str(row["cluster"])),
        ("state", str(row["state"]) + ("" if seen is None else f", last seen {format_duration(seen)} ago")),
        ("pods", ", ".join(row["podPrefixes"]) or "none approved"),
        ("services", ", ".join(row["servicePrefixes"]) or "none advertised"),
    ]
    if row["waiting"]:
        told.append(("waiting", f"{row['waiting']} (mcnet member approve {row['cluster']})"))
    told += [
        ("signing key", row["signingKey"] or "none"),
        ("agreement key", row["agreementKey"] or "none"),
        ("version", row["version"] or "not told yet"),
        ("joined", row["joined"] or "not yet"),
        ("account", ("there" if row["account"] else "missing") + (", a join token waits" if row["token"] else "")),
    ]
    for gateway in row["gateways"]:
        where = ", ".join(gateway["addresses"])
        told.append(("gateway", f"{gateway['name']} (rail {gateway['rail']}) at {where or 'no address'}"))
    return told + ([] if row["gateways"] else [("gateway", "none")])
