"""The program of the pause container, which holds a pod's namespaces and does nothing else.

Written out as machine code: an ELF file of one loop around a system call that sleeps until a signal, so
that no compiler and no foreign binary is needed. It handles no signal; containerd kills it.
"""

import platform
import struct

from mcnet.model.errors import McnetError

_BASE = 0x400000
_HEADERS = 64 + 56
_MACHINES = {
    # mov eax, 34 (pause); syscall; jmp back
    "x86_64": (62, bytes.fromhex("b822000000 0f05 ebf7")),
    # mov x0..x4, 0; mov x8, 73 (ppoll); svc 0; b back: ppoll of nothing, without an end, is pause
    "aarch64": (
        183,
        struct.pack("<8I", *(0xD2800000 | register for register in range(5)), 0xD2800928, 0xD4000001, 0x17FFFFF9),
    ),
}


def pause_program(machine: str = "") -> bytes:
    """A static ELF executable for `machine` (as `uname -m` names it; this one's if empty)."""
    name = machine or platform.machine()
    if name not in _MACHINES:
        raise McnetError(f"the lab does not run on {name} machines", f"use one of {', '.join(_MACHINES)}")
    number, code = _MACHINES[name]
    size = _HEADERS + len(code)
    # ELF64, little-endian, version 1; executable; entry behind the headers; one program header.
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01", 2, number, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0,
    )  # fmt: skip
    # One segment, loaded readable and executable.
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + code
