"""Services across clusters as a cluster's own objects report them, for those who look: exports with their conditions,
imports, imported endpoints. What is exported, and how exports merge, is mcnet.model.service's.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mcnet.model.cluster import ClusterId
from mcnet.model.kernel import Address
from mcnet.model.service import Port, ServiceName


@dataclass(frozen=True, slots=True)
class ReportedCondition:
    """A condition as it stands in a status. `current`: it is about the object as it is now, not as it was before its
    last change."""

    type: str
    status: str
    """"True", "False" or "Unknown"."""
    reason: str
    message: str = ""
    current: bool = True

    @property
    def true(self) -> bool:
        return self.status == "True" and self.current


@dataclass(frozen=True, slots=True)
class ExportState:
    """A ServiceExport and what its cluster says of it. `mode` and `traffic` are its annotations as they stand; `to`
    the other clusters that may import it, None for all."""

    service: ServiceName
    conditions: tuple[ReportedCondition, ...] = ()
    mode: str = ""
    traffic: str = ""
    to: tuple[ClusterId, ...] | None = None

    def condition(self, type_: str) -> ReportedCondition | None:
        """None too for what is said of an earlier state of the object."""
        return condition_of(self.conditions, type_)


@dataclass(frozen=True, slots=True)
class ImportState:
    """A ServiceImport. `type` is its text, "ClusterSetIP" or "Headless" unless somebody else wrote it; `ours` whether
    mcnet keeps it."""

    service: ServiceName
    type: str
    ips: tuple[Address, ...] = ()
    ports: tuple[Port, ...] = ()
    clusters: tuple[ClusterId, ...] = ()
    conditions: tuple[ReportedCondition, ...] = ()
    traffic: str = ""
    ours: bool = True

    @property
    def headless(self) -> bool:
        return self.type == "Headless"

    def condition(self, type_: str) -> ReportedCondition | None:
        return condition_of(self.conditions, type_)


@dataclass(frozen=True, slots=True)
class ImportedEndpoints:
    """An imported EndpointSlice: whose it is, how many endpoints it has, and the addresses of those that are ready.
    `attached` is the Service that kube-proxy uses it for, "" if none."""

    service: ServiceName
    cluster: ClusterId
    ready: tuple[Address, ...] = ()
    total: int = 0
    ports: tuple[Port, ...] = ()
    attached: str = ""


def condition_of(conditions: Iterable[ReportedCondition], type_: str) -> ReportedCondition | None:
    """The current condition of that type."""
    return next((one for one in conditions if one.type == type_ and one.current), None)
