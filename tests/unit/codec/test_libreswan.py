"""pluto's files, read back as ipsec.conf(5) says, and its status as 4.10 printed it."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.errors import DecodeError
from mcnet.codec.libreswan import config, parse_status, secrets
from mcnet.model.libreswan import IkeConnection, IkeEnd, PlutoStatus

STATUS = """\
000 using kernel interface: xfrm
000  
000 interface wan0 UDP 192.0.2.1:4524
000 interface wan0 UDP [2001:db8::1]:4524
000 interface lo UDP 127.0.0.1:500
000  
000 config setup options:
000  
000 configdir=/etc, configfile=/f/ipsec.conf, secrets=/f/ipsec.secrets, ipsecdir=/etc/ipsec.d
000  
000 Connection list:
000  
000 "mcnet-6c000010-4-0a": 0.0.0.0/0===192.0.2.1:4524[@a.n1.epoch_0]...192.0.2.2:4524[@b.n1.epoch_0]===0.0.0.0/0; erouted; eroute owner: #15
000 "mcnet-6c000010-4-0a":     oriented; my_ip=unset; their_ip=unset; my_updown=<disabled>;
000 "mcnet-6c000010-4-0a":   policy: IKEv2+PSK+ENCRYPT+TUNNEL+PFS+UP+OVERLAPIP+IKE_FRAG_ALLOW+ESN_NO+ESN_YES;
000 "mcnet-6c000010-4-0a":   newest IKE SA: #1; newest IPsec SA: #15; conn serial: $7;
000 "mcnet-6c000010-6-0b": ::/0===192.0.2.1:4524[@a.n1.epoch_0]...192.0.2.2:4524[@b.n1.epoch_0]===::/0; unrouted; eroute owner: #0
000 "mcnet-6c000018-4-0c": 0.0.0.0/0===192.0.2.1:4524[@a.n1.epoch_0]...192.0.2.3:4524[@c.n1.epoch_0]===0.0.0.0/0; unrouted; eroute owner: #0
000 "mcnet-6c000018-6-0d": ::/0===192.0.2.1:4524[@a.n1.epoch_0]...192.0.2.3:4524[@c.n1.epoch_0]===::/0; prospective erouted; eroute owner: #0
000  
000 Total IPsec connections: loaded 4, active 1
000  
000 State Information: DDoS cookies not required, Accepting new IKE connections
000 IKE SAs: total(2), half-open(1), open(0), authenticated(1), anonymous(0)
000 IPsec SAs: total(1), authenticated(1), anonymous(0)
000  
000 #1: "mcnet-6c000010-4-0a":4524 STATE_V2_ESTABLISHED_IKE_SA (established IKE SA); REKEY in 28669s; REPLACE in 28691s; newest; idle;
000 #15: "mcnet-6c000010-4-0a":4524 STATE_V2_ESTABLISHED_CHILD_SA (established Child SA); LIVENESS in 1s; REKEY in 7s; newest; eroute owner; IKE SA #1; idle;
000 #15: "mcnet-6c000010-4-0a" esp.d37f323c@192.0.2.2 esp.6bd203cb@192.0.2.1 tun.0@192.0.2.2 tun.0@192.0.2.1 Traffic: ESPin=46KB ESPout=46KB ESPmax=2^63B 
000 #22: "mcnet-6c000018-4-0c":4524 STATE_V2_PARENT_I1 (sent IKE_SA_INIT request); RETRANSMIT in 0s; idle;
000 #22: pending CHILD SA for "mcnet-6c000018-4-0c"
000 #22: pending CHILD SA for "mcnet-6c000018-6-0d"
"""  # noqa: E501, W291


def test_status() -> None:
    names = [f"mcnet-6c0000{one}" for one in ("10-4-0a", "10-6-0b", "18-4-0c", "18-6-0d")]
    assert parse_status(STATUS) == PlutoStatus(
        connections=frozenset(names),
        established=frozenset({names[0]}),
        under_way=((names[2], "sent IKE_SA_INIT request"), (names[3], "pending CHILD SA")),
        listening=frozenset({
            (ip_address("192.0.2.1"), 4524), (ip_address("2001:db8::1"), 4524), (ip_address("127.0.0.1"), 500),
        }),
    )  # fmt: skip


def test_a_status_that_is_cut_off_is_none() -> None:
    with pytest.raises(DecodeError, match="status of pluto: it is cut off"):
        parse_status("whack: is Pluto running?\n")


@given(st.lists(st.sampled_from(STATUS.splitlines()) | st.text(max_size=60)), st.data())
def test_any_lines_give_a_status_or_one_error(lines: list[str], data: st.DataObject) -> None:
    text = "\n".join(line[: data.draw(st.integers(0, len(line)))] for line in lines)
    try:
        status = parse_status(text)
    except DecodeError:
        return
    assert not {name for name, _ in status.under_way} & status.established
    assert all(0 <= port <= 65535 for _, port in status.listening)


addresses = st.ip_addresses(v=4) | st.ip_addresses(v=6)
identities = st.from_regex(r"[a-z0-9]{1,8}(\.[a-z0-9-]{1,8}){1,4}\.epoch_[0-9]{1,4}", fullmatch=True)
ike_ends = st.builds(IkeEnd, identities, addresses, st.integers(1024, 65535))
connections = st.builds(
    IkeConnection,
    st.from_regex(r"mcnet-6c[0-9a-f]{6}-[46]-[0-9a-f]{12}", fullmatch=True),
    ike_ends,
    ike_ends,
    st.sampled_from([4, 6]),
    st.integers(0x6C000000, 0x6DFFFFFF),
    st.booleans(),
    st.binary(min_size=32, max_size=32),
)


def sections(text: str) -> dict[str, dict[str, str]]:
    """By name, each with its settings; a setting that stands twice fails the test."""
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if line and not line.startswith(" "):
            found[line] = {}
        elif line:
            key, _, value = line.strip().partition("=")
            assert key not in found[[*found][-1]]
            found[[*found][-1]][key] = value
    return found


@given(st.lists(connections, max_size=4, unique_by=lambda one: one.name))
def test_every_connection_is_in_the_configuration_and_no_secret(made: list[IkeConnection]) -> None:
    text = config(made)
    found = sections(text)
    assert found.keys() == {"config setup", *(f"conn {one.name}" for one in made)}
    for one in made:
        section = found[f"conn {one.name}"]
        for side, end in (("left", one.local), ("right", one.remote)):
            assert ip_address(section[side]) == end.address
            assert section[f"{side}id"] == f"@{end.identity}"
            assert section[f"{side}ikeport"] == str(end.port)
            assert section[f"{side}subnet"] == {4: "0.0.0.0/0", 6: "::/0"}[one.family]
        assert section["ipsec-interface"] == str(one.if_id)
        assert (section["rekey"], section.get("dpdaction")) == (("yes", "restart") if one.begins else ("no", None))
        assert one.secret.hex() not in text
    assert config(reversed(made)) == text


def test_suites_are_one_each_and_nothing_else_is_spoken() -> None:
    one = IkeConnection(
        "mcnet-6c000010-4-0a",
        IkeEnd("a.n1.epoch_0", ip_address("192.0.2.1"), 4524),
        IkeEnd("b.n1.epoch_0", ip_address("192.0.2.2"), 4524),
        4,
        0x6C000010,
        begins=True,
        secret=bytes(32),
    )
    found = sections(config([one]))
    section = found["conn mcnet-6c000010-4-0a"]
    assert found["config setup"]["ikev1-policy"] == "drop"
    assert {key: section[key] for key in ("ikev2", "ike", "esp", "pfs", "authby", "encapsulation")} == {
        "ikev2": "insist",
        "ike": "aes_gcm256-sha2_512-dh19",
        "esp": "aes_gcm256-null-dh19",
        "pfs": "yes",
        "authby": "secret",
        "encapsulation": "yes",
    }
    assert secrets([one, replace(one, family=6)]) == f"@a.n1.epoch_0 @b.n1.epoch_0 : PSK 0x{'00' * 32}\n"


@given(st.lists(connections, max_size=4))
def test_each_pair_of_identities_has_its_secret(made: list[IkeConnection]) -> None:
    lines = secrets(made).splitlines()
    assert {tuple(line.split()) for line in lines} == {
        (f"@{one.local.identity}", f"@{one.remote.identity}", ":", "PSK", f"0x{one.secret.hex()}") for one in made
    }
