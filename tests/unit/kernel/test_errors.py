"""What error numbers mean, and that nobody needs the text."""

import errno

import pytest
from pyroute2.netlink.exceptions import NetlinkError

from mcnet.kernel.errors import is_denied, is_gone, is_there, translate


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "gone"), NetlinkError(errno.ENOENT, "gone")])
def test_the_number_is_kept_and_the_kernel_quoted(error: Exception) -> None:
    translated = translate(error, "delete route 10.0.0.0/8")
    assert translated.errno == errno.ENOENT
    assert translated.message == "delete route 10.0.0.0/8: gone"


def test_without_a_text_the_number_is_explained() -> None:
    assert translate(NetlinkError(errno.EEXIST), "create").message == "create: File exists"
    assert translate(OSError(), "create").errno == 0


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.EADDRNOTAVAIL])
def test_gone(number: int) -> None:
    assert is_gone(translate(OSError(number, "x"), "delete"))
    assert not is_there(translate(OSError(number, "x"), "delete"))


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EPERM, errno.EBUSY, errno.EEXIST, errno.ENETDOWN])
def test_not_gone(number: int) -> None:
    assert not is_gone(translate(OSError(number, "x"), "delete"))


def test_there_and_denied() -> None:
    assert is_there(translate(OSError(errno.EEXIST, "x"), "create"))
    denied = translate(OSError(errno.EPERM, "x"), "create")
    assert is_denied(denied)
    assert "NET_ADMIN" in denied.hint
