"""The pages whose screens are run: parsing, comparing, rewriting. (The walk itself is tests/e2e's.)"""

import pytest

from tests.e2e.walkthrough import Step, differs, neutral, rewritten, steps

PAGE = """# Title

```console
$ mcnet show connections
CLUSTER   STATE       RTT
east      connected   0.31 ms
$ mcnet leave
```

```sh
$ not run
```

```console
$ mcnet benchmark latency
first line
…
```
"""


def test_commands_and_their_screens() -> None:
    assert steps(PAGE) == [
        Step("mcnet show connections", ("CLUSTER   STATE       RTT", "east      connected   0.31 ms")),
        Step("mcnet leave", ()),
        Step("mcnet benchmark latency", ("first line", "…")),
    ]


def test_a_page_is_rewritten_but_for_what_stands_for_anything() -> None:
    written = rewritten(PAGE, ["NEW\nSCREEN\n", "gone\n", "first line\nmuch more\n"])
    assert "$ mcnet show connections\nNEW\nSCREEN\n$ mcnet leave\ngone\n```" in written
    assert "first line\n…\n```" in written
    assert "$ not run" in written


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        (["east   connected   0.31 ms"], "east  connected  1.2 s\n", True),
        (["east connected"], "east error\n", False),
        (["one", "…"], "one\ntwo\nthree\n", True),
        (["one", "…"], "one\n", True),
        (["one", "…", "last"], "one\ntwo\nlast\n", True),
        (["one", "…", "last"], "one\ntwo\n", False),
        ([], "", True),
        ([], "something\n", False),
        (["one"], "", False),
    ],
)
def test_screens_agree_but_for_numbers(expected: list[str], printed: str, same: bool) -> None:
    assert (differs(expected, printed) == "") == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10.66.146.2  3m", "10.99.1.200 12s"),
        ("pod mcnet-discovery-6f7c9d8b5-x2x4z is", "pod mcnet-discovery-7d9f8c6b4d-abcde is"),
        ("p50 ▇▇▇█ 1.2 ms", "p50 ▁ 900 µs"),
        ("image localhost/mcnet:0.1.0-6a8f76764643  default", "image  localhost/mcnet:0.2.0-00ff  default"),
    ],
)
def test_what_differs_by_run_is_neutral(one: str, other: str) -> None:
    assert neutral(one) == neutral(other)
