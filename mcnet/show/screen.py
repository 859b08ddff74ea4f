"""One answer of `mcnet show` as text: the views, below each what is not well and the next command, last the contexts
that had nothing to say. Which rows there are is mcnet.plan.views'.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import yaml

import mcnet
from mcnet.model.errors import ExitCode, McnetError, UsageError
from mcnet.plan.cluster_view import Picture, Row
from mcnet.show.gather import Reading, Seen, Unread
from mcnet.show.output import plain, table
from mcnet.show.views import Needs, View

DIM: Final = "2"
BOLD: Final = "1"
MEASURED: Final = frozenset(
    {
        "roundTripSeconds",
        "averageSeconds",
        "minimumSeconds",
        "maximumSeconds",
        "deviationSeconds",
        "loss",
        "receivedBitsPerSecond",
        "sentBitsPerSecond",
        "lastSeen",
    }
)
"""What differs at every look: no change that a watcher waits for."""


@dataclass(frozen=True, slots=True)
class Screen:
    """`out` and `err` are for the two streams; `state` is equal as long as nothing but measured values changed;
    `status` is the exit status."""

    out: str
    err: str
    state: str
    status: int
    document: Any = None
    """What `out` says as JSON, None for a table."""


def draw_views(views: Sequence[View], readings: Sequence[Reading], form: str, *, color: bool, named: bool) -> Screen:
    """The views in `form` ("table", "wide", "json", "yaml"). `named`: the user has named the one context; raises
    McnetError if there is nothing to show of it."""
    seen = picture(readings)
    rows = {view.name: view.rows(seen) for view in views}
    document = rows[views[0].name] if len(views) == 1 else rows
    several = len(views) > 1
    needs = Needs.BROKER if several else views[0].needs
    aside = besides(readings, needs, named=named)
    match form:
        case "json":
            out = json.dumps(document, indent=2) + "\n"
        case "yaml":
            out = yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False, allow_unicode=True)
        case _:
            shown = [view for view in views if seen.members or view.needs is not Needs.MEMBER]
            tables = [_view(view, rows[view.name], form, headed=several, color=color) for view in shown]
            out = "\n\n".join(text for text in tables if text)
            out += "\n" if out else ""
            if shown and not several and not document:
                aside = views[0].empty + "\n" + aside
    return Screen(out, aside, state(rows), status(readings, rows), document)


def picture(readings: Sequence[Reading]) -> Picture:
    """What was read, for the views."""
    seen = [reading for reading in readings if isinstance(reading, Seen)]
    return Picture(
        members=tuple(one.member for one in seen if one.member),
        brokers=tuple(one.broker for one in seen if one.broker),
        now=datetime.now(UTC),
        version=mcnet.__version__,
    )


def _view(view: View, rows: Sequence[Row], form: str, *, headed: bool, color: bool) -> str:
    lines = [_paint(view.title, BOLD, color)] if headed else []
    if rows:
        columns = [column for column in view.columns if form == "wide" or not column.wide]
        lines.append(table(rows, columns, color=color))
    elif headed:
        lines.append(view.empty)
    return "\n".join((*lines, *explanations(view, rows, color=color)))


def explanations(view: View, rows: Sequence[Row], *, color: bool) -> list[str]:
    """Below a table: why, and what to do; then what is good to know. The same is said once."""
    said: dict[str, None] = {}
    for row in rows:
        if row.get("why"):
            following = f"\n  {_paint('next:', DIM, color)} {plain(row['next'])}" if row.get("next") else ""
            said[f"\n{_where(view, row)}: {plain(row['why'])}{following}"] = None
    for row in rows:
        if row.get("note"):
            said[f"\n{_paint('note:', DIM, color)} {_where(view, row)}: {plain(row['note'])}"] = None
    return list(said)


def besides(readings: Sequence[Reading], needs: Needs, *, named: bool) -> str:
    """One line about contexts without mcnet, one for each that could not be read. Raises McnetError if that is the
    context that was named."""
    lines = []
    for reading in readings:
        match reading:
            case Unread(context=name, error=error):
                if named:
                    raise error
                lines.append(f"\n{name}: could not be read: {plain(error.message)}")
            case Seen() if reading.unreadable:
                owner = reading.member.cluster if reading.member else reading.context
                lines.append(f"\n{owner}: can't be read: {plain('; '.join(reading.unreadable))}")
    absent = [reading for reading in readings if isinstance(reading, Seen) and not _fits(reading, needs)]
    if named and absent:
        raise _not_there(absent[0])
    if absent:
        names = [one.context + (" (broker)" if one.broker else "") for one in absent]
        word = "no member" if needs is Needs.MEMBER else "neither member nor broker"
        lines.append(f"{word}: {', '.join(names)}")
    return "".join(line + "\n" for line in lines)


def status(readings: Sequence[Reading], rows: dict[str, list[Row]]) -> int:
    """1 if something is not well, 3 if nothing could be read."""
    if readings and all(isinstance(reading, Unread) for reading in readings):
        return ExitCode.UNREACHABLE
    wrong = any(row.get("why") for here in rows.values() for row in here)
    unreadable = any(reading.unreadable for reading in readings if isinstance(reading, Seen))
    return ExitCode.WRONG if wrong or unreadable else ExitCode.FINE


def state(rows: dict[str, list[Row]]) -> str:
    """Equal for rows that differ in measured values only."""
    lasting = {
        name: [{key: value for key, value in row.items() if key not in MEASURED} for row in here]
        for name, here in rows.items()
    }
    return json.dumps(lasting)


def _fits(reading: Seen, needs: Needs) -> bool:
    match needs:
        case Needs.NOTHING:
            return True
        case Needs.BROKER:
            return reading.member is not None or reading.broker is not None
        case Needs.MEMBER:
            return reading.member is not None


def _not_there(reading: Seen) -> McnetError:
    what = "a broker, but no member" if reading.broker else "no member"
    return UsageError(
        f"context {reading.context} is {what}",
        f"join it: mcnet join broker-info.mcnet --context {reading.context}",
    )


def _where(view: View, row: Row) -> str:
    return plain(view.joint.join(str(row[key]) for key in view.about if row.get(key)))


def _paint(text: str, color: str, colored: bool) -> str:
    return f"\x1b[{color}m{text}\x1b[0m" if colored else text
