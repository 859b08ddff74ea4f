"""The errors a user meets: one sentence with the value and the cause, and the next command.

Adapters translate foreign exceptions into these at their edge (`raise ... from error`); only the command
line's entry point and a daemon's reconciler catch them broadly. Secrets never enter a message.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the command's exit status means (docs/cli.md)."""

    FINE = 0
    WRONG = 1
    """Something is wrong with the clusters, or the operation failed."""
    USAGE = 2
    """The command line, or a file named on it, is not usable."""
    UNREACHABLE = 3
    """An API server or host did not answer."""


class McnetError(Exception):
    """An error meant for the user.

    `message` is one sentence without a final newline; `hint` is the next thing to do, a command where
    there is one ("" when there is nothing sensible to say).
    """

    exit_code = ExitCode.WRONG

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(McnetError):
    """The request itself can't be carried out as asked: a wrong value, file, context or state."""

    exit_code = ExitCode.USAGE


class UnreachableError(McnetError):
    """An API server or host did not answer in time."""

    exit_code = ExitCode.UNREACHABLE


class ApiError(McnetError):
    """An API server answered with a failure. `status` is the HTTP status."""

    def __init__(self, message: str, hint: str = "", *, status: int = 0) -> None:
        super().__init__(message, hint)
        self.status = status


class NotFoundError(ApiError):
    """404: the object is not there."""


class ConflictError(ApiError):
    """409: the object exists already, or was changed by somebody else meanwhile."""


class ForbiddenError(ApiError):
    """401 or 403: the credential is not accepted, or does not allow this."""


class KernelError(McnetError):
    """The kernel, nft or a sysctl refused. `errno` is the error number, 0 if there is none."""

    def __init__(self, message: str, hint: str = "", *, errno: int = 0) -> None:
        super().__init__(message, hint)
        self.errno = errno
