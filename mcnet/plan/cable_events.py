"""What is told of a cable when it is lost, connects, or is used no longer or again: reason, cause, note.

The cables of two reports are compared, so a restart tells nothing. Nor does a cable that is new: it is news when it
connects, or can't. Pure. The reasons and causes themselves are mcnet.plan.gateway_report's.
"""

from collections.abc import Iterable
from typing import assert_never

from mcnet.model.gateway import Cable, CableState, Cause
from mcnet.plan.gateway_events import UNKNOWN, Told

LOST, CONNECTED, UNUSED, USED = "CableLost", "CableConnected", "CableUnused", "CableUsed"


def changes(before: Iterable[Cable], now: Iterable[Cable]) -> tuple[tuple[Cable, Told], ...]:
    """What is to be told of which cables."""
    known = {(cable.cluster, cable.gateway): cable for cable in before}
    found = ((cable, _told(known.get((cable.cluster, cable.gateway)), cable)) for cable in now)
    return tuple((cable, told) for cable, told in found if told is not None)


def _told(was: Cable | None, cable: Cable) -> Told | None:
    changed = was is None or was.state is not cable.state
    match cable.state:
        case CableState.CONNECTING:
            return None
        case CableState.ERROR:
            # A report of an older version names no cause: that it has one now is no change.
            another = was is not None and was.cause not in (cable.cause, Cause.NONE)
            note = f"{_name(cable)}: {cable.state.value}: {cable.reason}"
            return Told(LOST, note, _word(cable.cause), warning=True) if changed or another else None
        case CableState.CONNECTED:
            if changed:
                note = f"{_name(cable)}: {cable.state.value}"
                return Told(CONNECTED, f"{note}: {cable.reason}" if cable.reason else note, Cause.ANSWERS.value)
            return None if was is None or was.active == cable.active else _use(was, cable)
        case _:
            assert_never(cable.state)


def _use(was: Cable, cable: Cable) -> Told:
    """Of one that stays connected."""
    if cable.active:
        return Told(USED, f"{_name(cable)} is used again", _word(was.cause))
    why = f": {cable.reason}" if cable.reason else ""
    return Told(UNUSED, f"{_name(cable)} is connected, but not used{why}", _word(cable.cause))


def _name(cable: Cable) -> str:
    return f"cable to {cable.cluster}.{cable.gateway} over {cable.remote_address}"


def _word(cause: Cause) -> str:
    return cause.value or UNKNOWN
