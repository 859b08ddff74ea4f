"""Which key a gateway uses: the epoch of its keys, a number that only grows.

It follows from the time, so that nobody has to begin anything: a new epoch after every so many days, at a moment that
is each cluster's own, since a cable whose both ends change at once has no old key to go on with. A user may ask for
the next one earlier. What changes on a cable is mcnet.plan.transition's.
"""

import hashlib
from typing import Final

from mcnet.model.cluster import ClusterId
from mcnet.model.member import Member

_DAY: Final = 86400


def epoch(member: Member, *, published: int, now: int) -> int:
    """The epoch at `now` (seconds since 1970), never one before `published` or before the one that was asked for."""
    return max(published, member.key_epoch, _by_time(member.cluster, member.key_rotation * _DAY, now))


def _by_time(cluster: ClusterId, period: int, now: int) -> int:
    if not period:
        return 0
    offset = int.from_bytes(hashlib.sha256(f"mcnet/rotation/{cluster}".encode()).digest()[:8]) % period
    return (now + offset) // period
