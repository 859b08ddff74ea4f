"""Which nodes are measured for what was asked, and what is said where that can't be."""

import pytest

from mcnet.model.cluster import ClusterId
from mcnet.model.errors import McnetError, UsageError
from mcnet.plan.latency_paths import CONNECTIONS, End, Side, choose, parse_end


def side(
    name: str, *connected: str, nodes: tuple[str, ...] = ("n1", "n2", "n3"), gateways: tuple[str, ...] = ("n2",)
) -> Side:
    return Side(
        context=f"{name}-admin",
        cluster=ClusterId(name),
        nodes=nodes,
        gateways=gateways,
        connected=frozenset(map(ClusterId, connected)),
    )


EAST, WEST, NORTH = side("east", "west"), side("west", "east"), side("north")


def named(sides: list[Side], source: End | None = None, target: End | None = None) -> list[str]:
    return [
        f"{path.source.cluster}/{path.source.node} {path.target.cluster}/{path.target.node}"
        for path in choose(sides, source, target)
    ]


def east(node: str = "") -> End:
    return End("east-admin", node)


def west(node: str = "") -> End:
    return End("west-admin", node)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        pytest.param(None, None, ["east/n2 west/n2", "east/n1 west/n1"], id="all-pairs-once-like-with-like"),
        pytest.param(west(), None, ["west/n2 east/n2", "west/n1 east/n1"], id="from-one-to-all"),
        pytest.param(None, west(), ["east/n2 west/n2", "east/n1 west/n1"], id="from-all-to-one"),
        pytest.param(east("n3"), west("n1"), ["east/n3 west/n1"], id="two-nodes"),
        pytest.param(east("n3"), west(), ["east/n3 west/n2", "east/n3 west/n1"], id="a-node-to-both-kinds"),
        pytest.param(east(), east(), ["east/n2 east/n1"], id="inside-of-a-cluster"),
        pytest.param(east("n1"), east("n1"), ["east/n1 east/n1"], id="a-node-to-itself-if-asked"),
        pytest.param(east("n1"), east(), ["east/n1 east/n2"], id="a-node-to-another-of-its-cluster"),
    ],
)
def test_paths(source: End | None, target: End | None, expected: list[str]) -> None:
    assert named([EAST, WEST, NORTH], source, target) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param({}, {"gateways": ("n1", "n2", "n3")}, ["east/n2 west/n1"], id="only-gateways-there"),
        pytest.param({"nodes": ("n2",)}, {"gateways": ()}, ["east/n2 west/n1"], id="no-two-alike"),
        pytest.param({"nodes": ("n1", "n3")}, {}, ["east/n1 west/n1"], id="the-gateway-is-not-ready"),
        pytest.param({"gateways": ("n3", "n1")}, {}, ["east/n3 west/n2", "east/n2 west/n1"], id="lowest-rail-first"),
    ],
)
def test_nodes_that_are_chosen(
    one: dict[str, tuple[str, ...]], other: dict[str, tuple[str, ...]], expected: list[str]
) -> None:
    assert named([side("east", "west", **one), side("west", "east", **other)]) == expected


@pytest.mark.parametrize(
    ("sides", "source", "target", "message", "hint"),
    [
        pytest.param(
            [EAST, NORTH], east(), End("north-admin"), "east and north are not connected", CONNECTIONS,
            id="not-connected",
        ),
        pytest.param([EAST, NORTH], None, None, "no two clusters of the", CONNECTIONS, id="nobody-is"),
        pytest.param(
            [NORTH, EAST], End("north-admin"), None, "north is not connected with any other", CONNECTIONS,
            id="one-is-not",
        ),
        pytest.param(
            [EAST], None, west(), "context west-admin is no member",
            "mcnet join broker-info.mcnet --context west-admin", id="no-member",
        ),
        pytest.param(
            [EAST, WEST], east("n9"), west(), r"east has no node n9 that is Ready \(Ready: n1, n2, n3\)",
            "kubectl --context east-admin get nodes", id="no-such-node",
        ),
        pytest.param(
            [EAST, side("west", nodes=())], east(), west(), "west has no node that is Ready",
            "kubectl --context west-admin get nodes", id="no-node",
        ),
    ],
)  # fmt: skip
def test_what_is_said(sides: list[Side], source: End | None, target: End | None, message: str, hint: str) -> None:
    with pytest.raises(McnetError, match=message) as caught:
        choose(sides, source, target)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("east", End("east")),
        ("east/n1", End("east", "n1")),
        ("arn:aws:eks:eu:1:cluster/west", End("arn:aws:eks:eu:1:cluster/west")),
        ("arn:aws:eks:eu:1:cluster/west/ip-10-0-0-1", End("arn:aws:eks:eu:1:cluster/west", "ip-10-0-0-1")),
    ],
)
def test_parse_end(text: str, expected: End) -> None:
    assert parse_end(text, ["east", "arn:aws:eks:eu:1:cluster/west"]) == expected


@pytest.mark.parametrize("text", ["", "north", "north/n1", "east/", "/n1", "east/n1/x"])
def test_what_names_no_context(text: str) -> None:
    with pytest.raises(UsageError, match=f"'{text}' names no context of the kubeconfig, which has east, west"):
        parse_end(text, ["west", "east"])
