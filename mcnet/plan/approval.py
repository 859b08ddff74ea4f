"""Which prefixes a member may have: what differs from what is approved, and what speaks against approving it.

Used by `join`, which asks, and by `member approve`, which decides. Overlaps are judged against all other members.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mcnet.model.cluster import Cluster, ClusterId, Requested
from mcnet.model.kernel import Network


@dataclass(frozen=True, slots=True)
class Difference:
    """What is new, and what is gone."""

    added: tuple[Network, ...] = ()
    removed: tuple[Network, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

    def __str__(self) -> str:
        """ "+10.9.0.0/16 -10.8.0.0/16", "" without any."""
        return " ".join([*(f"+{prefix}" for prefix in self.added), *(f"-{prefix}" for prefix in self.removed)])


@dataclass(frozen=True, slots=True)
class Clash:
    """A pod prefix that another member has, or a part of it."""

    own: Network
    hit: Network
    cluster: ClusterId
    services: bool
    """Whether the other's are services."""

    def __str__(self) -> str:
        what = "services" if self.services else "pods"
        return f"the pod CIDR {self.own} overlaps with {self.hit}, the {what} of member {self.cluster}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The record as it would stand, why it may not ("" if it may), and what it changes for others, as sentences."""

    record: Cluster
    refusal: str
    hint: str
    change: Difference
    notes: tuple[str, ...] = ()


def difference(approved: Iterable[Network], wanted: Iterable[Network]) -> Difference:
    """Prefixes are compared as they are written: a wider one is another one."""
    before, after = set(approved), set(wanted)
    return Difference(_sorted(after - before), _sorted(before - after))


def pod_clashes(pods: Iterable[Network], others: Iterable[Cluster]) -> list[Clash]:
    """For each pod prefix and each other member, the first prefix that it overlaps with."""
    others = tuple(others)
    return [
        Clash(own, hit, other.id, hit not in other.pod_prefixes)
        for own in pods
        for other in others
        if (hit := overlap(own, other.prefixes))
    ]


def advertised(
    cluster: ClusterId, services: Iterable[Network], others: Iterable[Cluster]
) -> tuple[tuple[Network, ...], list[str]]:
    """Those service prefixes that overlap with nothing, and a sentence on what is lost for each other one."""
    others = tuple(others)
    free: list[Network] = []
    lost: list[str] = []
    for own in services:
        clashes = [(other.id, hit) for other in others if (hit := overlap(own, other.prefixes))]
        if not clashes:
            free.append(own)
            continue
        named = ", ".join(f"{hit} of {other}" for other, hit in clashes)
        lost.append(
            f"the service CIDR {own} overlaps with {named}: it is not advertised, so other clusters reach "
            f"{cluster}'s pods but not its services by ClusterIP"
        )
    return tuple(free), lost


def judge(
    record: Cluster,
    requested: Requested | None,
    others: Sequence[Cluster],
    *,
    pods: tuple[Network, ...] = (),
    services: tuple[Network, ...] = (),
) -> Verdict:
    """What approving means: of `pods` and `services` where the admin names them, else of what is requested, else of
    what is approved already."""
    asked = requested or Requested(record.pod_prefixes, record.service_prefixes)
    wanted_pods = pods or asked.pod_prefixes or record.pod_prefixes
    free, lost = advertised(record.id, services or asked.service_prefixes, others)
    wanted = replace(record, pod_prefixes=wanted_pods, service_prefixes=free)
    change = difference(record.prefixes, wanted.prefixes)
    refusal, hint = _refusal(wanted, others)
    gone = [
        f"{prefix} is taken away: other clusters no longer reach it"
        for prefix in change.removed
        if not any(_within(prefix, kept) for kept in wanted.prefixes)
    ]
    return Verdict(wanted, refusal, hint, change, (*lost, *gone))


def _refusal(wanted: Cluster, others: Sequence[Cluster]) -> tuple[str, str]:
    for clash in pod_clashes(wanted.pod_prefixes, others):
        loser, kept = sorted((wanted.id, clash.cluster))[::-1]
        return (
            f"{clash}: other clusters can route it to one of them only, {kept}, and would lose {loser}'s",
            "approve the others by naming them: --pod-cidr",
        )
    for own in wanted.pod_prefixes:
        if hit := overlap(own, wanted.service_prefixes):
            return f"the pod CIDR {own} overlaps with {hit}, the services of {wanted.id} itself", ""
    return "", ""


def overlap(own: Network, others: Iterable[Network]) -> Network | None:
    """The first of `others` that shares an address with `own`."""
    return next((other for other in others if other.version == own.version and own.overlaps(other)), None)


def _within(one: Network, whole: Network) -> bool:
    return one.version == whole.version and overlap(one, (whole,)) is not None and one.prefixlen >= whole.prefixlen


def _sorted(prefixes: Iterable[Network]) -> tuple[Network, ...]:
    return tuple(sorted(prefixes, key=lambda prefix: (prefix.version, prefix)))
