"""What is passed on to pluto, and what is not: only the requests that there are, for connections of ours."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.libreswan import PlutoVerb
from mcnet_cable.pluto import NAME, Pluto

NOWHERE = Path("/nonexistent")


@pytest.mark.parametrize(
    "request_",
    [
        "",
        "shutdown",
        "status mcnet-6c000001-4-0123456789ab",
        "add",
        "add ",
        "add somebody-elses",
        "delete mcnet-6c000001-4-0123456789ab --shutdown",
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
    answer = Pluto(NOWHERE, NOWHERE).answer(f"{verb.value} mcnet-6c000001-4-0123456789ab" if named else verb.value)
    assert answer.startswith(f"{verb.value}: ")
    assert "\n" not in answer
