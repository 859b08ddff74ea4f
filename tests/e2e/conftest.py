"""One lab for all end-to-end tests that need a joined clusterset: bringing it up takes most of the time.

A test leaves it as it found it: connected, all links whole, all daemons running. While working on a test, set
MCNET_E2E_LAB to the name of a lab that is up (`mcnet lab up --with-image --name N`): it is used and left up.
"""

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mcnet.lab.image import ensure_image, image_reference
from mcnet.lab.lab import Lab
from mcnet.lab.spec import LabSpec
from tests.e2e.clusterset import CLUSTERS, Clusterset


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bare(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clusterset]:
    """Two clusters of two nodes with the image, nothing of mcnet installed."""
    image = image_reference()
    archive = await ensure_image(print)
    directory = tmp_path_factory.mktemp("e2e")
    if existing := os.environ.get("MCNET_E2E_LAB"):
        await Lab(existing).load_image(archive)
        yield Clusterset(Lab(existing), image, directory)
        return
    lab = Lab(f"e{os.getpid()}")
    try:
        await lab.up(LabSpec(name=lab.name, clusters=CLUSTERS), print, [archive])
        yield Clusterset(lab, image, directory)
    finally:
        await lab.down()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def clusterset(bare: Clusterset) -> AsyncIterator[Clusterset]:
    """The lab joined: east has one gateway and the broker, west two gateways; web servers run on every node."""
    await bare.mcnet("deploy-broker", "--context", "east")
    await bare.mcnet("join", "broker-info.mcnet", "--context", "east", "--broker-context", "east")
    join_west = ("join", "broker-info.mcnet", "--context", "west", "--broker-context", "east", "--gateways", "2")
    await bare.mcnet(*join_west)
    await bare.deploy_web()
    yield bare
    for load in bare.loads.values():
        await load.close()
