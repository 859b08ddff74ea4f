"""Node selectors and tolerations as people write them on a command line, as kubectl does for taints."""

from collections.abc import Mapping, Sequence
from typing import Any

from mcnet.model.errors import UsageError

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def parse_selector(texts: Sequence[str]) -> dict[str, str]:
    """ "LABEL=VALUE", several by commas or repetition. Raises UsageError."""
    selector = {}
    for text in (part for one in texts for part in one.split(",") if part):
        label, equals, value = text.partition("=")
        if not label or not equals:
            raise UsageError(f"{text!r} is not a node selector", "write it like topology.kubernetes.io/zone=a")
        selector[label] = value
    return selector


def parse_tolerations(texts: Sequence[str]) -> tuple[dict[str, Any], ...]:
    """ "KEY[=VALUE][:EFFECT]"; a bare "*" tolerates everything. Raises UsageError."""
    return tuple(_toleration(text) for text in texts)


def _toleration(text: str) -> dict[str, Any]:
    if text == "*":
        return {"operator": "Exists"}
    rest, colon, effect = text.partition(":")
    key, equals, value = rest.partition("=")
    if not key or (colon and effect not in EFFECTS):
        raise UsageError(f"{text!r} is not a toleration", "write it like dedicated=network:NoSchedule, or '*'")
    toleration = {"key": key, **({"operator": "Equal", "value": value} if equals else {"operator": "Exists"})}
    return toleration | ({"effect": effect} if effect else {})


def format_toleration(toleration: Mapping[str, Any]) -> str:
    """A toleration as `parse_tolerations` reads it."""
    if not toleration.get("key"):
        return "*"
    value = f"={toleration['value']}" if toleration.get("operator") == "Equal" else ""
    effect = f":{toleration['effect']}" if toleration.get("effect") else ""
    return f"{toleration['key']}{value}{effect}"
