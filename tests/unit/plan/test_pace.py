"""The published pace: fast where the promise holds, never dear where there is much to probe."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.plan import pace

ROUND, PROBE = 0.0004, 0.000028
"""Seconds of processor time for a round and for a probe with its answer, rounded up from docs/decisions/prober.md."""
ECHOES = 2000
"""A second that a gateway's kernel answers."""


def load(paths: int, interval: float) -> float:
    """Share of a core that a prober takes."""
    return (ROUND + paths * PROBE) / interval


def test_the_promise_holds() -> None:
    found = pace.interval(pace.DEFAULT_INTERVAL, paths=2 * pace.PROMISED_CABLES, nodes=pace.PROMISED_NODES)
    assert found == pace.DEFAULT_INTERVAL
    assert pace.detection(found, pace.DEFAULT_MULTIPLIER) < pace.PROMISED


@pytest.mark.parametrize(
    ("interval", "multiplier", "seconds"),
    [(0.1, 3, 0.35), (0.1, 2, 0.25), (0.1, 1, 0.2), (1.0, 3, 3.05), (0.02, 3, 0.07), (5.0, 1, 10.0)],
)
def test_how_soon_a_lost_path_is_noticed(interval: float, multiplier: int, seconds: float) -> None:
    """In time, tests/unit/probe/test_ping.py has it."""
    assert pace.detection(interval, multiplier) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("wanted", "paths", "nodes", "seconds"),
    [
        (0.1, 0, 0, 0.1),
        (0.1, 40, 200, 0.1),
        (0.1, 41, 1, 0.2),
        (0.1, 1, 201, 0.2),
        (1.0, 41, 1, 1.0),
        (0.1, 8, 1000, 0.5),
        (0.1, 500, 3, 2.0),
        (0.1, 500 * 3 * 2, 3, 10.0),
        (0.1, 8000, 3, 20.0),
        (0.1, 8, 40000, 20.0),
        (60.0, 8000, 3, 60.0),
    ],
)
def test_from_the_table(wanted: float, paths: int, nodes: int, seconds: float) -> None:
    assert pace.interval(wanted, paths=paths, nodes=nodes) == pytest.approx(seconds)


def test_a_thousand_nodes_and_five_hundred_clusters() -> None:
    """Every node probes its cluster's eight gateways, every gateway those of 500 clusters with both families."""
    for gateways in (1, 3, 8):
        node = pace.interval(pace.DEFAULT_INTERVAL, paths=gateways, nodes=1000)
        assert load(gateways, node) < 0.02
        assert 1000 / node <= ECHOES
        cables = pace.interval(pace.DEFAULT_INTERVAL, paths=500 * gateways * 2)
        assert load(500 * gateways * 2, cables) < 0.02


@given(st.integers(0, 100_000), st.integers(0, 100_000), st.floats(0.1, 60))
def test_never_over_two_per_cent_and_never_faster_than_wanted(paths: int, nodes: int, wanted: float) -> None:
    found = pace.interval(wanted, paths=paths, nodes=nodes)
    assert found >= wanted
    assert load(paths, found) <= 0.02
    assert nodes / found <= ECHOES + 1e-6
    assert pace.interval(wanted, paths=paths + 1, nodes=nodes) >= found
    assert pace.interval(wanted, paths=paths, nodes=nodes + 1) >= found


def test_the_document_has_the_table() -> None:
    assert pace.table() in (Path(__file__).parents[3] / "docs" / "datapath.md").read_text()
