"""A latency report as JSON: what `-o json` prints, `--save` writes and `--compare` reads. Times in microseconds."""

from collections.abc import Mapping
from math import inf, isinf
from typing import Any, Final

from mcnet.codec.errors import DecodeError
from mcnet.codec.fields import finite
from mcnet.model.cluster import ClusterId
from mcnet.model.latency import (
    Block,
    Comparison,
    Estimate,
    Histogram,
    Measure,
    Path,
    PathResult,
    Place,
    Report,
    Summary,
)

JsonObject = dict[str, Any]

KIND: Final = "LatencyReport"
FORMAT: Final = 1
_TIMES: Final = {"p50": "p50", "p90": "p90", "p99": "p99", "p99.9": "p999", "max": "maximum", "jitter": "jitter"}
"""Names in the document, and of Summary."""


def encode(report: Report) -> JsonObject:
    """The document."""
    return {
        "kind": KIND,
        "format": FORMAT,
        "unit": "microseconds",
        "time": report.time,
        "version": report.version,
        "durationSeconds": report.duration,
        "intervalSeconds": report.interval,
        "paths": [_path(result) for result in report.results],
    }


def encode_comparison(comparison: Comparison) -> JsonObject:
    """What `-o json` adds with `--compare`: factors for times, a difference for loss."""
    return {
        "verdict": comparison.verdict.value,
        "differences": [
            {
                "from": _place(one.path.source),
                "to": _place(one.path.target),
                "protocol": one.protocol,
                "ipFamily": one.family,
                "what": one.what,
                "change": _estimate(one.change),
                "verdict": one.verdict.value,
            }
            for one in comparison.differences
        ],
        "onlyInEarlier": [_path_name(path) for path in comparison.only_old],
        "onlyInThis": [_path_name(path) for path in comparison.only_new],
    }


def _path_name(path: Path) -> JsonObject:
    return {"from": _place(path.source), "to": _place(path.target)}


def decode(document: object) -> Report:
    """The report. Raises DecodeError for anything that `encode` does not write."""
    try:
        if not isinstance(document, dict) or (document.get("kind"), document.get("format")) != (KIND, FORMAT):
            raise DecodeError(f"it is no {KIND} of format {FORMAT}")
        return Report(
            time=str(document["time"]),
            version=str(document["version"]),
            duration=finite(document["durationSeconds"]),
            interval=finite(document["intervalSeconds"]),
            results=tuple(_read_path(one) for one in document["paths"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise DecodeError(f"it is damaged: {type(error).__name__}: {error}") from error


def _path(result: PathResult) -> JsonObject:
    return {
        "from": _place(result.path.source),
        "to": _place(result.path.target),
        "measures": [_measure(one) for one in result.measures],
    }


def _read_path(value: JsonObject) -> PathResult:
    path = Path(_read_place(value["from"]), _read_place(value["to"]))
    return PathResult(path, tuple(_read_measure(one) for one in value["measures"]))


def _place(place: Place) -> JsonObject:
    return {"context": place.context, "cluster": place.cluster, "node": place.node, "gateway": place.gateway}


def _read_place(value: JsonObject) -> Place:
    return Place(ClusterId(str(value["cluster"])), str(value["node"]), str(value["context"]), bool(value["gateway"]))


def _measure(measure: Measure) -> JsonObject:
    return {
        "protocol": measure.protocol,
        "ipFamily": measure.family,
        "nodesIpFamily": measure.nodes_family,
        "ratio": {name: _estimate(one) for name, one in measure.ratios.items()},
        "pods": _summary(measure.pods),
        "nodes": _summary(measure.nodes),
        "histogram": _histogram(measure.histogram),
        "blocks": [{"pods": _rounded(one.pods), "nodes": _rounded(one.nodes)} for one in measure.blocks],
    }


def _read_measure(value: JsonObject) -> Measure:
    return Measure(
        protocol=str(value["protocol"]),
        family=int(value["ipFamily"]),
        nodes_family=int(value["nodesIpFamily"]),
        pods=_read_summary(value["pods"]),
        nodes=_read_summary(value["nodes"]),
        ratios={str(name): _read_estimate(one) for name, one in value["ratio"].items()},
        blocks=tuple(Block(_positive(one["pods"]), _positive(one["nodes"])) for one in value["blocks"]),
        histogram=_read_histogram(value["histogram"]),
    )


def _summary(summary: Summary) -> JsonObject:
    times = {name: _round(getattr(summary, attribute)) for name, attribute in _TIMES.items()}
    return {"sent": summary.sent, "lost": summary.lost, "loss": round(summary.loss, 6), **times}


def _read_summary(value: JsonObject) -> Summary:
    times = {attribute: _float(value[name]) for name, attribute in _TIMES.items()}
    sent, lost = int(value["sent"]), int(value["lost"])
    if not 0 <= lost <= sent:
        raise ValueError(f"{lost} lost of {sent}")
    return Summary(sent=sent, lost=lost, **times)


def _estimate(estimate: Estimate) -> JsonObject:
    """An end that is not known is null: JSON has no infinity."""
    ends = {
        name: None if isinf(end) else round(end, 4) for name, end in (("low", estimate.low), ("high", estimate.high))
    }
    return {"value": round(estimate.value, 4), **ends}


def _read_estimate(value: JsonObject) -> Estimate:
    low, high = value["low"], value["high"]
    return Estimate(
        finite(value["value"]), -inf if low is None else finite(low), inf if high is None else finite(high)
    )


def _histogram(histogram: Histogram | None) -> JsonObject | None:
    if histogram is None:
        return None
    edges = [round(edge, 2) for edge in histogram.edges]
    return {"edges": edges, "pods": list(histogram.pods), "nodes": list(histogram.nodes)}


def _read_histogram(value: JsonObject | None) -> Histogram | None:
    if value is None:
        return None
    edges = tuple(finite(edge) for edge in value["edges"])
    pods, nodes = (tuple(int(count) for count in value[way]) for way in ("pods", "nodes"))
    if not len(edges) - 1 == len(pods) == len(nodes):
        raise ValueError("a histogram's edges and counts don't match")
    return Histogram(edges, pods, nodes)


def _positive(value: Mapping[str, Any]) -> dict[str, float]:
    found = {str(name): float(number) for name, number in value.items()}
    if any(not 0 < number < inf for number in found.values()):
        raise ValueError("a time is not positive")
    return found


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in values.items()}


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _float(value: Any) -> float | None:
    return None if value is None else finite(value)
