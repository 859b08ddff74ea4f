"""Network namespaces for tests: each lives in a thread of its own and goes with it, also after a kill -9.

Only tests enter other namespaces; the daemons never do (that needs CAP_SYS_ADMIN).
"""

import asyncio
import ctypes
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

_CLONE_NEWNET = 0x40000000
_PATIENCE = 50.0
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
        if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET) != 0:
            self._error = OSError(ctypes.get_errno(), "no network namespace")
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


async def shell(command: str) -> str:
    """Run a command in the calling thread's namespace; its output. Fails the test if it fails."""
    process = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, f"{command}: {errors.decode()}"
    return output.decode()


async def eventually(condition: Callable[[], bool], *, patience: float = 20.0) -> None:
    """Wait until `condition` holds, for what announces itself by no event; fails after `patience` seconds."""
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(0.02)


def connect(one: Namespace, other: Namespace, *, name: str, addresses: tuple[str, str]) -> None:
    """A veth pair between two namespaces, called `name` on both sides, with an address each."""
    one.run(shell(f"ip link add {name} type veth peer name {name} netns {other.thread_id}"))
    for namespace, address in zip((one, other), addresses, strict=True):
        nodad = " nodad" if ":" in address else ""
        namespace.run(shell(f"ip address add {address} dev {name}{nodad} && ip link set {name} up"))
