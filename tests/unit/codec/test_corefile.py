"""Corefiles as they are found: server blocks with their zones and directives, whatever stands between them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.corefile import Directive, Zone, decode
from mcnet.codec.errors import DecodeError
from tests.fakes import corefiles


@pytest.mark.parametrize(
    ("name", "zones", "imports"),
    [
        ("kubeadm", [["."]], ()), ("k3s", [["."]], ("/etc/coredns/custom/*.server",)),
        ("aks", [["."]], ("custom/*.server",)),
        ("nodelocal", [["cluster.local"], ["in-addr.arpa"], ["ip6.arpa"], ["."]], ()),
        ("openshift", [["."], ["hostname.bind"]], ()),
        ("kubespray", [["example.com", "internal.example.com"], ["."]], ()),
    ],
)  # fmt: skip
def test_blocks_and_imports(name: str, zones: list[list[str]], imports: tuple[str, ...]) -> None:
    found = decode(corefiles.ALL[name])
    assert [[zone.name for zone in block.zones] for block in found.blocks] == zones
    assert found.imports == imports


def test_directives_have_their_arguments_and_their_text() -> None:
    (block,) = decode(corefiles.KUBEADM).blocks
    assert [one.name for one in block.directives] == [
        "errors", "health", "ready", "kubernetes", "prometheus", "forward", "cache", "loop", "reload", "loadbalance",
    ]  # fmt: skip
    assert block.all("forward") == (
        Directive(
            "forward", (".", "/etc/resolv.conf"), "forward . /etc/resolv.conf {\n       max_concurrent 1000\n    }"
        ),
    )
    assert block.all("kubernetes")[0].arguments == ("cluster.local", "in-addr.arpa", "ip6.arpa")


@pytest.mark.parametrize(
    ("key", "zone"),
    [
        (".", Zone(".", 53, True)), (".:5353", Zone(".", 5353, True)),
        ("Example.COM.:53", Zone("example.com", 53, True)),
        ("dns://a.b:1053", Zone("a.b", 1053, True)), ("tls://.:853", Zone(".", 853, False)),
        ("https://a.b", Zone("a.b", 53, False)), ("10.0.0.0/24", Zone("10.0.0.0/24", 53, True)),
    ],
)  # fmt: skip
def test_what_a_key_serves(key: str, zone: Zone) -> None:
    assert decode(f"{key} {{\n errors\n}}\n").blocks[0].zones == (zone,)


def test_keys_may_stand_on_several_lines_with_commas() -> None:
    (block,) = decode("a:53, b:53,\nc:53 {\n}\n").blocks
    assert [zone.name for zone in block.zones] == ["a", "b", "c"]


def test_comments_quotes_and_snippets() -> None:
    text = """# . { no block
(common) {
    errors # not } the end
}
. { # begins
    import common
    # } neither
    rewrite name "a } # b" "two
lines {"
    health { lameduck 5s }
    log
}
"""
    (block,) = decode(text).blocks
    assert [one.name for one in block.directives] == ["import", "rewrite", "health", "log"]
    assert block.all("rewrite")[0].arguments == ("name", '"a } # b"', '"two\nlines {"')


@pytest.mark.parametrize(
    "text",
    [
        ". {\n errors\n",
        ".\nerrors\n",
        "{\n}\n",
        ". {\n}\n}\n",
        '. {\n log "x\n}\n',
        ". {\n cache {\n }\n",
        ".",
        "a\nb {\n}",
    ],
)
def test_what_is_no_corefile_is_told(text: str) -> None:
    with pytest.raises(DecodeError, match="Corefile"):
        decode(text)


def test_an_empty_one_has_no_blocks() -> None:
    assert decode("# nothing\n\n").blocks == ()


@given(st.text(st.sampled_from('.a{}"#\n \\,:'), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        decode(text)
    except DecodeError:
        return
