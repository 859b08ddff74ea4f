"""What checks that judge looks have in common: nodes that could not be looked at are said, not passed over."""

from collections.abc import Iterable

from mcnet.diagnose.site import Looks
from mcnet.model.diagnosis import Finding, Verdict


def not_looked_at(looks: Looks) -> Iterable[Finding]:
    """A finding for each node without a look."""
    for node, why in sorted(looks.failures.items()):
        yield Finding(Verdict.UNKNOWN, f"node {node}", f"it could not be looked at: {why}")
