"""The checks, in the order in which their outcomes are shown: one file each, one line here."""

from typing import Final

from mcnet.diagnose.check import AnyCheck
from mcnet.diagnose.checks import (
    broker,
    cable_port,
    cidr_overlap,
    clock,
    connections,
    dns,
    endpoints,
    foreign_chains,
    host_ports,
    image,
    kernel_features,
    masquerade,
    members,
    mtu,
    network_policies,
    overlay_port,
    pods,
    rbac,
    sysctls,
    tables,
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
    host_ports.CHECK,
    foreign_chains.CHECK,
    sysctls.CHECK,
    tables.CHECK,
    masquerade.CHECK,
    overlay_port.CHECK,
    cable_port.CHECK,
    mtu.CHECK,
    connections.CHECK,
)
