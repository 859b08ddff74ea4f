"""Metrics of the route agent, besides those of every daemon's loop (mcnet.loop.metrics)."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from mcnet.loop import metrics as loop_metrics
from mcnet.plan.choice import GatewayView, Health

NAMES = (
    *loop_metrics.NAMES,
    "mcnet_gateway_up",
    "mcnet_gateway_transitions_total",
    "mcnet_node_problems",
    "mcnet_kernel_changes_total",
    "mcnet_kernel_failures_total",
    "mcnet_kernel_repairs_total",
)


class RouteAgentMetrics:
    """One set per process; label `gateway` is the gateway node's name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.loop = loop_metrics.LoopMetrics(registry, "route-agent")
        self._up = Gauge(
            "mcnet_gateway_up", "1 unless this node's probes of a gateway fail", ["gateway"], registry=registry
        )
        self.transitions = Counter(
            "mcnet_gateway_transitions",
            "Times that this node left a gateway, or used it again",
            ["gateway", "reason", "cause"],
            registry=registry,
        )
        self.problems = Gauge("mcnet_node_problems", "Problems that this node reports", registry=registry)
        self.changes = Counter("mcnet_kernel_changes", "Changes written to the kernel", registry=registry)
        self.failures = Counter("mcnet_kernel_failures", "Changes that the kernel refused", registry=registry)
        self.repairs = Counter("mcnet_kernel_repairs", "Changes that undid what somebody else did", registry=registry)

    def show(self, gateways: Iterable[GatewayView]) -> None:
        """Publish the gateways as this node sees them; those that are gone disappear."""
        self._up.clear()
        for view in gateways:
            self._up.labels(view.node).set(view.health not in (Health.DOWN, Health.HELD))
