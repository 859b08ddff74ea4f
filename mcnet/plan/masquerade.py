"""Which foreign chains give packets of pods to other clusters another source, before ours can keep theirs.

Of several nat chains at postrouting the first that translates decides (nft(8)); ours stands before the usual ones, so
only a chain of a lower priority can be quicker. What masquerades in BPF is not seen here.
"""

from collections.abc import Iterable
from typing import Final

from mcnet.model.foreign import NatChains
from mcnet.model.kernel import Network
from mcnet.model.look import Translation
from mcnet.model.ownership import OVERLAY_DEVICE
from mcnet.plan.foreign_chains import Packet, obstacles

OURS: Final = 90
"""Priority of our own chain: srcnat - 10."""


def translations(
    tables: Iterable[NatChains], pods: Iterable[Network], remote: Iterable[Network]
) -> tuple[Translation, ...]:
    """One per base chain and family that translates."""
    pods, remote = tuple(pods), tuple(remote)
    found: dict[tuple[str, int], Translation] = {}
    for table in tables:
        early = {name for name, priority in table.priorities.items() if priority < OURS}
        for packet, source, target in _packets(pods, remote):
            for obstacle in obstacles(table.chains, [packet]):
                chain = obstacle.chain
                if chain.name not in early or obstacle.handle is None:
                    continue
                family = {4: "ip", 6: "ip6"}[source.version]
                # One rule each: nft lists neighbours in a set as a range, which is harder to read back.
                targets = [one for one in remote if one.version == source.version]
                found.setdefault(
                    (chain.place, source.version),
                    Translation(
                        chain=chain.place,
                        priority=table.priorities[chain.name],
                        source=str(source),
                        target=str(target),
                        why=f"its rule with handle {obstacle.handle} translates",
                        certain=obstacle.certain,
                        remedy=" && ".join(
                            f"nft insert rule {chain.place} {family} daddr {one} accept" for one in targets
                        ),
                    ),
                )
    return tuple(found.values())


def _packets(pods: Iterable[Network], remote: tuple[Network, ...]) -> Iterable[tuple[Packet, Network, Network]]:
    for source in pods:
        for target in remote:
            if source.version != target.version:
                continue
            family = {4: "ip", 6: "ip6"}[source.version]
            known: dict[str, str | int | Network] = {
                "oifname": OVERLAY_DEVICE,
                f"{family} saddr": source,
                f"{family} daddr": target,
            }
            yield Packet("pods", "postrouting", source.version, known), source, target
