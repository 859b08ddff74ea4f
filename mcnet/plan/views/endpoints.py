"""Every gateway of the clusterset, as each cluster knows it."""

from mcnet.plan import ports
from mcnet.plan.cluster_view import ClusterView, Picture, Row


def rows(picture: Picture) -> list[Row]:
    """Of all members."""
    return [row for view in picture.members for row in endpoint_rows(view)]


def endpoint_rows(view: ClusterView) -> list[Row]:
    """One row for each gateway of the clusterset as this cluster knows it."""
    return [
        {
            "cluster": view.cluster,
            "endpointCluster": endpoint.cluster,
            "gateway": endpoint.gateway,
            "rail": endpoint.rail,
            "addresses": [str(address) for address in endpoint.private_addresses],
            "publicAddresses": [str(address) for address in endpoint.public_addresses],
            "ports": [
                opening.numbers
                for offer in endpoint.drivers
                for opening in ports.cables(offer.name, endpoint.port_base)
            ],
            "drivers": [offer.name for offer in endpoint.drivers],
            "mtu": endpoint.mtu,
            "prefixes": [str(prefix) for prefix in endpoint.prefixes],
            "local": endpoint.cluster == view.cluster,
        }
        for endpoint in sorted(view.endpoints, key=lambda one: (one.cluster, one.rail, one.gateway))
    ]
