"""`python -m tests.vm --junitxml=REPORT WORD …`: pytest with these words, but in an emulated machine.

REPORT is written as pytest writes it; where the machine did not come that far there is none. What the machine said
is shown if not all tests passed.
"""

import asyncio
import sys
import time
from contextlib import suppress
from pathlib import Path

from mcnet.lab import cache, packages
from mcnet.lab.command import run
from mcnet.model.errors import McnetError
from tests.vm.initramfs import MOUNTED_SHARE
from tests.vm.kernel import ensure_kernel
from tests.vm.machine import PACKAGES, Outcome, run_tests

REPORT = "--junitxml="
NAME = "report.xml"


def say(line: str) -> None:
    """One progress line, at once."""
    print(f"vm: {line}", flush=True)


def in_machine(words: list[str]) -> tuple[list[str], Path]:
    """pytest's words in the machine, and where the report belongs on the host. Raises ValueError without a place."""
    (report,) = [Path(word.removeprefix(REPORT)) for word in words if word.startswith(REPORT)]
    return [f"{REPORT}{MOUNTED_SHARE}/{NAME}" if word.startswith(REPORT) else word for word in words], report


async def main(words: list[str]) -> int:
    """The status of the process: 0 if every test passed."""
    inside, report = in_machine(words)
    await packages.ensure_packages(say, extra=PACKAGES)
    kernel = await ensure_kernel(say)
    await make_byte_code(words)
    started = time.monotonic()
    say(f"running tests on Linux {kernel.version} in an emulated machine")
    with cache.scratch("vm") as share:
        outcome = await run_tests(kernel, inside, share, say)
        if (share / NAME).exists():
            report.write_bytes((share / NAME).read_bytes())
    show(outcome, time.monotonic() - started)
    return 1 if outcome.problem else 0


async def make_byte_code(words: list[str]) -> None:
    """Imports here what the machine will import, which is slow at compiling. What is wrong with it shows there."""
    others = [word for word in words if not word.startswith(REPORT)]
    with suppress(McnetError):
        await run([sys.executable, "-m", "pytest", "--collect-only", "-q", *others])


def show(outcome: Outcome, seconds: float) -> None:
    """The console where something failed, and the sentence last."""
    if outcome.problem:
        print(outcome.console)
    say(f"{outcome.problem or 'every test passed'} ({seconds:.0f} s)")


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(sys.argv[1:])))
    except McnetError as error:
        say(f"{error.message}. {error.hint}".strip())
        sys.exit(1)
