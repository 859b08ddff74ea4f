"""All faults, in the order of the checks that find them: one line per file."""

from typing import Final

from tests.e2e.faults import daemons, kernels
from tests.e2e.faults.fault import Fault

FAULTS: Final[tuple[Fault, ...]] = (
    *kernels.FAULTS,
    *daemons.FAULTS,
)
