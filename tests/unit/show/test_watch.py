"""Watching: in place on a terminal, elsewhere a new picture with its time whenever the state has changed."""

import asyncio
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
import yaml

from mcnet.show import watch as watching
from mcnet.show.gather import Reading
from mcnet.show.screen import Screen
from mcnet.show.watch import appended, watch

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError("no real one")


class EndError(Exception):
    """No more pictures."""


async def watched(screens: Sequence[Screen], stream: io.StringIO, form: str = "table") -> str:
    left = list(screens)

    async def read() -> list[Reading]:
        if not left:
            raise EndError
        return []

    with pytest.raises(EndError):
        await watch(read, lambda _readings: left.pop(0), interval=0.001, form=form, stream=stream)
    return stream.getvalue()


def screen(text: str, state: str = "s", err: str = "") -> Screen:
    return Screen(f"{text}\n", err, state, 0, [{"text": text}])


async def test_elsewhere_only_changes_are_appended() -> None:
    out = await watched([screen("a"), screen("b"), screen("c", "t"), screen("d", "s")], io.StringIO())
    assert [line for line in out.splitlines() if line in {"a", "b", "c", "d"}] == ["a", "c", "d"]
    assert "\x1b" not in out


async def test_a_context_that_can_not_be_read_any_more_is_a_change() -> None:
    out = await watched([screen("a"), screen("b", err="west: gone\n")], io.StringIO())
    assert "b\nwest: gone\n" in out


async def test_on_a_terminal_it_is_redrawn_and_the_terminal_is_left_as_it_was() -> None:
    out = await watched([screen("a"), screen("b")], Terminal())
    assert out.startswith(watching.BEGIN)
    assert out.endswith(watching.END)
    assert out.count(watching.HOME) >= 2
    assert f"a{watching.CLEAR_LINE}\n" in out
    assert f"b{watching.CLEAR_LINE}\n" in out


async def test_what_does_not_fit_is_counted() -> None:
    out = await watched([screen("\n".join(f"line {at}" for at in range(60)))], Terminal())
    assert "line 19" in out
    assert "line 20" not in out
    assert "… 40 more lines" in out


async def test_programs_get_documents_even_on_a_terminal() -> None:
    out = await watched([screen("a"), screen("b", "t")], Terminal(), form="json")
    assert [json.loads(line)["items"] for line in out.splitlines()] == [[{"text": "a"}], [{"text": "b"}]]


def test_forms_of_what_is_appended() -> None:
    assert appended(screen("a"), "table", NOW) == "2026-01-02T03:04:05Z\na\n\n"
    assert json.loads(appended(screen("a"), "json", NOW)) == {
        "time": "2026-01-02T03:04:05Z",
        "items": [{"text": "a"}],
    }
    document = appended(Screen("- a: 1\n", "", "s", 0), "yaml", NOW)
    assert list(yaml.safe_load_all(document * 2)) == [[{"a": 1}], [{"a": 1}]]


async def test_it_ends_when_it_is_told_to() -> None:
    stream, again = Terminal(), asyncio.Event()

    async def read() -> list[Reading]:
        if watching.HOME in stream.getvalue():
            again.set()
        return []

    task = asyncio.create_task(watch(read, lambda _: screen("a"), interval=0.001, form="table", stream=stream))
    await again.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stream.getvalue().endswith(watching.END)
