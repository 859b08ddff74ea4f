"""Conditions of a status (metav1.Condition): lastTransitionTime changes only with the condition's status."""

from collections.abc import Iterable, Sequence

from mcnet.codec.fields import JsonObject
from mcnet.model.service import Condition

LONGEST = 2000
"""Characters of a message; the API's own limit is 32768."""


def encode_conditions(
    conditions: Iterable[Condition], before: Sequence[JsonObject] | None, *, generation: int, now: str
) -> list[JsonObject]:
    """The value of `status.conditions`. `before` is what is there, `now` the RFC 3339 time; types of others are
    kept."""
    there = {one["type"]: one for one in before or ()}
    made = {one.type: _encode(one, there.get(one.type, {}), generation, now) for one in conditions}
    return list((there | made).values())


def _encode(condition: Condition, before: JsonObject, generation: int, now: str) -> JsonObject:
    status = "True" if condition.status else "False"
    since = before.get("lastTransitionTime") if before.get("status") == status else None
    message = condition.message
    made: JsonObject = {
        "type": condition.type,
        "status": status,
        "reason": condition.reason,
        "message": message if len(message) <= LONGEST else message[: LONGEST - 1] + "…",
        "lastTransitionTime": since or now,
    }
    return made | ({"observedGeneration": generation} if generation else {})
