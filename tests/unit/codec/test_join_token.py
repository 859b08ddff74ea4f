"""The join token as a word: there and back, and that no damaged one is taken or quoted."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.errors import DecodeError
from mcnet.codec.join_token import PREFIX, decode, encode
from mcnet.model.broker import JoinToken
from mcnet.model.cluster import ClusterId

TOKEN = JoinToken(ClusterId("west"), "b2b8", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "eyJhbGciOi.secret.sig")


def test_there_and_back_also_wrapped_by_a_mail() -> None:
    word = encode(TOKEN)
    assert decode(word) == TOKEN
    assert decode(f"  {word[:40]}\n{word[40:]}\r\n") == TOKEN
    assert word.startswith(PREFIX)
    assert word.isascii()
    assert not set(word) & set(" '\"$\\+/=")


@pytest.mark.parametrize("text", ["", "eyJhbGciOi", "mcnet2.abc", "Bearer x"])
def test_foreign_words(text: str) -> None:
    with pytest.raises(DecodeError, match=r"does not start with 'mcnet1\.'"):
        decode(text)


@given(st.integers(len(PREFIX), len(encode(TOKEN)) - 1))
def test_a_cut_token_is_damaged_and_not_quoted(length: int) -> None:
    with pytest.raises(DecodeError, match="damaged") as caught:
        decode(encode(TOKEN)[:length])
    assert "secret" not in str(caught.value)


@given(st.text(max_size=80))
def test_nothing_but_tokens_is_taken(text: str) -> None:
    with pytest.raises(DecodeError):
        decode(PREFIX + text)
