"""Node selectors and tolerations on the command line."""

import pytest

from mcnet.model.errors import UsageError
from mcnet.plan.scheduling import parse_selector, parse_tolerations


def test_selectors() -> None:
    assert parse_selector(["zone=a,role=net", "empty="]) == {"zone": "a", "role": "net", "empty": ""}
    assert parse_selector([]) == {}


@pytest.mark.parametrize("text", ["zone", "=a"])
def test_bad_selector(text: str) -> None:
    with pytest.raises(UsageError, match="is not a node selector"):
        parse_selector([text])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*", {"operator": "Exists"}),
        ("dedicated", {"key": "dedicated", "operator": "Exists"}),
        ("dedicated=net", {"key": "dedicated", "operator": "Equal", "value": "net"}),
        (
            "dedicated=net:NoSchedule",
            {"key": "dedicated", "operator": "Equal", "value": "net", "effect": "NoSchedule"},
        ),
        ("dedicated:NoExecute", {"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}),
    ],
)
def test_tolerations(text: str, expected: dict[str, str]) -> None:
    assert parse_tolerations([text]) == (expected,)


@pytest.mark.parametrize("text", ["", "=a", "a:Sometimes", "a:"])
def test_bad_toleration(text: str) -> None:
    with pytest.raises(UsageError, match="is not a toleration"):
        parse_tolerations([text])
