"""Log lines: one each, with their context, for people or for machines."""

import json
import logging
import re
import sys

import pytest

from mcnet.loop.log import JsonFormatter, Log, TextFormatter, setup


@pytest.fixture(autouse=True)
def _own_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """The root logger stays as it was for the tests after this one."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    setup()
    Log("gateway").info("cable is up", cluster="west", rtt=0.003, reason="probe answered", empty="", quote='a"b')
    Log("gateway").debug("not shown")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO gateway: cable is up cluster=west rtt=0\.003 "
        r'reason="probe answered" empty="" quote="a\\"b"\n',
        capsys.readouterr().err,
    )


def test_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCNET_LOG_FORMAT", "json")
    monkeypatch.setenv("MCNET_LOG_LEVEL", "debug")
    setup()
    Log("gateway").debug("two\nlines", number=3, object=ValueError("x"))
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    assert found == {
        "level": "DEBUG", "component": "gateway", "message": "two\nlines", "number": 3, "object": "x",
    }  # fmt: skip


def test_an_unknown_level_is_info(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCNET_LOG_LEVEL", "loud")
    setup()
    Log("x").warning("shown")
    assert "WARNING x: shown" in capsys.readouterr().err


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_traces_and_other_libraries_lines(formatter: logging.Formatter) -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        trace = sys.exc_info()
    record = logging.LogRecord("aiohttp.client", logging.ERROR, "f", 1, "failed %s", ("now",), trace)
    line = formatter.format(record)
    assert "aiohttp.client" in line
    assert "failed now" in line
    assert "ZeroDivisionError" in line
