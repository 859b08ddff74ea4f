"""Daemons of another version or image, and rights taken away from them."""

import json
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from mcnet.model.diagnosis import Verdict
from tests.e2e.clusterset import Clusterset
from tests.e2e.faults.daemons import kubectl
from tests.e2e.faults.fault import Fault

OLDER: Final = (
    "import mcnet, runpy; mcnet.__version__ = '0.0.1'; runpy.run_module('mcnet_gateway', run_name='__main__')"
)
"""A gateway that calls itself older than it is: it reports as one that was not upgraded would."""


@asynccontextmanager
async def older_gateway(clusterset: Clusterset) -> AsyncIterator[None]:
    change = [
        {"op": "replace", "path": "/spec/template/spec/containers/0/command", "value": ["python3", "-c", OLDER]}
    ]
    await _patch(clusterset, "east", "daemonset mcnet-gateway", change)
    await kubectl(clusterset, "east", "rollout status daemonset mcnet-gateway --timeout 90s")
    yield


@asynccontextmanager
async def edited_image(clusterset: Clusterset) -> AsyncIterator[None]:
    await kubectl(clusterset, "west", "set image deployment/mcnet-discovery discovery=localhost/mcnet:edited")
    yield


@asynccontextmanager
async def rule_removed(clusterset: Clusterset) -> AsyncIterator[None]:
    await _patch(clusterset, "west", "role mcnet-gateway", [{"op": "remove", "path": "/rules/1"}])
    yield


@asynccontextmanager
async def binding_elsewhere(clusterset: Clusterset) -> AsyncIterator[None]:
    await kubectl(clusterset, "west", "delete rolebinding mcnet-discovery")
    await kubectl(
        clusterset, "west",
        "create rolebinding mcnet-discovery --role mcnet-gateway --serviceaccount mcnet-system:mcnet-discovery",
    )  # fmt: skip
    yield


async def _patch(clusterset: Clusterset, context: str, what: str, change: list[dict[str, object]]) -> None:
    text = json.dumps(change)
    await kubectl(clusterset, context, f"patch {what} --type json --patch {shlex.quote(text)}")


FAULTS: Final = (
    Fault(
        check="versions",
        title="The daemons of a cluster were not upgraded with the command",
        cluster="east",
        about="^daemons of east$",
        said="gateway on east-n\\d is of version 0.0.1",
        remedy="^mcnet join broker-info.mcnet --context east$",
        verdict=Verdict.WARNING,
        make=older_gateway,
        patience=120.0,
    ),
    Fault(
        check="image",
        title="The image of a daemon was edited by hand",
        cluster="west",
        about="^Deployment mcnet-discovery$",
        said="it is to run localhost/mcnet:edited, but the member's image is",
        remedy="set image deployment/mcnet-discovery discovery=",
        make=edited_image,
    ),
    Fault(
        check="rbac",
        title="A daemon's Role lost a rule",
        cluster="west",
        about="^ServiceAccount mcnet-gateway$",
        said="it may not: create endpoints.mcnet.dev",
        remedy="^mcnet join broker-info.mcnet --context west$",
        make=rule_removed,
        patience=120.0,
    ),
    Fault(
        check="rbac",
        title="A daemon's RoleBinding was made anew by hand, with another Role",
        cluster="west",
        about="^RoleBinding mcnet-discovery$",
        said="it binds to mcnet-gateway, not to mcnet-discovery",
        remedy="delete rolebinding mcnet-discovery && mcnet join broker-info.mcnet --context west$",
        make=binding_elsewhere,
        patience=120.0,
    ),
)
