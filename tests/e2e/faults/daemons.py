"""The daemons' workloads are gone, changed by hand, or their pods can't start."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tests.e2e.clusterset import Clusterset
from tests.e2e.faults.fault import Fault, command


async def kubectl(clusterset: Clusterset, context: str, arguments: str) -> str:
    """Run kubectl on our namespace of a cluster, as somebody with too many rights would."""
    status, output, errors = await command(clusterset, f"kubectl --context {context} -n mcnet-system {arguments}")
    assert status == 0, output + errors
    return output


@asynccontextmanager
async def daemon_set_deleted(clusterset: Clusterset) -> AsyncIterator[None]:
    await kubectl(clusterset, "east", "delete daemonset mcnet-gateway --wait")
    yield


@asynccontextmanager
async def no_image(clusterset: Clusterset) -> AsyncIterator[None]:
    image = "registry.invalid/mcnet:none"
    await kubectl(clusterset, "west", f"set image daemonset/mcnet-route-agent *={image}")
    yield


@asynccontextmanager
async def discovery_scaled_down(clusterset: Clusterset) -> AsyncIterator[None]:
    await kubectl(clusterset, "west", "scale deployment mcnet-discovery --replicas 0")
    yield


FAULTS: Final = (
    Fault(
        check="pods",
        title="A DaemonSet of mcnet was deleted",
        cluster="east",
        about="DaemonSet mcnet-gateway",
        said="it is not there",
        remedy="^mcnet join broker-info.mcnet --context east$",
        make=daemon_set_deleted,
    ),
    Fault(
        check="pods",
        title="The pods of a daemon can't start: their image can't be had",
        cluster="west",
        about="pod mcnet-route-agent-",
        said="ErrImagePull|ImagePullBackOff",
        remedy="^mcnet join broker-info.mcnet --context west$",
        make=no_image,
    ),
    Fault(
        check="pods",
        title="A daemon was scaled to nothing",
        cluster="west",
        about="Deployment mcnet-discovery",
        said="no pod is wanted",
        remedy="^mcnet join broker-info.mcnet --context west$",
        make=discovery_scaled_down,
    ),
)
