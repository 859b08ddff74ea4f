"""NodeState: what a route agent reports of its node, all of it in the status subresource."""

from mcnet.codec.fields import JsonObject, fields_of, own_object, texts, without_empty
from mcnet.model.node import NodeState


def bare(*, node: str, namespace: str) -> JsonObject:
    """The object without status: applied first, since a status can only be written to an object that is there."""
    return own_object("NodeState", name=node, namespace=namespace)


def encode(state: NodeState, *, namespace: str) -> JsonObject:
    """The body to apply to the subresource `status`."""
    status: JsonObject = {
        "ready": state.ready,
        "version": state.version,
        "overlayAddresses": texts(state.overlay_addresses),
        "routableAddresses": texts(state.routable_addresses),
        "problems": list(state.problems),
        "originalSysctls": dict(state.original_sysctls),
    }
    return bare(node=state.node, namespace=namespace) | {"status": without_empty(status)}


def decode(obj: JsonObject) -> NodeState:
    """The report; of an agent that has not reported yet an empty one. Raises DecodeError."""
    fields = fields_of(obj)
    status = fields.child("status")
    return NodeState(
        node=fields.name,
        overlay_addresses=status.addresses("overlayAddresses"),
        routable_addresses=status.addresses("routableAddresses"),
        problems=status.texts("problems"),
        original_sysctls=status.mapping("originalSysctls"),
        version=status.text("version", ""),
        ready=status.flag("ready"),
    )
