"""Two joined clusters for a benchmark, with a web server on every node.

MCNET_BENCH_LAB names a lab that is up (`mcnet lab up --with-image --name N`): it is used and left up.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from mcnet.lab.image import ensure_image, image_reference
from mcnet.lab.lab import Lab
from mcnet.lab.spec import LabSpec
from mcnet.lab.workload import Workload

CLUSTERS = ("east", "west")


@dataclass
class Bed:
    """The lab, and the web servers per cluster."""

    lab: Lab
    image: str
    loads: dict[str, Workload] = field(default_factory=dict)

    async def mcnet(self, *argv: str) -> str:
        """Run `mcnet ARGV` as a user would. Raises RuntimeError if it fails."""
        environment = os.environ | {"KUBECONFIG": str(self.lab.kubeconfig), "MCNET_IMAGE": self.image}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mcnet.cli", *argv, cwd=self.lab.store.directory, env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output = (await process.communicate())[0].decode()
        if process.returncode:
            raise RuntimeError(f"mcnet {' '.join(argv)}:\n{output}")
        return output

    async def join(self, cluster: str) -> None:
        await self.mcnet("join", "broker-info.mcnet", "--context", cluster, "--broker-context", "east")

    async def deploy_web(self) -> None:
        for cluster in CLUSTERS:
            self.loads[cluster] = await Workload.deploy(self.lab, cluster, self.image)


@asynccontextmanager
async def bed(driver: str = "vxlan") -> AsyncIterator[Bed]:
    """One gateway per cluster, connected by cables of that driver."""
    archive = await ensure_image(print)
    existing = os.environ.get("MCNET_BENCH_LAB")
    made = Bed(Lab(existing or f"b{os.getpid()}"), image_reference())
    try:
        if existing:
            await made.lab.load_image(archive)
        else:
            await made.lab.up(LabSpec(name=made.lab.name, clusters=CLUSTERS), print, [archive])
        await made.mcnet("deploy-broker", "--context", "east", "--cable-driver", driver)
        for cluster in CLUSTERS:
            await made.join(cluster)
        await made.deploy_web()
        yield made
    finally:
        for load in made.loads.values():
            await load.close()
        if not existing:
            await made.lab.down()
