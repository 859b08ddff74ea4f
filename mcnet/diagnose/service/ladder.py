"""The rungs of a service's way, in their order: each leans on those before it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mcnet.diagnose.service import objects, seen
from mcnet.diagnose.service.evidence import Evidence
from mcnet.model.diagnosis import Judgement


@dataclass(frozen=True, slots=True)
class Rung:
    """`judge` is pure and judges from the evidence alone; `by_pods`: whether it is about what pods have seen."""

    name: str
    title: str
    matters: str
    judge: Callable[[Evidence], Judgement]
    by_pods: bool = False


LADDER: Final = (
    Rung(
        "export",
        "Exported",
        "without a valid ServiceExport no service leaves its cluster",
        objects.exported,
    ),
    Rung("broker", "At the broker", "the other clusters hear of an export from the broker alone", objects.at_broker),
    Rung("import", "Imported", "a cluster knows a service of others by its ServiceImport", objects.imported),
    Rung("derived", "Derived Service", "its ClusterIP is the clusterset IP that the name leads to", objects.derived),
    Rung("endpoints", "Endpoints", "kube-proxy sends connections to ready endpoints alone", objects.endpoints),
    Rung("dns", "DNS answer", "applications find the service by its name", seen.answered, by_pods=True),
    Rung("connect", "Connection", "a service is there once a pod can connect to it", seen.connected, by_pods=True),
)
"""In the order of climbing."""
