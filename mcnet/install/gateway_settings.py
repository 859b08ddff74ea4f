"""Settings of one gateway, kept as annotations of its node: what differs from the cluster's (mcnet config)."""

from collections.abc import Mapping
from dataclasses import dataclass

from mcnet.codec import node as node_codec
from mcnet.codec import public_address
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model import node as names
from mcnet.model.errors import UsageError
from mcnet.model.ownership import PORT_BASES

DEFAULT = "default"
"""The word that takes a setting back."""

ANNOTATIONS = {
    "private-address": names.PRIVATE_ADDRESS_ANNOTATION,
    "public-address": names.PUBLIC_ADDRESS_ANNOTATION,
    "port-base": names.PORT_BASE_ANNOTATION,
    "public-port-base": names.PUBLIC_PORT_BASE_ANNOTATION,
}


@dataclass(frozen=True, slots=True)
class Changed:
    """What was changed, by setting: "" for one that was taken back. `gateway`: whether the node is one."""

    node: str
    values: Mapping[str, str]
    gateway: bool


async def change(api: Api, node: str, given: Mapping[str, str], *, dry_run: bool = False) -> Changed:
    """Set what is given, by setting; DEFAULT takes one back. Raises UsageError for a node that is not there and for
    a value that no gateway could use, before anything is written."""
    if not given:
        options = ", ".join(f"--{name}" for name in ANNOTATIONS)
        raise UsageError("nothing is to be set", f"give at least one of {options}")
    obj = await api.find(kinds.NODE, node)
    if obj is None:
        nodes = sorted(one["metadata"]["name"] for one in await api.list(kinds.NODE))
        raise UsageError(f"{api.context or api.server} has no node {node!r}", f"its nodes are {', '.join(nodes)}")
    wanted = {name: "" if value == DEFAULT else value for name, value in given.items()}
    for name, value in wanted.items():
        _check(name, value)
    before = obj["metadata"].get("annotations") or {}
    news = {name: value for name, value in wanted.items() if before.get(ANNOTATIONS[name], "") != value}
    if news and not dry_run:
        annotations = {ANNOTATIONS[name]: value or None for name, value in news.items()}
        await api.merge_patch(kinds.NODE, node, {"metadata": {"annotations": annotations}})
    return Changed(node, news, node_codec.decode(obj).gateway)


def _check(name: str, value: str) -> None:
    if name == "public-address" and value:
        try:
            public_address.decode(value)
        except ValueError as error:
            raise UsageError(f"--{name}: {error}", public_address.EXAMPLE) from error
    if (
        name.endswith("port-base")
        and value
        and not (value.isascii() and value.isdigit() and int(value) in PORT_BASES)
    ):
        raise UsageError(f"--{name}: {value!r} is not a port from {PORT_BASES[0]} to {PORT_BASES[-1]}")
    if name == "private-address" and value:
        probe = {"metadata": {"name": "-", "annotations": {names.PRIVATE_ADDRESS_ANNOTATION: value}}}
        if node_codec.annotation_problems(probe):
            raise UsageError(f"--{name}: {value!r} is not an address")
