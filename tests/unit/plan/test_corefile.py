"""CoreDNS's Corefile: our block comes and goes, and not a byte of the rest changes."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.corefile import decode
from mcnet.plan import corefile
from mcnet.plan.corefile import BEGIN, END, Outcome
from tests.fakes import corefiles

FOUR, SIX = ip_address("10.96.7.8"), ip_address("fd00::7")
NAMES = "ns.dns.clusterset.local. hostmaster.clusterset.local."
ROOTED = sorted(corefiles.ALL.keys() - {"nodelocal"})


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("registry.k8s.io/coredns/coredns:v1.12.2", (1, 12, 2)),
        ("registry.k8s.io/coredns/coredns:v1.11.3@sha256:0123", (1, 11, 3)),
        ("rancher/mirrored-coredns-coredns:1.12.0", (1, 12, 0)),
        ("602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/coredns:v1.11.4-eksbuild.2", (1, 11, 4)),
        ("mcr.microsoft.com/oss/v2/kubernetes/coredns:v1.12.1-14", (1, 12, 1)),
        ("localhost:5000/coredns:1.13.0", (1, 13, 0)), ("localhost:5000/coredns", None),
        ("quay.io/openshift/coredns@sha256:0123", None), ("coredns:latest", None), ("coredns:v1.12", None),
        ("coredns:1.12.2.3", None), ("", None), ("127.0.0.1:1.2.3/coredns", None),
    ],
)  # fmt: skip
def test_the_version_by_the_image(image: str, version: tuple[int, int, int] | None) -> None:
    assert corefile.version_of(image) == version


@pytest.mark.parametrize(
    ("tag", "itself"),
    [("v1.12.1", False), ("v1.12.2", True), ("1.12.10", True), ("v1.13.0", True), ("v2.0.0", True), ("v1.9.4", False),
     ("latest", False)],
)  # fmt: skip
def test_from_which_version_on_it_answers_by_itself(tag: str, itself: bool) -> None:
    assert corefile.answers_itself(f"registry.k8s.io/coredns/coredns:{tag}") is itself


def test_a_coredns_that_is_new_enough_gets_its_plugin_in_a_block_of_its_own() -> None:
    assert corefile.with_zone(corefiles.KUBEADM, None) == Outcome(
        f"""{BEGIN}
