"""Starts a wireguard-go for each device that the gateway daemon asks for, by a line on a socket: `hold NAME`. What is
asked of pluto, `pluto VERB [NAME]`, it leaves to mcnet_cable.pluto.

Keys, addresses and peers are the gateway daemon's, which speaks to each wireguard-go by its own socket. This process
knows no API server, keeps no state and imports next to nothing, since its end is the end of every device. A device
that is gone is not made again before it is asked for: the gateway daemon sees it go and asks.
"""

import os
import shutil
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

from mcnet.model.ownership import CABLE_SOCKET, WIREGUARD_DEVICE_PATTERN, WIREGUARD_SOCKETS
from mcnet_cable.pluto import Pluto

PROGRAM = "wireguard-go"
PATIENCE = 5.0
"""Seconds that a wireguard-go may take until its socket is there."""
LONGEST_REQUEST = 128


class Holder:
    """The processes by device. `sockets` is where wireguard-go puts its sockets, and this process its own."""

    def __init__(self, sockets: Path = WIREGUARD_SOCKETS, program: str = PROGRAM, pluto: Pluto | None = None) -> None:
        self._sockets = sockets
        self._pluto = pluto or Pluto()
        self._program = shutil.which(program) or program
        self._held: dict[str, int] = {}

    def serve(self) -> None:
        """Answers requests until a signal ends the process. Raises OSError if the socket can't be made."""
        signal.signal(signal.SIGCHLD, self._reap)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        path = self._sockets / CABLE_SOCKET
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            path.chmod(0o600)
            server.listen()
            print(f"listening on {path}", file=sys.stderr, flush=True)
            while True:
                connection, _ = server.accept()
                with connection, suppress(OSError):  # one that asks and does not wait for the answer
                    connection.settimeout(PATIENCE)
                    connection.sendall(f"{self.answer(_line(connection))}\n".encode())

    def answer(self, request: str) -> str:
        """ "ok", or a sentence that says why not."""
        verb, _, name = request.partition(" ")
        if verb == "pluto":
            return self._pluto.answer(name)
        if verb != "hold" or not WIREGUARD_DEVICE_PATTERN.fullmatch(name):
            return f"{request!r} is not understood"
        if name not in self._held:
            (self._sockets / f"{name}.sock").unlink(missing_ok=True)
            environment = {"LOG_LEVEL": "error", "WG_PROCESS_FOREGROUND": "1"}
            self._held[name] = os.posix_spawn(self._program, [self._program, "--foreground", name], environment)
            print(f"{name}: started as process {self._held[name]}", file=sys.stderr, flush=True)
        end = time.monotonic() + PATIENCE
        while name in self._held and time.monotonic() < end:
            if (self._sockets / f"{name}.sock").exists():
                return "ok"
            time.sleep(0.01)
        return f"{self._program} did not make {name}: its last words are in the log of this pod"

    def _reap(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Forgets the processes that have ended."""
        for name, process in list(self._held.items()):
            with suppress(ChildProcessError):
                ended, status = os.waitpid(process, os.WNOHANG)
                if not ended:
                    continue
                code = os.waitstatus_to_exitcode(status)
                print(f"{name}: process {process} has ended with status {code}", file=sys.stderr, flush=True)
            del self._held[name]
            (self._sockets / f"{name}.sock").unlink(missing_ok=True)

    def _stop(self, number: int, frame: FrameType | None = None) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for process in self._held.values():
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(process, signal.SIGTERM)
                os.waitpid(process, 0)
        self._pluto.stop()
        (self._sockets / CABLE_SOCKET).unlink(missing_ok=True)
        sys.exit(0)


def _line(connection: socket.socket) -> str:
    received = b""
    while not received.endswith(b"\n") and len(received) < LONGEST_REQUEST:
        part = connection.recv(LONGEST_REQUEST)
        if not part:
            break
        received += part
    return received.decode(errors="replace").strip()


def main() -> int:
    """The exit status is 0 after an orderly stop."""
    try:
        Holder().serve()
    except OSError as error:
        print(f"mcnet_cable: {error}", file=sys.stderr)
        return 1
    return 0
