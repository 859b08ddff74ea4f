"""Reads what a member's API server has of services across clusters, in all its namespaces. What it means is
mcnet.plan.views.services'."""

import asyncio
from typing import Final

from mcnet.codec import service_state
from mcnet.codec.batch import decode_all
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.mcs import served_kinds
from mcnet.model.errors import ForbiddenError
from mcnet.model.service import SERVICE_NAME_LABEL, SLICE_MANAGER, SLICE_MANAGER_LABEL
from mcnet.plan.cluster_view import ServicesView

IMPORTED: Final = f"{SERVICE_NAME_LABEL},{SLICE_MANAGER_LABEL}={SLICE_MANAGER}"
"""The label selector of imported EndpointSlices."""


async def read_services(api: Api, problems: list[str]) -> ServicesView:
    """What there is; a user who may not read it gets a view that says so. Sentences about objects that can't be
    understood are added to `problems`. Raises what Api raises else."""
    try:
        served = await served_kinds(api)
        if served is None:
            return ServicesView(installed=False)
        exports, imports, slices, namespaces = await asyncio.gather(
            api.list(served.service_export),
            api.list(served.service_import),
            api.list(kinds.ENDPOINT_SLICE, labels=IMPORTED),
            api.list(kinds.NAMESPACE),
        )
    except ForbiddenError as error:
        return ServicesView(unread=error.message)
    return ServicesView(
        exports=decode_all(service_state.decode_export, exports, problems),
        imports=decode_all(service_state.decode_import, imports, problems),
        endpoints=decode_all(service_state.decode_endpoints, slices, problems),
        namespaces=frozenset(str(one["metadata"]["name"]) for one in namespaces),
    )
