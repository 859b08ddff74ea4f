"""Units and counts in the tables."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mcnet.show import forms


@pytest.mark.parametrize(
    ("form", "row", "text"),
    [
        (forms.milliseconds, {"x": 0.00123}, "1.23 ms"),
        (forms.milliseconds, {}, ""),
        (forms.percent, {"x": 0.5}, "50 %"),
        (forms.bit_rate, {}, ""),
        (forms.bit_rate, {"x": None}, ""),
        (forms.bit_rate, {"x": 0}, "0 bit/s"),
        (forms.bit_rate, {"x": 999}, "999 bit/s"),
        (forms.bit_rate, {"x": 1000}, "1.00 kbit/s"),
        (forms.bit_rate, {"x": 9_994}, "9.99 kbit/s"),
        (forms.bit_rate, {"x": 9_996}, "10.0 kbit/s"),
        (forms.bit_rate, {"x": 99_960}, "100 kbit/s"),
        (forms.bit_rate, {"x": 999_499}, "999 kbit/s"),
        (forms.bit_rate, {"x": 999_500}, "1.00 Mbit/s"),
        (forms.bit_rate, {"x": 941_000_000}, "941 Mbit/s"),
        (forms.bit_rate, {"x": 1_250_000_000}, "1.25 Gbit/s"),
        (forms.bit_rate, {"x": 2_500_000_000_000_000}, "2500 Tbit/s"),
        (forms.yes, {"x": False}, ""),
        (forms.yes_or_no, {"x": False}, "no"),
        (forms.yes_or_no, {}, ""),
        (forms.connected, {"x": 1, "cables": 2}, "1 of 2"),
        (forms.of_desired, {"x": 1, "desired": 3}, "1 of 3"),
        (forms.of_desired, {"x": 1}, ""),
        (forms.age, {"x": ""}, ""),
        (forms.age, {"x": "yesterday"}, ""),
        (forms.few, {"x": ["a", "b", "c", "d"]}, "a, b, c, d"),
        (forms.few, {"x": ["a", "b", "c", "d", "e"]}, "a, b, c and 2 more"),
        (forms.versions, {"x": {"1": ["n1", "n2"]}}, "1"),
        (forms.versions, {"x": {"1": ["n1"], "": ["n2"]}}, "1 (1), not reported (1)"),
        (forms.versions, {}, ""),
        (forms.images, {"x": {"i:1": 2, "i:2": 1}}, "i:1 (2), i:2 (1)"),
        (forms.port, {"x": "4520", "protocol": "udp"}, "UDP 4520"),
        (forms.side, {"x": "nodes", "xAddresses": ["192.0.2.1"]}, "192.0.2.1 (nodes)"),
        (forms.side, {"x": "nodes", "xAddresses": []}, "nodes"),
        (forms.need, {"x": True}, "required"),
        (
            forms.service_ports,
            {"x": [{"protocol": "TCP", "port": 80}, {"protocol": "UDP", "port": 53}]},
            "80, 53/UDP",
        ),
        (forms.service_ports, {"x": [{"protocol": "TCP", "port": at} for at in range(1, 9)]}, "1, 2, 3 and 5 more"),
        (forms.endpoints, {"x": [{"cluster": "east", "ready": 1, "total": 2}]}, "east 1/2"),
        (forms.endpoints, {}, ""),
    ],
)
def test_forms(form: Any, row: dict[str, Any], text: str) -> None:
    assert form(row, "x") == text


def test_ages_with_and_without_a_zone() -> None:
    moment = datetime.now(UTC) - timedelta(days=2, hours=3, minutes=30)
    assert forms.age({"x": moment.isoformat()}, "x") == "2d3h"
    assert forms.age({"x": moment.replace(tzinfo=None).isoformat()}, "x") == "2d3h"
