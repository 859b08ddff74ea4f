"""Runs pluto, Libreswan's IKE daemon, and passes on to it what the gateway daemon asks for.

The gateway daemon writes pluto's configuration and secrets into a directory in memory that both see; this process
reads neither. It uses the programs of its own image, so that pluto and what speaks to it are of one version, whatever
the version of the gateway daemon.
"""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from mcnet.codec import libreswan, xfrm
from mcnet.model.libreswan import PlutoVerb
from mcnet.model.ownership import DEFAULT_PORT_BASE, LIBRESWAN_CONNECTION_PREFIX, LIBRESWAN_FILES

PROGRAMS: Final = Path("/usr/libexec/ipsec")
PATIENCE: Final = 10.0
"""Seconds that each question to pluto may take."""
START_PATIENCE: Final = 20.0
"""Seconds until it listens: it tries its ciphers first."""
NAME: Final = re.compile(re.escape(LIBRESWAN_CONNECTION_PREFIX) + r"[0-9a-f-]{1,60}")


class Pluto:
    """One pluto at most, started at the first request."""

    def __init__(self, files: Path = LIBRESWAN_FILES, programs: Path = PROGRAMS) -> None:
        self._files = files
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None

    def answer(self, request: str) -> str:
        """ "ok" and what pluto says, or a sentence that says why not."""
        word, _, name = request.partition(" ")
        try:
            verb = PlutoVerb(word)
        except ValueError:
            return f"{request!r} is not understood"
        named = verb in {PlutoVerb.ADD, PlutoVerb.BEGIN, PlutoVerb.DELETE}
        if not (NAME.fullmatch(name) if named else name == ""):
            return f"{request!r} is not understood"
        try:
            self._start()
            return f"ok\n{self._ask(verb, name)}"
        except (OSError, subprocess.SubprocessError) as error:
            return f"{word}: {_why(error)}"

    def stop(self) -> None:
        """Ends pluto, which tells the peers."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def _ask(self, verb: PlutoVerb, name: str) -> str:
        match verb:
            case PlutoVerb.STATUS:
                return self._whack("--status")
            case PlutoVerb.SECRETS:
                return self._whack("--rereadsecrets")
            case PlutoVerb.LISTEN:
                with _kept_free():
                    return self._whack("--listen")
            case PlutoVerb.ADD:
                config = self._files / libreswan.CONFIG
                return _run(self._programs / "addconn", *self._control(), "--config", str(config), name)
            case PlutoVerb.BEGIN:
                return self._whack("--name", name, "--initiate", "--asynchronous")
            case PlutoVerb.DELETE:
                return self._whack("--name", name, "--delete")

    def _whack(self, *words: str) -> str:
        return _run(self._programs / "whack", *self._control(), *words)

    def _control(self) -> tuple[str, str]:
        return "--ctlsocket", str(self._files / libreswan.CONTROL)

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None:
            print(f"pluto has ended with status {self._process.returncode}", file=sys.stderr, flush=True)
        (self._files / libreswan.CONTROL).unlink(missing_ok=True)
        _forget_leftovers()
        database = self._files / "nss"
        if not database.exists():
            database.mkdir(mode=0o700)
            _run("certutil", "-N", "--empty-password", "-d", f"sql:{database}")
        with _kept_free():
            self._process = subprocess.Popen([
                self._programs / "pluto", "--nofork", "--stderrlog",
                "--config", self._files / libreswan.CONFIG,
                "--secretsfile", self._files / libreswan.SECRETS,
                "--nssdir", database, "--rundir", self._files, "--dumpdir", self._files,
            ])  # fmt: skip
            print(f"pluto: started as process {self._process.pid}", file=sys.stderr, flush=True)
            self._wait()

    def _wait(self) -> None:
        """Until pluto listens, which it does once it has looked at its configuration. Raises OSError."""
        assert self._process is not None
        end = time.monotonic() + START_PATIENCE
        while time.monotonic() < end and self._process.poll() is None:
            if (self._files / libreswan.CONTROL).exists():
                # It has made the socket, but may not answer yet.
                with suppress(OSError, subprocess.SubprocessError, ValueError):
                    if libreswan.parse_status(self._whack("--status")).listening:
                        return
            time.sleep(0.05)
        raise OSError("pluto does not listen yet: its last words are in the log of this pod")


def _run(*words: str | Path) -> str:
    """Raises OSError, SubprocessError."""
    done = subprocess.run(words, capture_output=True, check=False, text=True, errors="replace", timeout=PATIENCE)
    if done.returncode != 0:
        raise OSError(f"{Path(words[0]).name}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _why(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _kept_free() -> Iterator[None]:
    """UDP 4500, which pluto takes on every address whenever it looks for addresses, and can do without: it is the
    first port of a gateway with the usual port base (mcnet.model.ownership.wireguard_port)."""
    with ExitStack() as stack:
        for family, everywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            # Where somebody has it already that serves as well; a kernel may have no IPv6.
            with suppress(OSError):
                held = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                if family == socket.AF_INET6:
                    held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                held.bind((everywhere, DEFAULT_PORT_BASE))
        yield


def _forget_leftovers() -> None:
    """States and policies of a pluto that was killed: nothing passes by them, and nobody else removes them."""
    lines = (*xfrm.forget_states(_run("ip", "xfrm", "state")), *xfrm.forget_policies(_run("ip", "xfrm", "policy")))
    for line in lines:
        subprocess.run(["ip", *line.split()], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
