"""docs/getting-started.md as a newcomer walks it: every command run, every screen compared with the page.

MCNET_WRITE_DOCS=1 writes the screens into the page instead.
"""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from mcnet.lab.binaries import find_binaries
from mcnet.lab.image import ensure_image, image_reference
from mcnet.lab.lab import Lab
from mcnet.lab.spec import LabSpec
from tests.e2e.walkthrough import Step, differs, rewritten, steps

PAGE = Path(__file__).parents[2] / "docs" / "getting-started.md"
COMMAND_TIMEOUT = 240.0
PATIENCE = {"mcnet show ": 15.0, "mcnet diagnose service ": 150.0}
"""Seconds until the other clusters' gateways have reported what `join` brought about, and until the clusters' DNS has
read its new configuration."""


@pytest.mark.timeout(900)
async def test_the_page_is_true(tmp_path: Path) -> None:
    lab = Lab(f"g{os.getpid()}")
    archive = await ensure_image(print)
    page = PAGE.read_text()
    walked = steps(page)
    try:
        await lab.up(LabSpec(name=lab.name), print, [archive])
        environment = await _environment(lab)
        screens = [await _screen(step, environment, tmp_path) for step in walked]
    finally:
        await lab.down()
    if os.environ.get("MCNET_WRITE_DOCS"):
        PAGE.write_text(rewritten(page, screens))
        return
    assert len(walked) > 10
    wrong = [
        f"$ {step.command}\n{difference}"
        for step, screen in zip(walked, screens, strict=True)
        if (difference := differs(step.screen, screen))
    ]
    assert not wrong, "\n\n".join([*wrong, "MCNET_WRITE_DOCS=1 writes the page anew"])


async def _environment(lab: Lab) -> dict[str, str]:
    kubectl = (await find_binaries())["kubectl"]
    return os.environ | {
        "KUBECONFIG": str(lab.kubeconfig),
        "MCNET_IMAGE": image_reference(),
        "PATH": f"{Path(sys.executable).parent}:{kubectl.parent}:{os.environ['PATH']}",
    }


async def _screen(step: Step, environment: dict[str, str], directory: Path) -> str:
    """What the command prints. One that only shows is run again, as a reader would, while reports are under way."""
    loop = asyncio.get_running_loop()
    patience = next((seconds for begin, seconds in PATIENCE.items() if step.command.startswith(begin)), 0)
    end = loop.time() + patience
    while True:
        printed = await _run(step.command, environment, directory)
        if not differs(step.screen, printed) or loop.time() >= end:
            return printed
        await asyncio.sleep(0.5)


async def _run(command: str, environment: dict[str, str], directory: Path) -> str:
    """What a command prints, both streams as a terminal shows them."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", command, env=environment, cwd=directory,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(COMMAND_TIMEOUT):
        return (await process.communicate())[0].decode()
