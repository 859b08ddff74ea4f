"""`coredns-custom` (AKS, K3s): one key is ours."""

from ipaddress import ip_address

from mcnet.codec.corefile import decode
from mcnet.plan import coredns_custom, corefile

ADDRESS = ip_address("10.0.7.8")
THEIRS = {"test.server": "example.com:53 {\n    log\n    forward . 192.0.2.53\n}\n", "log.override": "log\n"}


def test_the_key_holds_the_same_block_as_a_corefile() -> None:
    for address, block in ((None, corefile.in_tree()), (ADDRESS, corefile.stub(ADDRESS))):
        found = coredns_custom.with_zone(THEIRS, address)
        assert found.why == ""
        assert corefile.without_zone(found.text) == ""
        assert block in found.text
        assert len(decode(found.text).blocks) == 1


def test_again_it_is_the_same() -> None:
    once = coredns_custom.with_zone({}, ADDRESS)
    assert coredns_custom.with_zone({coredns_custom.KEY: once.text}, ADDRESS) == once


def test_somebody_elses_key_for_the_zone_is_left_alone() -> None:
    data = THEIRS | {"lighthouse.server": "clusterset.local:53 {\n    forward . 10.0.0.9\n}\n"}
    found = coredns_custom.with_zone(data, ADDRESS)
    assert found.text == ""
    assert "lighthouse.server" in found.why
    assert found.lines == corefile.stub(ADDRESS)
