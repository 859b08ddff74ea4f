"""The metrics that every daemon's loop has, under one set of names. A daemon's own stand in its own package."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

NAMES = (
    "mcnet_rounds_total",
    "mcnet_round_seconds",
    "mcnet_round_failures",
)
"""What the daemons' READMEs must list."""


class LoopMetrics:
    """Counts of one reconciling loop, named by the label `loop`."""

    def __init__(self, registry: CollectorRegistry, loop: str) -> None:
        rounds = Counter(
            "mcnet_rounds", "Rounds of observe, plan, apply, by result", ["loop", "result"], registry=registry
        )
        self.fine = rounds.labels(loop, "fine")
        self.failed = rounds.labels(loop, "failed")
        self.seconds = Histogram("mcnet_round_seconds", "Duration of a round", ["loop"], registry=registry).labels(
            loop
        )
        self.failures = Gauge(
            "mcnet_round_failures", "Failed rounds since the last one without failure", ["loop"], registry=registry
        ).labels(loop)
