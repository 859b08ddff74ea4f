"""Many datagrams by one system call: recvmmsg and sendmmsg of Linux, which Python's sockets don't have.

The buffers are made once. An answer goes back from the place of its query: the client's address stays where the
kernel wrote it, and nobody has to read it.
"""

import ctypes
import errno
import socket
from typing import Final

MOST: Final = 64
"""Datagrams of one batch."""
PLACE: Final = 4096
"""Bytes from one datagram to the next, and the longest: queries and answers are shorter, and what isn't is cut."""
_ADDRESS_LENGTHS: Final = {socket.AF_INET: 16, socket.AF_INET6: 28}
"""Bytes of a sockaddr of each family."""


class _Vector(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Vector)),
        ("vectors_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (("header", _Header), ("length", ctypes.c_uint))


_C = ctypes.CDLL(None, use_errno=True)
_STRIDE: Final = ctypes.sizeof(_Message) // ctypes.sizeof(ctypes.c_uint)
_LENGTH: Final = _Message.length.offset // ctypes.sizeof(ctypes.c_uint)


class Batch:
    """The buffers of one non-blocking UDP socket. Datagram `i` of a batch, and its answer, begin at `i * PLACE`."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound
        self.data = bytearray(MOST * PLACE)
        self.view = memoryview(self.data)
        width = _ADDRESS_LENGTHS[socket.AddressFamily(bound.family)]
        self._clients = ctypes.create_string_buffer(MOST * width)
        place = ctypes.addressof((ctypes.c_char * len(self.data)).from_buffer(self.data))
        self._vectors_in, self._vectors_out = (_Vector * MOST)(), (_Vector * MOST)()
        self._in, self._out = (_Message * MOST)(), (_Message * MOST)()
        for messages, vectors in ((self._in, self._vectors_in), (self._out, self._vectors_out)):
            for index in range(MOST):
                vectors[index].base = place + index * PLACE
                vectors[index].length = PLACE
                header = messages[index].header
                header.name = ctypes.addressof(self._clients) + index * width
                header.name_length = width
                header.vectors = ctypes.pointer(vectors[index])
                header.vectors_length = 1
        self._lengths_in = memoryview(self._in).cast("B").cast("I")[_LENGTH::_STRIDE]
        self._lengths_out = memoryview(self._vectors_out).cast("B").cast("P")[1::2]

    def receive(self) -> int:
        """How many datagrams have come; 0 if none are waiting."""
        count: int = _C.recvmmsg(self._socket.fileno(), self._in, MOST, socket.MSG_DONTWAIT, None)
        return max(0, count)

    @property
    def lengths(self) -> "memoryview[int]":
        """Of the datagrams that were received."""
        return self._lengths_in

    @property
    def answers(self) -> "memoryview[int]":
        """Lengths of what is to be sent from the places of the datagrams."""
        return self._lengths_out

    def send(self, first: int, end: int) -> int:
        """Send what is in the places from `first` up to `end`; how many of them the kernel refused."""
        refused = 0
        while first < end:
            start = ctypes.byref(self._out, first * ctypes.sizeof(_Message))
            sent: int = _C.sendmmsg(self._socket.fileno(), start, end - first, socket.MSG_DONTWAIT)
            if sent > 0:
                first += sent
            elif ctypes.get_errno() == errno.EAGAIN:
                return refused + end - first  # no room: their clients ask again
            elif ctypes.get_errno() != errno.EINTR:
                refused += 1
                first += 1
        return refused
