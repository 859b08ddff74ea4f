"""The checks, in the order in which their outcomes are shown: one file each, one line here."""

from typing import Final

from mcnet.diagnose.check import AnyCheck
from mcnet.diagnose.checks import (
    broker,
    cidr_overlap,
    clock,
    connections,
    dns,
    endpoints,
    image,
    kernel_features,
    members,
    network_policies,
    pods,
    rbac,
    versions,
)

CHECKS: Final[tuple[AnyCheck, ...]] = (
    versions.CHECK,
    image.CHECK,
    kernel_features.CHECK,
    pods.CHECK,
    rbac.CHECK,
    broker.CHECK,
    dns.CHECK,
    clock.CHECK,
    members.CHECK,
    endpoints.CHECK,
    cidr_overlap.CHECK,
    network_policies.CHECK,
    connections.CHECK,
)
