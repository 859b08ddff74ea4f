"""What a careless or hostile other party makes of valid input: JSON with one thing wrong, JSON of any shape, damaged
bytes.

`changed` and `damaged` are exhaustive, since a parser is quick; `mutations` combines several faults at random.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indices that lead to a value within a JSON value; () is the whole."""

DEPTH: Final = 5000
"""Deeper than Python's own recursion goes."""
NESTED: Final = "[" * DEPTH + "]" * DEPTH
HUGE: Final = "x" * 50_000
ODD: Final = (
    "null", "true", "false", "0", "1", "-1", "-0.0", "0.5", "1e-9", "1e400", "-1e400", "NaN", "1" + "0" * 400,
    '""', '" "', '"0"', '"a\\u0000b"', '"\\ud800"', '"%"', '"fe80::1%eth0"', '"0.0.0.0/0"', '"2026-13-45T99:00:00Z"',
    '"0001-01-01"', f'"{HUGE}"', "[]", "[null]", "[[]]", '[""]', "[1]", "[1e400]", '["\\ud800"]', "{}",
    '{"a": null}', '{"\\ud800": "\\ud800"}', '{"": {}}', f'{{"{HUGE}": 1}}', f"[{NESTED}]",
    f'{{"a": {NESTED}}}', NESTED,
)  # fmt: skip
"""JSON texts, some of them only by Python's reading of it, each wrong in most places."""
_MARK: Final = "a place that no text holds"


def nested() -> list[Any]:
    """A list within a list within … as deep as NESTED; no parser written in Python gives one."""
    value: list[Any] = []
    for _ in range(DEPTH - 1):
        value = [value]
    return value


def _parsed(text: str) -> Any:
    if NESTED not in text:
        return json.loads(text)
    before = text.partition(NESTED)[0]
    return {"": nested(), "[": [nested()]}.get(before, {"a": nested()})


ODD_VALUES: Final = tuple(map(_parsed, ODD))


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """The ways to all values within a JSON value, itself first."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, (*path, index))


def at(value: Any, path: Path) -> Any:
    """The value at the end of a path."""
    for step in path:
        value = value[step]
    return value


def put(value: Any, path: Path, new: Any) -> Any:
    """A copy with `new` at the end of the path; nothing of `value` is changed."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(copy[path[0]], path[1:], new)  # type: ignore[index,call-overload]
    return copy


def without(value: Any, path: Path) -> Any:
    """A copy that lacks what is at the end of the path, which is not ()."""
    whole = at(value, path[:-1])
    copy = dict(whole) if isinstance(whole, dict) else list(whole)
    del copy[path[-1]]  # type: ignore[arg-type]
    return put(value, path[:-1], copy)


def changed(value: Any) -> Iterator[tuple[str, Any]]:
    """Every JSON value that differs from `value` in one place: what was done, and what came of it."""
    for path in paths(value):
        for text, odd in zip(ODD, ODD_VALUES, strict=True):
            yield f"{path} is {text[:40]}", put(value, path, odd)
        if path:
            yield f"{path} is missing", without(value, path)
        for what, new in _almost(at(value, path)):
            yield f"{path} is {what}", put(value, path, new)


def _almost(value: Any) -> Iterator[tuple[str, Any]]:
    """Values of the same kind, or with the same look."""
    yield "within a list", [value]
    match value:
        case bool():
            yield "turned", not value
        case int() | float():
            yield "negative", -value - 1
            yield "one more", value + 1
            yield "text", str(value)
            yield "a fraction", value + 0.5
        case str():
            yield "cut", value[:-1]
            yield "with a letter more", value + "x"
            yield "with a surrogate", value + "\ud800"
            yield "with a zero byte", value + "\0"
            yield "twice", value * 2
        case list():
            yield "twice", value * 2
            yield "an object", {str(index): one for index, one in enumerate(value)}
        case dict():
            yield "with more", value | {"fromTheFuture": {"x": [1]}}
            yield "its values", list(value.values())


def changed_texts(value: Any) -> Iterator[tuple[str, str]]:
    """The same as JSON texts."""
    for path in paths(value):
        around = json.dumps(put(value, path, _MARK)).split(json.dumps(_MARK))
        for text in ODD:
            yield f"{path} is {text[:40]}", text.join(around)
        if path:
            yield f"{path} is missing", json.dumps(without(value, path))
        for what, new in _almost(at(value, path)):
            yield f"{path} is {what}", json.dumps(put(value, path, new))


def damaged(data: bytes) -> Iterator[bytes]:
    """`data` cut anywhere, and with one byte changed, left out or put in anywhere."""
    for place in range(len(data)):
        yield data[:place]
        yield data[:place] + data[place + 1 :]
        for flip in (0x01, 0x20, 0x80, 0xFF):
            yield data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :]
        for more in (b"\0", b"\xff", b"[", b'"', b"\n"):
            yield data[:place] + more + data[place:]


NUMBERS: Final = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 2**63, 65536])
TEXTS: Final = st.text(st.characters(), max_size=12)
"""Of any characters, lone surrogates among them."""
VALUES: Final = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
"""JSON values of any shape, as Python reads them."""
OBJECTS: Final = st.dictionaries(TEXTS | st.sampled_from(["metadata", "spec", "status", "data"]), VALUES, max_size=4)


@st.composite
def mutations(draw: st.DrawFn, value: Mapping[str, Any] | list[Any]) -> Any:
    """`value` with one to four things wrong at once, also within each other."""
    made: Any = value
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(list(paths(made))))
        match draw(st.sampled_from(["any", "missing", "moved"])):
            case "missing" if path:
                made = without(made, path)
            case "moved":
                made = put(made, path, at(value, draw(st.sampled_from(list(paths(value))))))
            case _:
                made = put(made, path, draw(VALUES))
    return made
