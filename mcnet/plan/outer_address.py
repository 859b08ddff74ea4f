"""Over which of their outer addresses two gateways may speak. Which one is taken is mcnet.plan.cable's."""

from mcnet.codec.public_address import is_public
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address


def outer_family(own: Endpoint, remote: Endpoint) -> int | None:
    """Over which family two gateways speak; the same answer on both sides. None without a common one.

    IPv4 where both have both, unless both name their IPv6 address first.
    """
    mine, theirs = ([address.version for address in one.private_addresses] for one in (own, remote))
    common = {*mine} & {*theirs}
    if not common:
        return None
    return 6 if common == {6} or mine[0] == theirs[0] == 6 else 4


def public_of(endpoint: Endpoint, family: int) -> Address | None:
    """A gateway's public address, None where it has published none that is usable."""
    return next((one for one in endpoint.public_addresses if one.version == family and is_public(one)), None)
