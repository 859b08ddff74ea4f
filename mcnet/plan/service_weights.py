"""Shares of connections by cluster: kube-proxy gives each endpoint that it is given an equal share, so a cluster's
share is the number of its endpoints among all, and is made by leaving some of them out.

How near that comes hangs on how many there are: of two clusters with one endpoint each both get half, whatever is
asked for. It is told where it is far off. Which of a cluster's endpoints stay is decided by hashes of their
addresses, so that of those that were in use as many as possible remain when others come and go; each importing
cluster has another order, so that all together they use all endpoints.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mcnet.model.cluster import ClusterId
from mcnet.model.kernel import Address
from mcnet.model.service import ServiceEndpoint, ServiceSlice

ACCURACY: Final = 0.005
"""Of all connections: so far a cluster's share may be off where that keeps more endpoints in use."""
TOLD: Final = 0.05
"""Of all connections: a share that is further off is told."""
WEIGHTS_OF_HEADLESS: Final = (
    "the weights of mcnet.dev/traffic mean nothing for a headless service: its name leads to all endpoints"
)
_SAME: Final = 1e-9

Slices = Mapping[ClusterId, Sequence[ServiceSlice]]
Weights = Mapping[ClusterId, int]
_Endpoint = tuple[ClusterId, Address]


@dataclass(frozen=True, slots=True)
class Weighed:
    """What is left, and what of the weights could not be followed, as sentences."""

    slices: dict[ClusterId, list[ServiceSlice]]
    problems: tuple[str, ...] = ()


def weighed(slices: Slices, weights: Weights, importer: ClusterId) -> Weighed:
    """Leaves ready endpoints out so that the clusters' shares are as `weights` say, in each IP family by itself,
    since kube-proxy balances these apart. A cluster that has no weight, or weight 0, is used only where no other one
    has a ready endpoint; then all that such clusters have is."""
    kept: dict[ClusterId, list[ServiceSlice]] = {}
    problems = []
    for family in sorted({one.family for found in slices.values() for one in found}):
        within = {cluster: [one for one in found if one.family == family] for cluster, found in slices.items()}
        ready = {cluster: addresses for cluster, found in within.items() if (addresses := _ready(found))}
        wanted = {cluster: weights[cluster] for cluster in sorted(ready) if weights.get(cluster, 0) > 0}
        if not wanted:
            left = within
        else:
            numbers = dict(zip(wanted, shared([len(ready[one]) for one in wanted], [*wanted.values()]), strict=True))
            chosen = _chosen(ready, numbers, importer)
            chosen |= _uncovered({one: within[one] for one in wanted}, chosen, importer)
            left = {cluster: _without_others(cluster, within[cluster], chosen) for cluster in wanted}
            problems += _far_off(wanted, {one: sum(cluster == one for cluster, _ in chosen) for one in wanted}, ready)
        for cluster, found in left.items():
            kept.setdefault(cluster, []).extend(found)
    return Weighed(kept, tuple(dict.fromkeys(problems)))


def shared(most: Sequence[int], weights: Sequence[int]) -> list[int]:
    """How many endpoints of each cluster to use: at least one and at most `most` of each, and as many as possible as
    long as no share is off by more than ACCURACY. Where one always is, as off as need be, and of several such choices
    the largest. All numbers are positive."""
    whole = sum(weights)
    shares = [weight / whole for weight in weights]
    # Of more than this many endpoints, one cluster or another has too few for its share.
    limits = [
        int(number / (share - ACCURACY)) for number, share in zip(most, shares, strict=True) if share > ACCURACY
    ]
    for total in range(min([sum(most), *limits]), len(most) - 1, -1):
        numbers = _split(total, shares, most)
        if error(numbers, shares) <= ACCURACY + _SAME:
            return numbers
    least, best = 2.0, list(most)
    for total in range(len(most), sum(most) + 1):
        if max(share - number / total for number, share in zip(most, shares, strict=True)) > least + _SAME:
            break  # and the more endpoints, the further off
        numbers = _split(total, shares, most)
        off = error(numbers, shares)
        if off <= least + _SAME:
            least, best = min(off, least), numbers
    return best


