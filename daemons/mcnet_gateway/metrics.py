"""Metrics of the gateway daemon, besides those of every daemon's loop (mcnet.loop.metrics)."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from mcnet.loop import metrics as loop_metrics
from mcnet.model.gateway import CableState, Gateway
from mcnet.model.traffic import Count

NAMES = (
    *loop_metrics.NAMES,
    "mcnet_cable_up",
    "mcnet_cable_active",
    "mcnet_cable_round_trip_seconds",
    "mcnet_cable_loss_ratio",
    "mcnet_cable_narrow_bytes",
    "mcnet_cable_share_ratio",
    "mcnet_cable_received_bytes_total",
    "mcnet_cable_sent_bytes_total",
    "mcnet_cable_transitions_total",
    "mcnet_gateway_weight",
    "mcnet_gateway_draining",
    "mcnet_gateway_changes_total",
    "mcnet_kernel_changes_total",
    "mcnet_kernel_failures_total",
    "mcnet_kernel_repairs_total",
)


class GatewayMetrics:
    """One set per process; label `cable` is the remote endpoint's name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.loop = loop_metrics.LoopMetrics(registry, "gateway")
        self._up = Gauge("mcnet_cable_up", "1 while a cable's probes are answered", ["cable"], registry=registry)
        self._active = Gauge("mcnet_cable_active", "1 while routes use a cable", ["cable"], registry=registry)
        self._round_trip = Gauge(
            "mcnet_cable_round_trip_seconds", "Last round-trip time of a cable", ["cable"], registry=registry
        )
        self._loss = Gauge(
            "mcnet_cable_loss_ratio", "Share of a cable's last probes lost", ["cable"], registry=registry
        )
        self._narrow = Gauge(
            "mcnet_cable_narrow_bytes",
            "What passes inside a cable, where that is less than its device takes",
            ["cable"],
            registry=registry,
        )
        self._share = Gauge(
            "mcnet_cable_share_ratio",
            "Part of the flows to a cable's cluster that are to go by it",
            ["cable"],
            registry=registry,
        )
        self._received = Counter(
            "mcnet_cable_received_bytes", "Bytes that came by a cable", ["cable"], registry=registry
        )
        self._sent = Counter("mcnet_cable_sent_bytes", "Bytes sent by a cable", ["cable"], registry=registry)
        self.transitions = Counter(
            "mcnet_cable_transitions",
            "Times that a cable was lost or connected, or was used no longer or again",
            ["cable", "reason", "cause"],
            registry=registry,
        )
        self._weight = Gauge(
            "mcnet_gateway_weight", "This gateway's weight when it does not drain", registry=registry
        )
        self._draining = Gauge("mcnet_gateway_draining", "1 while this gateway drains", registry=registry)
        self.gateway_changes = Counter(
            "mcnet_gateway_changes",
            "Times that this gateway began or ended to drain, or got another weight",
            ["reason", "cause"],
            registry=registry,
        )
        self.changes = Counter("mcnet_kernel_changes", "Changes written to the kernel", registry=registry)
        self.failures = Counter("mcnet_kernel_failures", "Changes that the kernel refused", registry=registry)
        self.repairs = Counter("mcnet_kernel_repairs", "Changes that undid what somebody else did", registry=registry)

    def show(self, report: Gateway) -> None:
        """Publish the gateway and its cables as they are; those that are gone disappear."""
        self._weight.set(report.weight)
        self._draining.set(report.draining)
        for gauge in (self._up, self._active, self._round_trip, self._loss, self._narrow, self._share):
            gauge.clear()
        for cable in report.cables:
            name = f"{cable.cluster}.{cable.gateway}"
            self._up.labels(name).set(cable.state is CableState.CONNECTED)
            self._active.labels(name).set(cable.active)
            self._loss.labels(name).set(cable.loss)
            self._share.labels(name).set(cable.share)
            if cable.mtu:
                self._narrow.labels(name).set(cable.mtu)
            if cable.round_trip is not None:
                self._round_trip.labels(name).set(cable.round_trip.last)

    def count(self, grown: Mapping[str, Count]) -> None:
        """Add the bytes that have passed since the last time, by remote endpoint."""
        for name, count in grown.items():
            self._received.labels(name).inc(count.received)
            self._sent.labels(name).inc(count.sent)
