"""Network namespaces for tests: each lives in a thread of its own and goes with it, also after a kill -9.

Only tests enter other namespaces; the daemons never do (that needs CAP_SYS_ADMIN). The directory of WireGuard's
sockets is each namespace's own too: as on nodes, devices of the same name are in several.
"""

import asyncio
import ctypes
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from mcnet.model.ownership import CABLE_SOCKET, WIREGUARD_SOCKETS
from tests.kernel import SLOWER

_CLONE_NEWNET, _CLONE_NEWNS = 0x40000000, 0x00020000
_MS_PRIVATE, _MS_REC = 1 << 18, 1 << 14
_PATIENCE = 50.0 * SLOWER
_T = TypeVar("_T")


class Namespace:
    """A fresh network namespace with `lo` up; coroutines run inside it on the thread's own event loop."""

    def __init__(self) -> None:
        self.thread_id = 0
        """Names the namespace to `ip link set X netns ID`."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._error: OSError | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name="namespace", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise self._error
        self.run(shell("ip link set lo up"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _main(self) -> None:
        try:
            _enter()
        except OSError as error:
            self._error = error
            self._ready.set()
            return
        self.thread_id = threading.get_native_id()
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            asyncio.set_event_loop(self._loop)
            self._ready.set()
            self._loop.run_forever()

    def start(self, coroutine: Coroutine[Any, Any, _T]) -> "asyncio.Future[_T] | Any":
        """Start `coroutine` inside; a concurrent.futures.Future of its result."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run `coroutine` inside and return its result."""
        result: _T = self.start(coroutine).result(_PATIENCE)
        return result


def _enter() -> None:
    """The calling thread gets namespaces of its own. Raises OSError."""
    sockets = WIREGUARD_SOCKETS.resolve()
    sockets.mkdir(parents=True, exist_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)
    for done in (
        lambda: libc.unshare(_CLONE_NEWNET | _CLONE_NEWNS),
        lambda: libc.mount(b"none", b"/", None, _MS_PRIVATE | _MS_REC, None),
        lambda: libc.mount(b"none", bytes(sockets), b"tmpfs", 0, None),
    ):
        if done() != 0:
            raise OSError(ctypes.get_errno(), "no namespace")


@asynccontextmanager
async def cable_process(program: Path) -> AsyncIterator[None]:
    """mcnet_cable runs in the thread's namespace, as the pod of that name does on a node."""
    search = {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "mcnet_cable", env=os.environ | search)
    try:
        async with asyncio.timeout(20 * SLOWER):
            while not (WIREGUARD_SOCKETS / CABLE_SOCKET).exists():  # noqa: ASYNC110  # there is no event to wait for
                await asyncio.sleep(0.02)
        yield
    finally:
        process.terminate()
        await process.wait()


@contextmanager
def holders(program: Path | None, *namespaces: Namespace) -> Iterator[None]:
    """`cable_process` in each of the namespaces; nothing without a program."""
    with ExitStack() as stack:
        for namespace in namespaces if program is not None else ():
            process = cable_process(program)
            namespace.run(process.__aenter__())
            stack.callback(lambda one=namespace, held=process: one.run(held.__aexit__(None, None, None)))
        yield


async def shell(command: str) -> str:
    """Run a command in the calling thread's namespace; its output. Fails the test if it fails."""
    process = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, f"{command}: {errors.decode()}"
    return output.decode()


async def eventually(condition: Callable[[], bool], *, patience: float = 20.0) -> None:
    """Wait until `condition` holds, for what announces itself by no event; fails after `patience` seconds,
    SLOWER times as many in an emulated machine."""
    async with asyncio.timeout(patience * SLOWER):
        while not condition():  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(0.02)


def connect(one: Namespace, other: Namespace, *, name: str, addresses: tuple[str, str]) -> None:
    """A veth pair between two namespaces, called `name` on both sides, with an address each."""
    one.run(shell(f"ip link add {name} type veth peer name {name} netns {other.thread_id}"))
    for namespace, address in zip((one, other), addresses, strict=True):
        nodad = " nodad" if ":" in address else ""
        namespace.run(shell(f"ip address add {address} dev {name}{nodad} && ip link set {name} up"))
