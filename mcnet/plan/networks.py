"""Networks and URLs as people write them on a command line."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from mcnet.model.errors import UsageError
from mcnet.model.kernel import Network


def is_loopback(url: str) -> bool:
    """Whether a server's URL leads to the machine itself, so that nobody else can use it."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_foreign_family(url: str, own: Iterable[Network]) -> bool:
    """Whether a server's URL is an address of a family that no network of `own` has: what has its addresses from
    there can't reach it. A name may stand for any family and counts as reachable."""
    try:
        address = ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return False
    return all(address.version != network.version for network in own)


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """ "10.1.0.0/16", several by commas or repetition. Raises UsageError."""
    networks = []
    for text in (part.strip() for one in texts for part in one.split(",") if part.strip()):
        try:
            networks.append(ip_network(text))
        except ValueError as error:
            raise UsageError(f"{text!r} is not a network: {error}", "write it like 10.1.0.0/16") from error
    return tuple(networks)
