"""kube-dns (GKE): a stub domain in JSON that somebody else may have written."""

import json
from ipaddress import ip_address

import pytest

from mcnet.plan import kube_dns

FOUR, SIX = ip_address("10.4.7.8"), ip_address("fd00::7")
REAL = [
    None, "", "{}", "{ }\n", '{"acme.local": ["1.2.3.4"]}', '{\n  "internal": [ "169.254.169.254" ]\n}\n',
    '{"example.com": [\n  "8.8.8.8",\n  "8.8.4.4"\n], "other.example": ["192.0.2.1:5353"]}',
]  # fmt: skip
"""As the documents of Kubernetes and GKE have them."""


@pytest.mark.parametrize("text", REAL)
def test_the_zone_is_added_and_taken_away(text: str | None) -> None:
    made = kube_dns.with_stub(text, FOUR)
    assert made.why == ""
    before = json.loads(text) if text else {}
    assert json.loads(made.text) == before | {"clusterset.local": ["10.4.7.8"]}
    assert kube_dns.with_stub(made.text, FOUR) == made
    assert json.loads(kube_dns.with_stub(made.text, SIX).text)["clusterset.local"] == ["fd00::7"]
    if before:
        assert kube_dns.without_stub(made.text) == text
    else:
        assert not (kube_dns.without_stub(made.text) or "").strip(" {}\n")


def test_without_ours_nothing_changes() -> None:
    for text in REAL:
        if text is not None:
            assert kube_dns.without_stub(text) == text


@pytest.mark.parametrize("text", ["[", "[]", '"x"', '{"clusterset.local" : ["10.0.0.9"]}', "{'a': 1}"])
def test_what_is_not_understood_or_not_ours_is_left_alone(text: str) -> None:
    found = kube_dns.with_stub(text, FOUR)
    assert found.text == text
    assert found.why
    assert found.lines == '"clusterset.local": ["10.4.7.8"]'
