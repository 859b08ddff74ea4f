"""All faults, in the order of the checks that find them: one line per file."""

from typing import Final

from tests.e2e.faults import brokers, clocks, daemons, kernels, leftovers, nodes, rights
from tests.e2e.faults.fault import Fault

FAULTS: Final[tuple[Fault, ...]] = (
    *kernels.FAULTS,
    *daemons.FAULTS,
    *rights.FAULTS,
    *brokers.FAULTS,
    *clocks.FAULTS,
    *leftovers.FAULTS,
    *nodes.FAULTS,
)
