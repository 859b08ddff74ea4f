"""Answers become errors that a user can read."""

import json
import ssl

import pytest

from mcnet.kube.errors import api_error, unreachable
from mcnet.model.errors import ApiError, ConflictError, ExitCode, ForbiddenError, NotFoundError


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, ForbiddenError), (403, ForbiddenError), (404, NotFoundError), (409, ConflictError), (422, ApiError),
     (500, ApiError)],
)  # fmt: skip
def test_by_status(status: int, kind: type[ApiError]) -> None:
    body = json.dumps({"kind": "Status", "message": "pods x is not well"})
    error = api_error(status, body, attempt="get Pod n/x", server="https://s (context c)")
    assert type(error) is kind
    assert error.status == status
    expected = "the credential is not accepted" if status == 401 else "pods x is not well"
    assert error.message == f"get Pod n/x at https://s (context c): {expected}"


@pytest.mark.parametrize(("body", "reason"), [(b"", "HTTP status 502"), (b"<html>bad</html>", "<html>bad</html>"),
                                              (b"[]", "HTTP status 502"), (b"\xff", "\ufffd")])  # fmt: skip
def test_answers_that_are_no_status(body: bytes, reason: str) -> None:
    assert api_error(502, body, attempt="get Pod x", server="s").message == f"get Pod x at s: {reason}"


def test_no_answer() -> None:
    error = unreachable(TimeoutError(), attempt="list Node", server="https://s")
    assert error.message == "list Node at https://s: no answer in time"
    assert error.exit_code is ExitCode.UNREACHABLE
    assert "https://s" in error.hint


def test_a_refused_connection_is_told_in_two_words() -> None:
    refused = ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)")
    for error in (refused, type("Wrapped", (Exception,), {"os_error": refused})("ssl:default [...]")):
        assert unreachable(error, attempt="list Node", server="https://s").message == (
            "list Node at https://s: connection refused"
        )


def test_an_error_of_the_certificate_keeps_its_own_words() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed: unknown CA")
    assert "certificate verify failed" in unreachable(error, attempt="list Node", server="https://s").message
