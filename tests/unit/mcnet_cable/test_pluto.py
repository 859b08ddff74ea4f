"""What is passed on to pluto, and what is not: only the requests that there are, for connections of ours."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.libreswan import PlutoVerb
from mcnet_cable.pluto import NAME, Pluto

NOWHERE = Path("/nonexistent")
CONNECTION = "mcnet-6c000001-4-0123456789ab"
STATUS = "000 interface lo UDP 127.0.0.1:500\n000 config setup options:\n"
PROGRAMS = {
    "pluto": 'while [ "$1" != --rundir ]; do shift; done; echo $$ >> "$2/pids"; : > "$2/pluto.ctl"; exec sleep 1000',
    "whack": 'shift 2; case "$1" in --status) echo "$STATUS";; *) echo "$@";; esac',
    "addconn": 'shift 2; test "$3" != mcnet-0 || { echo "not found" >&2; exit 21; }; echo "$@"',
    "certutil": "exit 0",
    "ip": "exit 0",
}
"""What they do here instead, as shell scripts."""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    return made


@pytest.fixture
def pluto(tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pluto]:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o700)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("STATUS", STATUS.strip())
    made = Pluto(files, programs)
    yield made
    made.stop()


def processes(files: Path) -> list[int]:
    """All plutos that were ever started."""
    return [int(line) for line in (files / "pids").read_text().split()]


def test_it_is_started_once_and_says_what_it_is_asked(pluto: Pluto, files: Path) -> None:
    assert pluto.answer("status") == f"ok\n{STATUS}"
    assert pluto.answer("secrets") == "ok\n--rereadsecrets\n"
    assert pluto.answer("listen") == "ok\n--listen\n"
    assert pluto.answer(f"begin {CONNECTION}") == f"ok\n--name {CONNECTION} --initiate --asynchronous\n"
    assert pluto.answer(f"delete {CONNECTION}") == f"ok\n--name {CONNECTION} --delete\n"
    assert pluto.answer(f"add {CONNECTION}") == f"ok\n--config {files / 'ipsec.conf'} {CONNECTION}\n"
    assert len(processes(files)) == 1


def test_what_a_program_refuses_is_said(pluto: Pluto) -> None:
    assert pluto.answer("add mcnet-0") == "add: addconn: not found"


def test_one_that_was_killed_is_started_again(pluto: Pluto, files: Path) -> None:
    pluto.answer("status")
    os.kill(processes(files)[0], signal.SIGKILL)
    os.waitid(os.P_PID, processes(files)[0], os.WEXITED | os.WNOWAIT)
    assert pluto.answer("status") == f"ok\n{STATUS}"
    assert len(set(processes(files))) == 2


@pytest.mark.parametrize(
    "request_",
    [
        "",
        "shutdown",
        f"status {CONNECTION}",
        "add",
        "add ",
        "add somebody-elses",
        f"delete {CONNECTION} --shutdown",
        "begin --all",
        "secrets /etc/shadow",
    ],
)
def test_what_is_no_request_is_refused(request_: str) -> None:
    assert Pluto(NOWHERE, NOWHERE).answer(request_) == f"{request_!r} is not understood"


@given(st.text(st.sampled_from("mcnet-0123456789abcdef \n./'\"$;-"), max_size=40))
def test_a_name_is_one_word_without_options(name: str) -> None:
    found = NAME.fullmatch(name)
    assert found is None or (name.startswith("mcnet-") and name == name.strip() and not set(name) & set(" \n./'\"$;"))


@pytest.mark.parametrize("verb", PlutoVerb)
def test_what_can_not_be_done_is_said_in_one_line(verb: PlutoVerb) -> None:
    named = verb in {PlutoVerb.ADD, PlutoVerb.BEGIN, PlutoVerb.DELETE}
    answer = Pluto(NOWHERE, NOWHERE).answer(f"{verb.value} {CONNECTION}" if named else verb.value)
    assert answer.startswith(f"{verb.value}: ")
    assert "\n" not in answer
