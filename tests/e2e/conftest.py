"""One lab for all end-to-end tests that need a joined clusterset: bringing it up takes most of the time. And one for
those that need two gateways in each cluster.

A test leaves it as it found it: connected, all links whole, all daemons running. While working on a test, set
MCNET_E2E_LAB to the name of a lab that is up (`mcnet lab up --with-image --name N`): it is used and left up.
"""

import os
import signal
from collections.abc import AsyncIterator, Generator

import pytest
import pytest_asyncio

from mcnet.lab.image import ensure_image, image_reference
from mcnet.lab.lab import Lab
from mcnet.lab.spec import LabSpec
from tests.e2e.clusterset import CLUSTERS, Clusterset, brought_up

SHARED = "bare"
"""The fixture that all tests of the shared lab need."""
LAST = "made"
"""The fixture of tests that run after all others: its lab ends with the session, and is not up beside theirs."""
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # Started in a script's background: the commands that tests interrupt would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
FAILED = pytest.StashKey[bool]()
"""Whether the test itself failed."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bare(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clusterset]:
    """Two clusters of two nodes with the image and a web server on every node, nothing of mcnet installed."""
    image = image_reference()
    archive = await ensure_image(print)
    existing = os.environ.get("MCNET_E2E_LAB")
    lab = Lab(existing or f"e{os.getpid()}")
    made = Clusterset(lab, image, tmp_path_factory.mktemp("e2e"))
    try:
        if existing:
            await lab.load_image(archive)
        else:
            await lab.up(LabSpec(name=lab.name, clusters=CLUSTERS), print, [archive])
        await made.deploy_web()
        made.before = {cluster: await made.pictures(cluster) for cluster in CLUSTERS}
        yield made
    finally:
        for load in made.loads.values():
            await load.close()
        if not existing:
            await lab.down()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def joined(bare: Clusterset) -> Clusterset:
    """The lab joined: east has one gateway and the broker, west two gateways."""
    await bare.mcnet("deploy-broker", "--context", "east", "--cable-driver", "vxlan")
    await bare.join()
    return bare


@pytest_asyncio.fixture(loop_scope="session")
async def clusterset(joined: Clusterset, request: pytest.FixtureRequest) -> AsyncIterator[Clusterset]:
    """The joined lab. What a test that fails has left undone is done, so that the next ones tell of themselves."""
    yield joined
    if request.node.stash.get(FAILED, False):
        await joined.mcnet("deploy-broker", "--context", "east", "--cable-driver", "vxlan")
        for known, by in (("west", "east"), ("east", "west")):  # no matter if there is nothing to trust
            await joined.run("member", "trust", known, "--context", by, "--yes")
        await joined.join()


@pytest_asyncio.fixture(name=LAST, scope="session", loop_scope="session")
async def two_gateways(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clusterset]:
    """Two clusters of two gateways and a worker each; east's API server is the broker. MCNET_E2E_LAB names a lab of
    three nodes a cluster that is up: it is used and left up."""
    spec = LabSpec(name=f"f{os.getpid()}", nodes=3)
    existing = os.environ.get("MCNET_E2E_LAB", "")
    async with brought_up(spec, tmp_path_factory.mktemp("gateways"), existing=existing) as made:
        await made.mcnet("deploy-broker", "--context", "east")
        for cluster in CLUSTERS:
            by = ("--context", cluster, "--broker-context", "east")
            await made.mcnet("join", "broker-info.mcnet", *by, "--gateways", "2")
        await made.all_carry(8)
        yield made


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--labs", choices=("shared", "own"),
        help="only tests in the lab that they share, or only those with labs of their own: both may run at once",
    )  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    labs = config.getoption("--labs")
    wanted = [
        one for one in items if labs in (None, "shared" if SHARED in getattr(one, "fixturenames", ()) else "own")
    ]
    config.hook.pytest_deselected(items=[one for one in items if one not in wanted])
    items[:] = sorted(wanted, key=lambda one: LAST in getattr(one, "fixturenames", ()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report
