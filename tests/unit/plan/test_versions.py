"""Kubernetes versions as servers write them."""

import pytest

from mcnet.model.errors import McnetError
from mcnet.plan.versions import BROKER_MINIMUM, Minor, parse, require


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v1.37.2", Minor(1, 37)),
        ("v1.30.4-gke.100", Minor(1, 30)),
        ("1.28+", Minor(1, 28)),
        ("v1.29.3+k3s1", Minor(1, 29)),
        ("v0.0.0-master+$Format:%H$", None),
        ("", None),
    ],
)
def test_parse(text: str, expected: Minor | None) -> None:
    assert parse(text) == expected


def test_an_old_server_is_refused_with_both_versions() -> None:
    with pytest.raises(McnetError, match=r"the broker east runs Kubernetes v1\.29\.9, but mcnet needs 1\.30"):
        require("v1.29.9", BROKER_MINIMUM, "the broker east")


@pytest.mark.parametrize("text", ["v1.30.0", "v2.0.0", "unknown"])
def test_others_pass(text: str) -> None:
    require(text, BROKER_MINIMUM, "the broker")
