"""Metrics of the discovery daemon, besides those of every daemon's loop (mcnet.loop.metrics)."""

from collections import Counter as Counts
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from mcnet.loop import metrics as loop_metrics
from mcnet.plan.trust import Refusal, Refused

NAMES = (
    *loop_metrics.NAMES,
    "mcnet_discovery_leader",
    "mcnet_broker_reachable",
    "mcnet_broker_reconnects_total",
    "mcnet_broker_last_seen_timestamp_seconds",
    "mcnet_broker_credential_expiry_timestamp_seconds",
    "mcnet_mirror_writes_total",
    "mcnet_mirror_problems",
    "mcnet_trust_refused",
    "mcnet_services",
    "mcnet_services_waiting",
    "mcnet_service_writes_total",
    "mcnet_service_problems",
)


class DiscoveryMetrics:
    """One set per process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.loop = loop_metrics.LoopMetrics(registry, "discovery")
        self.leader = Gauge("mcnet_discovery_leader", "1 while this replica is the leader", registry=registry)
        self.reachable = Gauge(
            "mcnet_broker_reachable", "1 while the broker's objects are watched", registry=registry
        )
        self.reconnects = Counter("mcnet_broker_reconnects", "Sessions with the broker begun", registry=registry)
        self.last_seen = Gauge(
            "mcnet_broker_last_seen_timestamp_seconds", "When the Lease at the broker was renewed last",
            registry=registry,
        )  # fmt: skip
        self.expiry = Gauge(
            "mcnet_broker_credential_expiry_timestamp_seconds", "When the broker's credential ends",
            registry=registry,
        )  # fmt: skip
        self.writes = Counter(
            "mcnet_mirror_writes", "Writes of mirrored objects", ["place", "kind", "verb", "result"],
            registry=registry,
        )  # fmt: skip
        self.problems = Gauge("mcnet_mirror_problems", "Objects that are left alone or refused", registry=registry)
        self.refused = Gauge(
            "mcnet_trust_refused", "Objects of the broker that are not believed now", ["reason"], registry=registry
        )

        self.services = Gauge("mcnet_services", "Services that are exported or imported", registry=registry)
        self.services_waiting = Gauge(
            "mcnet_services_waiting", "Services that wait to be looked at, or are being written", registry=registry
        )
        self.service_writes = Counter(
            "mcnet_service_writes", "Writes of objects of services", ["place", "kind", "verb", "result"],
            registry=registry,
        )  # fmt: skip
        self.service_problems = Gauge(
            "mcnet_service_problems", "Services of which something is left out or refused", registry=registry
        )

    def show_refused(self, refused: Iterable[Refused]) -> None:
        """What of the broker's is not believed, by reason; every reason has its series from the beginning."""
        counts = Counts(one.refusal for one in refused)
        for refusal in Refusal:
            self.refused.labels(refusal.value).set(counts[refusal])
