"""Faults that `mcnet diagnose` has to find: what one is, how the command is asked, how a printed remedy is run.

The faults themselves are in the other files of this folder, their list in `registry`.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcnet.lab.binaries import find_binaries
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from tests.e2e.clusterset import Clusterset

Make = Callable[[Clusterset], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault, and what `mcnet diagnose CHECK` has to say of it.

    `make` brings the fault about; at its exit it undoes what the remedy does not, and is content if the remedy has
    undone all. `about`, `said` and `remedy` are regular expressions that have to occur in the finding. Where no
    lab can have the fault, `captured` judges an answer that is given.
    """

    check: str
    title: str
    """As a user would say it. Unique."""
    said: str
    about: str = ""
    remedy: str = ""
    cluster: str = ""
    """Whose diagnosis names it, "" for any."""
    verdict: Verdict = Verdict.WRONG
    make: Make | None = None
    captured: Callable[[], Judgement] | None = None
    mends: bool = True
    """Whether the printed remedy is a command that mends it: then it is run. Else the exit of `make` mends."""
    patience: float = 60.0
    """Seconds until it is named, and again until all is well: what the cluster itself may take to notice."""

    def find(self, diagnoses: list[dict[str, Any]]) -> Finding | None:
        """The finding that names this fault."""
        for diagnosis in diagnoses:
            if diagnosis["check"] != self.check or self.cluster not in ("", diagnosis["cluster"]):
                continue
            for row in diagnosis["findings"]:
                finding = Finding(**row | {"verdict": Verdict(row["verdict"])})
                if self.fits(finding):
                    return finding
        return None

    def fits(self, finding: Finding) -> bool:
        """Whether a finding has the words that are asked of it."""
        pairs = ((self.about, finding.about), (self.said, finding.said), (self.remedy, finding.remedy))
        return finding.verdict is self.verdict and all(re.search(wanted, text) for wanted, text in pairs)


async def diagnose(clusterset: Clusterset, *checks: str) -> list[dict[str, Any]]:
    """What `mcnet diagnose CHECKS -o json` says; asserts that its exit status is that of the verdicts."""
    status, output, errors = await command(clusterset, f"mcnet diagnose {' '.join(checks)} -o json")
    assert status in (0, 1), f"mcnet diagnose ended with {status}:\n{output}\n{errors}"
    diagnoses: list[dict[str, Any]] = json.loads(output)
    assert (status == 1) == any(one["verdict"] == "wrong" for one in diagnoses), f"status {status} of {diagnoses}"
    return diagnoses


def not_fine(diagnoses: list[dict[str, Any]]) -> list[str]:
    """What the diagnoses find fault with, one line each."""
    return [
        f"{one['check']} of {one['cluster']}: {finding['verdict']}: {finding['about']}: {finding['said']}"
        for one in diagnoses
        for finding in one["findings"]
    ]


async def run_remedy(clusterset: Clusterset, finding: Finding) -> str:
    """Run the printed command literally: on the node that it names, else where mcnet runs. Asserts that it works."""
    if finding.place:
        done = await clusterset.node(finding.place, "bash", "-c", finding.remedy)
        status, output = done.status, done.output + done.errors
    else:
        status, output, errors = await command(clusterset, finding.remedy)
        output += errors
    place = f" on {finding.place}" if finding.place else ""
    assert status == 0, f"the remedy {finding.remedy!r}{place} ended with {status}:\n{output}"
    return output


async def command(clusterset: Clusterset, text: str) -> tuple[int, str, str]:
    """Run a shell command as the user of the lab would: mcnet and kubectl are on the path."""
    kubectl = (await find_binaries())["kubectl"].parent
    path = f"{Path(sys.executable).parent}:{kubectl}:{os.environ['PATH']}"
    environment = os.environ | {
        "KUBECONFIG": str(clusterset.lab.kubeconfig),
        "MCNET_IMAGE": clusterset.image,
        "PATH": path,
    }
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", text,
        cwd=clusterset.directory, env=environment,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()
