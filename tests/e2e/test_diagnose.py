"""`mcnet diagnose`: silent on healthy clusters; every fault made for real, named, mended by the printed command."""

from contextlib import AsyncExitStack

import pytest

from mcnet.diagnose.checks import CHECKS
from mcnet.model.diagnosis import Finding
from tests.e2e.aftermath import whole_again
from tests.e2e.clusterset import CLUSTERS, Clusterset, eventually
from tests.e2e.faults.fault import Fault, command, diagnose, not_fine, run_remedy
from tests.e2e.faults.registry import FAULTS
from tests.e2e.faults.table import record

pytestmark = pytest.mark.asyncio(loop_scope="session")

TITLES = [fault.title for fault in FAULTS]


async def test_two_healthy_clusters_give_no_alarm(clusterset: Clusterset) -> None:
    await whole_again(clusterset)
    diagnoses = await diagnose(clusterset)
    assert not_fine(diagnoses) == []
    assert [(one["cluster"], one["check"], one["verdict"]) for one in diagnoses] == [
        (cluster, check.name, "fine") for cluster in CLUSTERS for check in CHECKS
    ]
    assert all(one["looked"] and one["matters"] for one in diagnoses)


async def test_the_screen_of_healthy_clusters_and_the_list(clusterset: Clusterset) -> None:
    status, screen, _ = await command(clusterset, "mcnet diagnose")
    assert status == 0, screen
    assert all(screen.count(check.title) == len(CLUSTERS) for check in CHECKS)
    assert "✗" not in screen
    status, listed, _ = await command(clusterset, "mcnet diagnose --list")
    assert (status, [line.split()[0] for line in listed.splitlines()]) == (0, [check.name for check in CHECKS])


async def test_a_check_that_does_not_exist_is_refused(clusterset: Clusterset) -> None:
    assert "do you mean pods?" in await clusterset.mcnet("diagnose", "pod", status=2)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.check}: {fault.title}")
async def test_a_fault_is_named_and_its_remedy_mends_it(clusterset: Clusterset, fault: Fault) -> None:
    if fault.captured:
        found = next((one for one in fault.captured().findings if fault.fits(one)), None)
        assert found is not None, fault.captured()
        record(fault, found, TITLES)
        return
    assert fault.make is not None
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(fault.make(clusterset))
        finding = await _named(clusterset, fault)
        if fault.mends:
            await run_remedy(clusterset, finding)
            await _well(clusterset, fault)
    await _well(clusterset, fault)
    record(fault, finding, TITLES)


async def _named(clusterset: Clusterset, fault: Fault) -> Finding:
    """The finding that names the fault."""
    found: list[Finding] = []

    async def named() -> bool:
        diagnoses = await diagnose(clusterset, fault.check)
        finding = fault.find(diagnoses)
        if finding is None:
            raise AssertionError("said was " + ("; ".join(not_fine(diagnoses)) or "nothing"))
        found.append(finding)
        return True

    await eventually(named, fault.patience, f"diagnose {fault.check} names: {fault.title}")
    return found[0]


async def _well(clusterset: Clusterset, fault: Fault) -> None:
    """Wait until the check passes in every cluster."""

    async def well() -> bool:
        if alarms := not_fine(await diagnose(clusterset, fault.check)):
            raise AssertionError("; ".join(alarms))
        return True

    await eventually(well, fault.patience, f"diagnose {fault.check} finds nothing more")
