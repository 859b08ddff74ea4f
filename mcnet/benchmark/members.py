"""Reads what a benchmark must know of a cluster: whether it is a member, its nodes, to whom it is connected.

Which nodes are measured is decided in mcnet.plan.latency_paths.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcnet.codec import gateway as gateway_codec
from mcnet.codec import member as member_codec
from mcnet.codec import node as node_codec
from mcnet.codec.batch import decode_all
from mcnet.codec.errors import DecodeError
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.connect import from_kubeconfig
from mcnet.kube.kinds import JsonObject
from mcnet.model.errors import McnetError, NotFoundError, UnreachableError
from mcnet.model.gateway import CableState
from mcnet.model.member import MEMBER_NAME, SYSTEM_NAMESPACE
from mcnet.model.node import Node
from mcnet.plan.gateway_choice import is_ready, labelled_gateways
from mcnet.plan.latency_paths import Side

TIMEOUT: Final = 5.0
"""Seconds that one context may take."""
ROUTE_AGENT: Final = "mcnet-route-agent"
"""The DaemonSet whose image is on every node already."""


@dataclass(frozen=True, slots=True)
class Image:
    """The image that the member's own daemons run."""

    reference: str
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A cluster that can take part. `api` stays open until the caller closes it."""

    api: Api
    side: Side
    nodes: tuple[Node, ...]
    image: Image

    def node(self, name: str) -> Node:
        """The node `name`."""
        return next(node for node in self.nodes if node.name == name)


async def read_members(
    contexts: Sequence[str], kubeconfig: Path | None, *, named: Sequence[str] = ()
) -> tuple[list[Member], list[str]]:
    """The members among the contexts, and a sentence for each context that can't be read.

    Contexts of one API server count once, unless they are `named`; what is wrong with those raises McnetError.
    """
    # The named ones first, so that of several contexts of one API server theirs is kept.
    ordered = sorted(contexts, key=lambda name: name not in named)
    found = await asyncio.gather(*(_read(name, kubeconfig) for name in ordered))
    members: list[Member] = []
    unread: list[str] = []
    fatal: McnetError | None = None
    for name, one in zip(ordered, found, strict=True):
        if isinstance(one, McnetError):
            fatal = fatal or (one if name in named else None)
            unread.append(f"context {name} could not be read: {one.message}")
        elif one is None:
            continue
        elif name not in named and one.api.server in {member.api.server for member in members}:
            await one.api.close()
        else:
            members.append(one)
    if fatal is not None:
        await close(members)
        raise fatal
    return sorted(members, key=lambda member: contexts.index(member.side.context)), unread


async def close(members: Sequence[Member]) -> None:
    """Close the connections of all."""
    for member in members:
        await member.api.close()


async def _read(context: str, kubeconfig: Path | None) -> Member | McnetError | None:
    """None: no member. The connection is closed unless a Member comes back."""
    try:
        async with asyncio.timeout(TIMEOUT):
            api = await from_kubeconfig(context=context, kubeconfig=kubeconfig)
    except TimeoutError:
        return UnreachableError(f"context {context} gave no credential within {TIMEOUT:g} s")
    except McnetError as error:
        return error
    member: Member | McnetError | None
    try:
        async with asyncio.timeout(TIMEOUT):
            member = await read_member(api)
    except TimeoutError:
        member = UnreachableError(f"{api.server} did not answer within {TIMEOUT:g} s")
    except DecodeError as error:
        member = McnetError(f"its Member object is damaged: {error}", "mcnet join again")
    except McnetError as error:
        member = error
    if not isinstance(member, Member):
        await api.close()
    return member


async def read_member(api: Api) -> Member | None:
    """The member behind `api`, None if it is none."""
    try:
        member = await api.find(kinds.MEMBER, MEMBER_NAME, SYSTEM_NAMESPACE)
    except NotFoundError:
        return None
    if member is None:
        return None
    async with asyncio.TaskGroup() as group:
        gateways = group.create_task(api.list(kinds.GATEWAY, SYSTEM_NAMESPACE))
        nodes = group.create_task(api.list(kinds.NODE))
        agents = group.create_task(api.get(kinds.DAEMON_SET, ROUTE_AGENT, SYSTEM_NAMESPACE))
    return Member(
        api=api,
        side=side(api.context, member, gateways.result(), nodes.result()),
        nodes=decode_all(node_codec.decode, nodes.result(), []),
        image=_image(agents.result()),
    )


def side(context: str, member: JsonObject, gateways: Sequence[JsonObject], nodes: Sequence[JsonObject]) -> Side:
    """The member as mcnet.plan.latency_paths chooses from it."""
    reports = decode_all(gateway_codec.decode, gateways, [])
    rails = {report.node: report.rail for report in reports if report.rail is not None}
    labelled = labelled_gateways(nodes)
    return Side(
        context=context,
        cluster=member_codec.decode(member).cluster,
        nodes=tuple(sorted(str(node["metadata"]["name"]) for node in nodes if is_ready(node))),
        # By rail; a node that has none yet comes last.
        gateways=tuple(sorted(labelled, key=lambda name: (rails.get(name, len(nodes)), name))),
        connected=frozenset(
            cable.cluster for report in reports for cable in report.cables if cable.state is CableState.CONNECTED
        ),
    )


def _image(daemon_set: JsonObject) -> Image:
    spec = daemon_set["spec"]["template"]["spec"]
    container = spec["containers"][0]
    return Image(
        reference=str(container["image"]),
        pull_policy=str(container.get("imagePullPolicy") or "IfNotPresent"),
        pull_secrets=tuple(str(secret["name"]) for secret in spec.get("imagePullSecrets") or ()),
    )
