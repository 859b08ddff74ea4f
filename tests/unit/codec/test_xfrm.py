"""What `ip xfrm` lists: only what bears an interface id of ours is removed, whatever else is there."""

from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.xfrm import forget_policies, forget_states
from mcnet.model.ownership import libreswan_if_id

STATES = """\
src 2001:db8::3 dst 2001:db8::1
\tproto esp spi 0x16e9f5a9 reqid 16425 mode tunnel
\treplay-window 0 flag af-unspec esn
\toutput-mark 0x6c000005/0xffffffff
\taead rfc4106(gcm(aes)) 0x0102 128
\tencap type espinudp sport 4524 dport 4524 addr ::
\tlastused 2026-11-26 03:42:23
\tanti-replay esn context:
\t seq-hi 0x0, seq 0x3, oseq-hi 0x0, oseq 0x0
\t 00000000 00000000 00000000 00000007
\tif_id 0x6c000005
src 203.0.113.1 dst 203.0.113.2
\tproto esp spi 0x00001234 reqid 7 mode tunnel
\treplay-window 0
\taead rfc4106(gcm(aes)) 0x0102 128
src 203.0.113.1 dst 203.0.113.3
\tproto esp spi 0x00001235 reqid 7 mode tunnel
\tif_id 0x1
src 192.0.2.2 dst 192.0.2.1
\tproto esp spi 0x8bcb7807 reqid 16417 mode tunnel
\tif_id 0x6d000004
"""

POLICIES = """\
src ::/0 dst ::/0
\tdir out priority 1769729 ptype main
\ttmpl src 2001:db8::1 dst 2001:db8::3
\t\tproto esp reqid 16425 mode tunnel
\tif_id 0x6c000005
src 0.0.0.0/0 dst 0.0.0.0/0
\tdir fwd priority 1769729 ptype main
\ttmpl src 192.0.2.2 dst 192.0.2.1
\t\tproto esp reqid 16413 mode tunnel
\tif_id 0x6d000004
src 203.0.113.0/25 dst 203.0.113.128/25
\tdir out priority 0 ptype main
\ttmpl src 203.0.113.1 dst 203.0.113.2
\t\tproto esp reqid 7 mode tunnel
src ::/0 dst ::/0
\tsocket out priority 0 ptype main
src ::/0 dst ::/0 proto ipv6-icmp type 135
\tdir in priority 1 ptype main
"""


def test_states_of_others_stay() -> None:
    assert forget_states(STATES) == (
        "xfrm state delete src 2001:db8::3 dst 2001:db8::1 proto esp spi 0x16e9f5a9",
        "xfrm state delete src 192.0.2.2 dst 192.0.2.1 proto esp spi 0x8bcb7807",
    )


def test_policies_of_others_stay() -> None:
    assert forget_policies(POLICIES) == (
        "xfrm policy delete src ::/0 dst ::/0 dir out if_id 0x6c000005",
        "xfrm policy delete src 0.0.0.0/0 dst 0.0.0.0/0 dir fwd if_id 0x6d000004",
    )


@given(st.lists(st.integers(1, (1 << 32) - 1) | st.builds(libreswan_if_id, st.integers(0, 9), st.integers(0, 1))))
def test_ours_and_no_others(if_ids: list[int]) -> None:
    listing = "".join(
        f"src 192.0.2.1 dst 192.0.2.2\n\tproto esp spi {number:#x} reqid 1 mode tunnel\n\tif_id {if_id:#x}\n"
        for number, if_id in enumerate(if_ids, 1)
    )
    ours = [number for number, if_id in enumerate(if_ids, 1) if 0x6C000000 <= if_id <= 0x6DFFFFFF]
    assert forget_states(listing) == tuple(
        f"xfrm state delete src 192.0.2.1 dst 192.0.2.2 proto esp spi {number:#x}" for number in ours
    )


@given(st.text(st.sampled_from("srcdt proespiif_x0123456789:./\n\t")))
def test_nothing_that_is_no_listing_matters(text: str) -> None:
    assert all(line.startswith("xfrm state delete src ") for line in forget_states(text))
    assert all(line.startswith("xfrm policy delete src ") for line in forget_policies(text))
