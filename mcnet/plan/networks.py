"""Networks as people write them on a command line."""

from collections.abc import Iterable
from ipaddress import ip_network

from mcnet.model.errors import UsageError
from mcnet.model.kernel import Network


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """ "10.1.0.0/16", several by commas or repetition. Raises UsageError."""
    networks = []
    for text in (part.strip() for one in texts for part in one.split(",") if part.strip()):
        try:
            networks.append(ip_network(text))
        except ValueError as error:
            raise UsageError(f"{text!r} is not a network: {error}", "write it like 10.1.0.0/16") from error
    return tuple(networks)
