"""Metrics of the DNS daemon, besides those of every daemon's loop (mcnet.loop.metrics).

Labels never hold what a client asks for: names and addresses would be series without end.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from mcnet.dns.counts import SECONDS, Counts
from mcnet.loop import metrics as loop_metrics

NAMES = (
    *loop_metrics.NAMES,
    "mcnet_dns_queries_total",
    "mcnet_dns_answer_seconds",
    "mcnet_dns_unsent_total",
    "mcnet_dns_answers_kept",
    "mcnet_dns_tcp_connections",
    "mcnet_dns_imports",
    "mcnet_dns_endpoints",
    "mcnet_dns_problems",
    "mcnet_dns_sync_age_seconds",
)


@dataclass(frozen=True, slots=True)
class State:
    """What is measured when it is asked for."""

    kept: int
    connections: int
    imports: int
    endpoints: int
    problems: int
    age: float
    """Seconds since all was known to be as the API server has it."""


class DnsMetrics(Collector):
    """One set per process; `state` is asked at each scrape."""

    def __init__(self, registry: CollectorRegistry, counts: Counts, state: Callable[[], State]) -> None:
        self.loop = loop_metrics.LoopMetrics(registry, "dns")
        self._counts = counts
        self._state = state
        registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Nothing is measured only to learn the names."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        queries = CounterMetricFamily("mcnet_dns_queries", "Queries, by type and rcode", labels=["type", "rcode"])
        for labels, count in sorted(self._counts.queries.items()):
            queries.add_metric(labels, count)
        yield queries
        yield self._seconds()
        yield CounterMetricFamily("mcnet_dns_unsent", "Answers that the kernel did not take", self._counts.unsent)
        state = self._state()
        for name, text, value in (
            ("mcnet_dns_answers_kept", "Answers that are kept ready", state.kept),
            ("mcnet_dns_tcp_connections", "TCP connections now", state.connections),
            ("mcnet_dns_imports", "ServiceImports that are served", state.imports),
            ("mcnet_dns_endpoints", "Addresses of ready endpoints of them", state.endpoints),
            ("mcnet_dns_problems", "Things that are left out", state.problems),
            ("mcnet_dns_sync_age_seconds", "Since all was as the API server has it", state.age),
        ):
            yield GaugeMetricFamily(name, text, value)

    def _seconds(self) -> Metric:
        family = HistogramMetricFamily("mcnet_dns_answer_seconds", "Time to answer a query")
        total, buckets = 0, []
        for bound, count in zip((*map(str, SECONDS), "+Inf"), self._counts.seconds, strict=True):
            total += count
            buckets.append((bound, float(total)))
        family.add_metric([], buckets, self._counts.seconds_sum)
        return family
