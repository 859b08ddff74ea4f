"""The node's own address inside an advertised prefix: what other clusters know the node itself by."""

from collections.abc import Collection, Iterable

from mcnet.model.kernel import Address, HostLink, Network


def routable_addresses(
    links: Iterable[HostLink], pods: Collection[Network], families: Collection[int]
) -> dict[int, Address]:
    """Per family the node's address inside a pod prefix (bridge, tunnel or veth of the CNI), the first by device
    name; a family without one is missing. Our own devices don't count."""
    found: dict[int, Address] = {}
    for link in sorted(links, key=lambda link: link.name):
        if link.name.startswith("mcnet-"):
            continue
        for interface in sorted(link.addresses, key=str):
            address = interface.ip
            if address.version in families and any(address in prefix for prefix in pods):
                found.setdefault(address.version, address)
    return dict(sorted(found.items()))
