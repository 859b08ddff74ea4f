"""Events that people see in `kubectl get events`. A failure to write one is never anybody's failure."""

from datetime import UTC, datetime
from uuid import uuid4

from mcnet.kube.api import Api
from mcnet.kube.kinds import EVENT, JsonObject
from mcnet.model.errors import McnetError

NOTE_LIMIT = 1000
"""Characters; events.k8s.io/v1 refuses notes of 1024 bytes and more."""


async def emit(
    api: Api,
    *,
    regarding: JsonObject,
    reason: str,
    message: str,
    type: str = "Normal",  # noqa: A002 - the API's word
    component: str = "mcnet",
    instance: str = "",
) -> bool:
    """Write an event about `regarding`; `reason` is one CamelCase word, `type` "Normal" or "Warning". Returns
    whether it was written."""
    metadata = regarding.get("metadata", {})
    namespace = metadata.get("namespace") or "default"
    event = {
        "metadata": {"name": f"mcnet.{uuid4().hex[:16]}", "namespace": namespace},
        "eventTime": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "type": type,
        "reason": reason,
        "action": reason,
        "note": message[:NOTE_LIMIT],
        "reportingController": f"mcnet.dev/{component}",
        "reportingInstance": instance or component,
        "regarding": {
            "apiVersion": regarding.get("apiVersion", ""),
            "kind": regarding.get("kind", ""),
            "name": metadata.get("name", ""),
            "namespace": metadata.get("namespace", ""),
            "uid": metadata.get("uid", ""),
        },
    }
    try:
        await api.create(EVENT, event, namespace)
    except McnetError:
        return False
    return True
