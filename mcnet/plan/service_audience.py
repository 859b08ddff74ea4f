"""Whom an export is for: of a record that is not for a cluster, that cluster takes nothing. How the annotation is
read is mcnet.codec.service_export's.

It is a wish that every importing cluster follows by itself, no barrier: all members read all records at the broker,
and whoever knows an address can send to it. The exporting cluster is always among its own importers, as KEP-1645
wants it of exporting clusters: there the name leads to at least what the cluster has itself.
"""

from collections.abc import Collection, Iterable
from typing import Final

from mcnet.model.cluster import ClusterId
from mcnet.model.service import ExportedService

Audience = Collection[ClusterId] | None
"""The clusters that an export is for; None for all."""

SHOWN: Final = 8
"""So many names stand in a sentence."""


def is_for(to: Audience, cluster: ClusterId) -> bool:
    """Whether `cluster` may import it."""
    return to is None or cluster in to


def concerning(own: ExportedService, others: Iterable[ExportedService]) -> list[ExportedService]:
    """Of `others` those that meet `own` in any cluster, so that they may be in conflict."""
    return [one for one in others if _meet(own.to, one.to)]


def strangers(annotation: str, clusters: Iterable[ClusterId], members: Collection[ClusterId]) -> str:
    """Who of the clusters that an annotation names is no member, as a sentence; "" if all are, or if no member is
    known."""
    unknown = sorted(set(clusters) - set(members)) if members else []
    if not unknown:
        return ""
    are = "is no member" if len(unknown) == 1 else "are no members"
    return f"{annotation} names {named(unknown)}, which {are} of the clusterset: {named(members)}"


def named(clusters: Iterable[str]) -> str:
    """The first of them, and how many more there are."""
    names = sorted(clusters)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "nobody") + more


def _meet(one: Audience, other: Audience) -> bool:
    return one is None or other is None or not set(one).isdisjoint(other)
