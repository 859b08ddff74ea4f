"""Brings a CoreDNS whose Corefile is its provider's (AKS, K3s) to `clusterset.local`: by one key of the ConfigMap
`coredns-custom`, from which it takes in what the cluster's owner adds. No other key is touched."""

from collections.abc import Mapping
from typing import Final

from mcnet.model.kernel import Address
from mcnet.plan import corefile

NAME: Final = "coredns-custom"
KEY: Final = "mcnet.server"
"""Keys that end with ".server" are taken in as server blocks."""


def with_zone(data: Mapping[str, str], address: Address | None) -> corefile.Outcome:
    """What the key should hold: see corefile.with_zone. `data` is the ConfigMap's, {} if there is none."""
    block = corefile.in_tree() if address is None else corefile.stub(address)
    for key in sorted(data.keys() - {KEY}):
        if key.endswith(".server") and corefile.DOMAIN in data[key]:
            why = f"the key {key} of {NAME} has {corefile.DOMAIN} already"
            return corefile.Outcome(data.get(KEY, ""), why, block)
    return corefile.Outcome(f"{corefile.BEGIN}\n{block}{corefile.END}\n")
