"""Tables, JSON and YAML of the same rows."""

import io
import json

import pytest
import yaml

from mcnet.show.output import Column, table, write

ROWS = [
    {"name": "east", "state": "connected", "prefixes": ["10.1.0.0/16", "fd00::/48"], "rail": 0, "extra": None},
    {"name": "north-west", "state": "error", "prefixes": [], "rail": 1, "extra": "x"},
]
COLUMNS = (
    Column("NAME", "name"),
    Column("STATE", "state", colored=True),
    Column("PREFIXES", "prefixes"),
    Column("RAIL", "rail", wide=True),
    Column("TWICE", "rail", form=lambda row, key: f"{row[key] * 2} ms"),
)


def written(form: str) -> str:
    out = io.StringIO()
    write(ROWS, COLUMNS, form, stream=out)
    return out.getvalue()


def test_columns_are_aligned_and_nothing_is_empty() -> None:
    assert written("table").splitlines() == [
        "NAME         STATE       PREFIXES                 TWICE",
        "east         connected   10.1.0.0/16, fd00::/48   0 ms",
        "north-west   error       -                        2 ms",
    ]


def test_wide_columns_are_for_wide() -> None:
    assert "RAIL" not in written("table")
    assert "RAIL" in written("wide")


def test_colours_do_not_move_columns() -> None:
    colored = table(ROWS, COLUMNS[:3], color=True)
    assert "\x1b[32mconnected\x1b[0m" in colored
    assert "\x1b[31merror\x1b[0m" in colored
    plain = colored.replace("\x1b[32m", "").replace("\x1b[31m", "").replace("\x1b[0m", "")
    assert plain == table(ROWS, COLUMNS[:3])


def test_machine_forms_hold_everything_uncoloured() -> None:
    assert json.loads(written("json")) == ROWS
    assert yaml.safe_load(written("yaml")) == ROWS


def test_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    write([], COLUMNS, "table", empty="Nothing here.")
    assert capsys.readouterr() == ("", "Nothing here.\n")
    write([], COLUMNS, "json", empty="Nothing here.")
    assert capsys.readouterr() == ("[]\n", "")
