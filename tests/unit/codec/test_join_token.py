"""The join token as a word: there and back, and that no damaged one is taken or quoted."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.errors import DecodeError
from mcnet.codec.join_token import PREFIX, decode, encode
from mcnet.model.broker import JoinToken
from mcnet.model.cluster import CLUSTER_ID_PATTERN, ClusterId

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


@given(
    st.from_regex(CLUSTER_ID_PATTERN, fullmatch=True),
    st.text(max_size=40),
    st.datetimes(timezones=st.timezones()),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1),
)
def test_any_token_comes_back(cluster: str, broker: str, expires: datetime, secret: str) -> None:
    token = JoinToken(ClusterId(cluster), broker, expires, secret)
    decoded = decode(encode(token))
    assert replace(decoded, expires=expires) == token
    assert decoded.expires.utcoffset() == expires.utcoffset()
    assert decoded.expires.replace(tzinfo=None) == expires.replace(tzinfo=None)


@pytest.mark.parametrize("secret", ["", "a b", "a\r\nX: y", "ä", "\ud800"])
def test_a_secret_that_can_not_be_sent_is_damaged(secret: str) -> None:
    with pytest.raises(DecodeError, match="damaged"):
        decode(encode(replace(TOKEN, secret=secret)))


@given(st.text(max_size=80))
def test_nothing_but_tokens_is_taken(text: str) -> None:
    with pytest.raises(DecodeError):
        decode(PREFIX + text)
