"""Which version of the Multi-Cluster Services API (KEP-1645) an API server has: both have one schema, and its kinds
are named by what is served.
"""

from dataclasses import dataclass
from typing import Final

from mcnet.kube.api import Api
from mcnet.kube.kinds import SERVICE_EXPORT, SERVICE_EXPORT_ALPHA, SERVICE_IMPORT, SERVICE_IMPORT_ALPHA, Kind


@dataclass(frozen=True, slots=True)
class McsKinds:
    """The API's two kinds in one version."""

    service_export: Kind
    service_import: Kind


VERSIONS: Final = (McsKinds(SERVICE_EXPORT, SERVICE_IMPORT), McsKinds(SERVICE_EXPORT_ALPHA, SERVICE_IMPORT_ALPHA))
"""The preferred one first."""


async def served_kinds(api: Api) -> McsKinds | None:
    """The kinds in the best version that is served; None where the API is not installed. Raises what Api raises."""
    served = await api.served_versions(SERVICE_EXPORT.group)
    return next((kinds for kinds in VERSIONS if kinds.service_export.version in served), None)
