"""What is told of a gateway when it begins or ends to drain, or gets another weight: reason, cause, next command.

Two reports are compared, the published one and the one about to be: a restart tells nothing. Pure. Of its cables
mcnet.plan.cable_events tells.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mcnet.model.gateway import Gateway
from mcnet.model.node import DEFAULT_WEIGHT, DRAIN_ANNOTATION, WEIGHT_ANNOTATION, Drain

UNKNOWN = "unknown"
"""The cause where a daemon of an older version has not said it."""
WEIGHT = "weight"
"""The cause of a change of weight, beside the values of Drain."""
_BEGINS = {
    Drain.MARKED: "it bears the annotation {mark}; mcnet gateway undrain {node} takes it back",
    Drain.CORDONED: "its node is cordoned; kubectl uncordon {node} takes it back",
    Drain.SHUTDOWN: "its node is shutting down",
}
_ENDS = {
    Drain.MARKED: "it no longer bears the annotation {mark}",
    Drain.CORDONED: "its node is no longer cordoned",
    Drain.SHUTDOWN: "its node is no longer shutting down",
}


@dataclass(frozen=True, slots=True)
class Told:
    """An Event about a gateway or a cable; `cause` is one word, for metrics, `warning` is of its type."""

    reason: str
    note: str
    cause: str
    warning: bool = False


def changes(before: Gateway | None, now: Gateway) -> tuple[Told, ...]:
    """What is to be told; nothing of a gateway that has not reported before, unless it drains from the beginning."""
    return tuple(_changes(before, now))


def _changes(before: Gateway | None, now: Gateway) -> Iterator[Told]:
    drained = before is not None and before.draining
    if now.draining and not drained:
        what = "drains: nobody sends by it any more where another gateway leads as well"
        yield Told("GatewayDrains", _sentence(now.node, what, _BEGINS, now.drained_by), _cause(now.drained_by))
    elif drained and not now.draining:
        ended = before.drained_by if before is not None else ()
        yield Told("GatewayCarriesAgain", _sentence(now.node, "takes traffic again", _ENDS, ended), _cause(ended))
    if before is not None and before.rail is not None and before.weight != now.weight:
        back = f"; mcnet gateway weight {now.node} default takes it back" if now.weight != DEFAULT_WEIGHT else ""
        note = f"{now.node} has weight {now.weight}, was {before.weight}, by the annotation {WEIGHT_ANNOTATION}{back}"
        yield Told("GatewayWeightChanged", note, WEIGHT)


def _sentence(node: str, what: str, causes: dict[Drain, str], why: tuple[Drain, ...]) -> str:
    because = " and ".join(causes[one].format(node=node, mark=DRAIN_ANNOTATION) for one in why)
    return f"{node} {what}" + (f", since {because}" if because else "")


def _cause(why: tuple[Drain, ...]) -> str:
    return why[0].value if why else UNKNOWN
