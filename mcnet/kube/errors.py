"""Turns what an API server answers, or fails to answer, into mcnet's errors. No message text is ever parsed."""

import errno
import json
import os
import ssl

from mcnet.model.errors import ApiError, ConflictError, ForbiddenError, NotFoundError, UnreachableError

GONE = 410
"""The resource version of a watch, or the rest of a paged list, is too old: list again."""


def api_error(status: int, body: bytes | str, *, attempt: str, server: str) -> ApiError:
    """The error for an HTTP status of 400 and up; `attempt` is what was tried ("get Secret mcnet-system/x")."""
    return status_error(status, _reason(body), attempt=attempt, server=server)


def status_error(status: int, reason: str, *, attempt: str, server: str) -> ApiError:
    """Likewise, with the server's own sentence."""
    message = f"{attempt} at {server}: {reason or f'HTTP status {status}'}"
    match status:
        case 401:
            return ForbiddenError(
                f"{attempt} at {server}: the credential is not accepted",
                "it may have expired: check it with `kubectl auth whoami`",
                status=status,
            )
        case 403:
            return ForbiddenError(message, status=status)
        case 404:
            return NotFoundError(message, status=status)
        case 409:
            return ConflictError(message, status=status)
        case _:
            return ApiError(message, status=status)


def unreachable(error: BaseException, *, attempt: str, server: str) -> UnreachableError:
    """The error for a server that did not answer, or not to the end, or not with its certificate."""
    return UnreachableError(f"{attempt} at {server}: {_why(error)}", f"check that {server} can be reached from here")


def _why(error: BaseException) -> str:
    """In a few words; the client library's own text repeats address and port and quotes Python."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    cause = getattr(error, "os_error", error)
    number = cause.errno if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) else None
    if number is not None and number in errno.errorcode:
        return os.strerror(number).lower()
    return str(error) or type(error).__name__


def _reason(body: bytes | str) -> str:
    """The sentence in a Status object; else the beginning of the text."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else body
    try:
        status = json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()[:200]
    return str(status.get("message", ""))[:1000] if isinstance(status, dict) else ""
