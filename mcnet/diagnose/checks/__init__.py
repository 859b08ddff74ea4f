"""The checks, in the order in which their outcomes are shown: one file each, one line here."""

from typing import Final

from mcnet.diagnose.check import AnyCheck
from mcnet.diagnose.checks import kernel_features, pods

CHECKS: Final[tuple[AnyCheck, ...]] = (
    kernel_features.CHECK,
    pods.CHECK,
)