clusterset.local:53 {{
    errors
    template IN TXT dns-version.clusterset.local {{
        match ^dns-version[.]clusterset[.]local[.]$
        answer "{{{{ .Question.Name }}}} 28800 IN TXT 1.0.0"
        fallthrough
    }}
    template IN ANY dns-version.clusterset.local {{
        match ^dns-version[.]clusterset[.]local[.]$
        authority "clusterset.local. 5 IN SOA {NAMES} 1 7200 1800 86400 5"
        fallthrough
    }}
    kubernetes clusterset.local {{
        multicluster clusterset.local
        ttl 5
    }}
    loadbalance
}}
{END}
{corefiles.KUBEADM}"""
    )


BEFORE = f"""{BEGIN}
clusterset.local:53 {{
    errors
    kubernetes clusterset.local {{
        multicluster clusterset.local
        ttl 5
    }}
    loadbalance
}}
{END}
"""
"""What was written before `dns-version` had an answer of its own."""


def test_what_an_earlier_mcnet_wrote_is_replaced() -> None:
    made = corefile.with_zone(corefiles.KUBEADM, None)
    assert corefile.with_zone(BEFORE + corefiles.KUBEADM, None) == made
    assert corefile.without_zone(BEFORE + corefiles.KUBEADM) == corefiles.KUBEADM


def test_an_older_one_forwards() -> None:
    assert corefile.with_zone(corefiles.KUBEADM, FOUR).text == (
        f"{BEGIN}\nclusterset.local:53 {{\n    errors\n    forward . 10.96.7.8\n}}\n{END}\n{corefiles.KUBEADM}"
    )
    assert "forward . [fd00::7]:53\n" in corefile.with_zone(corefiles.KUBEADM, SIX).text


@pytest.mark.parametrize("name", ROOTED)
@pytest.mark.parametrize("address", [None, FOUR, SIX])
def test_it_can_be_done_twice_changed_and_undone(name: str, address: object) -> None:
    text = corefiles.ALL[name]
    assert address is None or address in (FOUR, SIX)
    once = corefile.with_zone(text, address)  # type: ignore[arg-type]
    assert once.why == ""
    assert corefile.with_zone(once.text, address) == once  # type: ignore[arg-type]
    assert corefile.with_zone(corefile.with_zone(text, FOUR).text, address) == once  # type: ignore[arg-type]
    assert corefile.without_zone(once.text) == text
    assert len(decode(once.text).blocks) == len(decode(text).blocks) + 1


def test_the_block_has_the_port_and_the_addresses_of_the_main_one() -> None:
    assert "clusterset.local:5353 {" in corefile.with_zone(corefiles.OPENSHIFT, FOUR).text
    bound = corefiles.KUBEADM.replace("    errors\n", "    bind 10.0.0.1 10.0.0.2\n    errors\n")
    assert "\n    bind 10.0.0.1 10.0.0.2\n    errors\n    forward" in corefile.with_zone(bound, FOUR).text
    two = corefiles.KUBEADM.replace(".:53 {", ".:53 .:1053 tls://.:853 {")
    made = corefile.with_zone(two, FOUR).text
    assert [zone.port for block in decode(made).blocks[:2] for zone in block.zones] == [53, 1053]
    assert corefile.without_zone(made) == two


def test_what_its_owner_changed_beside_our_block_stays() -> None:
    made = corefile.with_zone(corefiles.KUBEADM, FOUR).text
    changed = "example.com {\n forward . 1.1.1.1\n}\n" + made.replace("cache 30", "cache 60")
    assert corefile.with_zone(changed, FOUR).text != changed, "ours comes first again"
    assert corefile.without_zone(changed) == "example.com {\n forward . 1.1.1.1\n}\n" + corefiles.KUBEADM.replace(
        "cache 30", "cache 60"
    )


THEIRS = [
    "clusterset.local:53 {\n    forward . 10.0.0.9\n}\n" + corefiles.KUBEADM,
    "#lighthouse-start AUTO-GENERATED SECTION. DO NOT EDIT\nclusterset.local:53 {\n    forward . 10.0.0.9\n}\n"
    "#lighthouse-end\n" + corefiles.KUBEADM,
    corefiles.KUBEADM.replace("cluster.local in-addr", "cluster.local clusterset.local in-addr", 1),
    corefiles.KUBEADM.replace("ttl 30", "multicluster"),
    corefiles.KUBEADM.replace("    cache 30", "    forward clusterset.local 10.0.0.9\n    cache 30"),
    "west.clusterset.local {\n errors\n}\n" + corefiles.KUBEADM,
]
ODD = [
    "", "# nothing\n", ".\nerrors\n", ".:53 {\n errors\n", corefiles.KUBEADM + corefiles.KUBEADM,
    "example.com {\n errors\n}\n", "tls://. {\n errors\n}\n",
]  # fmt: skip


@pytest.mark.parametrize("text", [*THEIRS, *ODD])
@pytest.mark.parametrize("address", [None, FOUR])
def test_what_is_not_ours_or_not_understood_is_left_alone_and_the_lines_are_told(text: str, address: object) -> None:
    found = corefile.with_zone(text, address)  # type: ignore[arg-type]
    assert found.text == text
    assert found.why
    assert found.lines == (corefile.in_tree() if address is None else corefile.stub(FOUR))
    assert decode(found.lines).blocks


def test_the_node_local_cache_sends_the_zone_where_it_sends_the_clusters() -> None:
    found = corefile.node_local(corefiles.NODE_LOCAL)
    assert found == Outcome(
        f"""{BEGIN}
clusterset.local:53 {{
    bind 169.254.20.10 10.96.0.10
    errors
    forward . __PILLAR__CLUSTER__DNS__ {{
            force_tcp
    }}
}}
{END}
{corefiles.NODE_LOCAL}"""
    )
    assert corefile.node_local(found.text) == found
    assert corefile.without_zone(found.text) == corefiles.NODE_LOCAL


@pytest.mark.parametrize("text", [corefiles.KUBEADM, "", "x", "clusterset.local {\n}\n" + corefiles.NODE_LOCAL])
def test_a_node_local_cache_that_is_not_understood_is_left_alone(text: str) -> None:
    found = corefile.node_local(text)
    assert (found.text, bool(found.why), bool(found.lines)) == (text, True, True)


@pytest.mark.parametrize("name", sorted(corefiles.ALL))
def test_whose_owner_has_files_of_his_own(name: str) -> None:
    assert corefile.has_own_files(corefiles.ALL[name]) is (name in ("aks", "k3s"))
    assert not corefile.has_own_files("{")


@given(st.sampled_from(ROOTED), st.text(st.sampled_from("# a\n\t\r"), max_size=20), st.sampled_from([None, FOUR]))
def test_whatever_stands_around_the_blocks_stays(name: str, around: str, address: object) -> None:
    lines = "".join(f"#{line}\n" for line in around.split("\n"))
    for text in (lines + corefiles.ALL[name], corefiles.ALL[name] + lines, corefiles.ALL[name].rstrip("\n")):
        made = corefile.with_zone(text, address)  # type: ignore[arg-type]
        assert made.why == ""
        assert corefile.without_zone(made.text) == text


@given(st.text(max_size=60))
def test_any_text_is_given_back(text: str) -> None:
    made = corefile.with_zone(text, FOUR)
    assert made.text == text if made.why else corefile.without_zone(made.text) == text
