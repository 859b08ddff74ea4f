"""Removes what a member keeps at the broker besides its Cluster and Lease: Endpoints, exports and their slices."""

import asyncio
from typing import Final

from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import Kind
from mcnet.model.errors import ForbiddenError, NotFoundError
from mcnet.model.member import CLUSTER_LABEL

AT_ONCE: Final = 16
"""Deletions at a time: a member may have thousands."""


async def remove_member_records(broker: Api, cluster: str, namespace: str) -> None:
    """Deletes all of them; a kind that is gone has none left. Raises McnetError."""
    await _remove(broker, kinds.ENDPOINT, cluster, namespace)
    for kind in (kinds.EXPORTED_SERVICE, kinds.ENDPOINT_SLICE):
        try:
            await _remove(broker, kind, cluster, namespace)
        except ForbiddenError as error:
            if error.status == 401:
                raise
            # A broker of before services: nothing can have been written there either.


async def _remove(broker: Api, kind: Kind, cluster: str, namespace: str) -> None:
    try:
        found = await broker.list(kind, namespace, labels=f"{CLUSTER_LABEL}={cluster}")
    except NotFoundError:
        return
    limit = asyncio.Semaphore(AT_ONCE)

    async def delete(name: str) -> None:
        async with limit:
            await broker.delete(kind, name, namespace)

    await asyncio.gather(*(delete(str(obj["metadata"]["name"])) for obj in found))