def error(numbers: Sequence[int], shares: Sequence[float]) -> float:
    """By how much the worst of the shares is off."""
    total = sum(numbers)
    return max(abs(number / total - share) for number, share in zip(numbers, shares, strict=True))


def _split(total: int, shares: Sequence[float], most: Sequence[int]) -> list[int]:
    """`total` endpoints, at least one and at most `most` of each, as near to the shares as can be."""
    numbers = [min(max(int(share * total), 1), limit) for share, limit in zip(shares, most, strict=True)]
    while missing := total - sum(numbers):
        step = 1 if missing > 0 else -1
        able = [at for at, number in enumerate(numbers) if (number < most[at] if step > 0 else number > 1)]
        numbers[max(able, key=lambda at: step * (shares[at] * total - numbers[at]))] += step
    return numbers


def _ready(found: Iterable[ServiceSlice]) -> list[Address]:
    """Each address once: kube-proxy takes an endpoint that stands in two slices for one."""
    return list(dict.fromkeys(_address(end) for one in found for end in one.endpoints if end.ready))


def _address(endpoint: ServiceEndpoint) -> Address:
    """The one that kube-proxy uses (discovery.k8s.io, Endpoint.addresses)."""
    return endpoint.addresses[0]


def _chosen(
    ready: Mapping[ClusterId, Sequence[Address]], numbers: Mapping[ClusterId, int], importer: ClusterId
) -> set[_Endpoint]:
    chosen: set[_Endpoint] = set()
    for cluster, number in numbers.items():
        ends: list[_Endpoint] = [(cluster, address) for address in ready[cluster]]
        if number < len(ends):
            ends.sort(key=lambda end: _rank(end, importer))
        chosen.update(ends[:number])
    return chosen


def _uncovered(slices: Slices, chosen: set[_Endpoint], importer: ClusterId) -> set[_Endpoint]:
    """One endpoint more for each port that none of those has which were chosen: pods may name their ports alike and
    not have all of them."""
    serving: dict[str, set[_Endpoint]] = {}
    for cluster, found in slices.items():
        for one in found:
            ends = {(cluster, _address(end)) for end in one.endpoints if end.ready}
            for port in one.ports:
                serving.setdefault(port.name, set()).update(ends)
    more: set[_Endpoint] = set()
    for _, ends in sorted(serving.items()):
        if ends and ends.isdisjoint(chosen | more):
            more.add(min(ends, key=lambda end: _rank(end, importer)))
    return more


def _without_others(cluster: ClusterId, found: Iterable[ServiceSlice], chosen: set[_Endpoint]) -> list[ServiceSlice]:
    """The slices without ready endpoints that were not chosen."""
    return [
        replace(
            one, endpoints=tuple(end for end in one.endpoints if not end.ready or (cluster, _address(end)) in chosen)
        )
        for one in found
    ]


def _rank(end: _Endpoint, importer: ClusterId) -> bytes:
    return hashlib.sha256(f"{importer} {end[0]} {end[1]}".encode()).digest()


def _far_off(
    weights: Weights, numbers: Mapping[ClusterId, int], ready: Mapping[ClusterId, Sequence[Address]]
) -> list[str]:
    whole, total = sum(weights.values()), sum(numbers.values())
    shares = [weight / whole for weight in weights.values()]
    if error([*numbers.values()], shares) <= TOLD:
        return []
    parts = [
        f"{cluster} {numbers[cluster] / total:.0%} and not {share:.0%} with {len(ready[cluster])} ready"
        for cluster, share in zip(weights, shares, strict=True)
    ]
    return [f"too few endpoints are ready for the weights of mcnet.dev/traffic: {'; '.join(parts)}"]
