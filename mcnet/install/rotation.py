"""New keys for a cluster's gateways: asked for in the Member, awaited on every cable. The change itself is the
gateways' (mcnet.plan.key_epoch, mcnet.plan.transition).
"""

from dataclasses import dataclass

from mcnet.codec import endpoint as endpoint_codec
from mcnet.codec import gateway as gateway_codec
from mcnet.codec import member as member_codec
from mcnet.codec.batch import decode_all
from mcnet.install.progress import Progress
from mcnet.install.until import until
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.endpoint import Endpoint
from mcnet.model.errors import McnetError, UsageError
from mcnet.model.gateway import CableState
from mcnet.model.member import MEMBER_NAME, SYSTEM_NAMESPACE
from mcnet.model.ownership import key_slot, wireguard_device
from mcnet.plan.driver import WIREGUARD
from mcnet.plan.wireguard_cable import offered


@dataclass(frozen=True, slots=True)
class Rotated:
    """The epoch of the new keys, and how many cables use them."""

    epoch: int
    cables: int


async def rotate_keys(api: Api, *, timeout: float, progress: Progress) -> Rotated:
    """Raises UsageError where there is nothing to rotate, McnetError naming what still uses an old key after
    `timeout` seconds; the change goes on then."""
    obj = await api.find(kinds.MEMBER, MEMBER_NAME, SYSTEM_NAMESPACE)
    if obj is None:
        raise UsageError(f"{api.context or api.server} has not joined a clusterset", "mcnet join")
    cluster = member_codec.decode(obj).cluster
    epochs = [offer.key_epoch for one in await _endpoints(api) if one.cluster == cluster and (offer := offered(one))]
    if not epochs:
        raise UsageError(
            f"no gateway of {cluster} has published a WireGuard key", "mcnet show gateways, for why they have not"
        )
    wanted = max(epochs) + 1
    await api.merge_patch(kinds.MEMBER, MEMBER_NAME, {"spec": {"keyEpoch": wanted}}, SYSTEM_NAMESPACE)
    progress.doing(f"Waiting until every cable of {cluster} uses a key of epoch {wanted}")
    waiting: list[str] = []
    done = 0

    async def moved() -> bool:
        nonlocal done
        done, waiting[:] = await _state(api, cluster, wanted)
        if waiting:
            progress.doing(f"Waiting for new keys (epoch {wanted}): {waiting[0]}")
        return not waiting

    try:
        await until(moved, timeout=timeout)
    except TimeoutError as error:
        raise McnetError(
            f"not all cables of {cluster} use new keys after {timeout:g} s: {waiting[0]}; the old ones carry the "
            "traffic until then",
            "mcnet show connections -o wide",
        ) from error
    return Rotated(wanted, done)


async def _state(api: Api, cluster: str, wanted: int) -> tuple[int, list[str]]:
    """How many cables use the new keys, and a sentence for each that does not."""
    endpoints = {one.name: one for one in await _endpoints(api)}
    waiting = [
        f"gateway {one.gateway} has not published one"
        for one in endpoints.values()
        if one.cluster == cluster and (offer := offered(one)) and offer.key_epoch < wanted
    ]
    done = 0
    for report in decode_all(gateway_codec.decode, await api.list(kinds.GATEWAY, SYSTEM_NAMESPACE), []):
        own = endpoints.get(f"{cluster}.{report.node}")
        for cable in report.cables if own else ():
            remote = endpoints.get(f"{cable.cluster}.{cable.gateway}")
            if cable.driver != WIREGUARD or remote is None or own is None or cable.state is CableState.ERROR:
                continue
            if cable.state is CableState.CONNECTED and cable.device == _device(own, remote):
                done += 1
            else:
                waiting.append(f"the cable of {report.node} to {remote.name}")
    return done, waiting


def _device(own: Endpoint, remote: Endpoint) -> str:
    mine, theirs = offered(own), offered(remote)
    slot = key_slot(mine.key_epoch if mine else 0, theirs.key_epoch if theirs else 0)
    return wireguard_device(remote.rail, slot)


async def _endpoints(api: Api) -> tuple[Endpoint, ...]:
    return decode_all(endpoint_codec.decode, await api.list(kinds.ENDPOINT, SYSTEM_NAMESPACE), [])
