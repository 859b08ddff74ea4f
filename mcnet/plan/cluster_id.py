"""Cluster IDs: what is one, and which one a cluster gets when nobody chose."""

import re

from mcnet.model.cluster import CLUSTER_ID_PATTERN, ClusterId
from mcnet.model.errors import UsageError


def parse_cluster_id(text: str) -> ClusterId:
    """`text` as cluster ID. Raises UsageError if it isn't one."""
    if not CLUSTER_ID_PATTERN.fullmatch(text):
        raise UsageError(
            f"{text!r} is not a cluster ID: lower-case letters, digits and '-', at most 63, no '-' at the ends",
            f"for example: {derive_cluster_id(text) or 'west'}",
        )
    return ClusterId(text)


def derive_cluster_id(context: str) -> str:
    """The cluster ID that a context's name suggests: its last part, made a DNS label; "" if nothing is left.

    Providers' names carry more than the cluster's: "arn:aws:eks:eu-west-1:123:cluster/shop", "gke_p_zone_shop",
    "admin@west".
    """
    last = re.split(r"[/@]", context)[-1]
    if last.startswith("gke_"):
        last = last.split("_")[-1]
    label = re.sub(r"[^a-z0-9]+", "-", last.lower())
    return label[:63].strip("-")
