"""Host firewalls as real programs write them, for tests: each a shell script to run in a node's namespace.

`{trusted}` are the devices of the cluster's own network and pods, which the machine's owner has opened.
"""

FIREWALLD = """nft -f - <<'END'
table inet firewalld
delete table inet firewalld
table inet firewalld {{
  chain filter_INPUT {{
    type filter hook input priority filter + 10; policy accept;
    ct state {{ established, related }} accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    jump filter_INPUT_ZONES
    reject with icmpx admin-prohibited
  }}
  chain filter_FORWARD {{
    type filter hook forward priority filter + 10; policy accept;
    ct state {{ established, related }} accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    jump filter_FORWARD_ZONES
    reject with icmpx admin-prohibited
  }}
  chain filter_INPUT_ZONES {{
    iifname {{ {trusted} }} goto filter_IN_trusted
    goto filter_IN_public
  }}
  chain filter_FORWARD_ZONES {{
    goto filter_FWD_public
  }}
  chain filter_IN_trusted {{
    udp dport {{ 4800, 4520 }} reject with icmpx admin-prohibited
    accept
  }}
  chain filter_IN_public {{
    jump filter_IN_public_allow
    meta l4proto {{ icmp, ipv6-icmp }} accept
    reject with icmpx admin-prohibited
  }}
  chain filter_IN_public_allow {{
    tcp dport 22 accept
    ip6 daddr fe80::/64 udp dport 546 accept
  }}
  chain filter_FWD_public {{
    iifname {{ {trusted} }} oifname {{ {trusted} }} accept
    reject with icmpx admin-prohibited
  }}
}}
END
"""
"""firewalld 1.3 with the nftables backend: zones reached by goto, a final reject. Running it again is a reload."""

RHEL = """
iptables -w -F INPUT; iptables -w -F FORWARD
iptables -w -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -w -A INPUT -p icmp -j ACCEPT
iptables -w -A INPUT -i lo -j ACCEPT
iptables -w -A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
iptables -w -A INPUT -j REJECT --reject-with icmp-host-prohibited
iptables -w -A FORWARD -j REJECT --reject-with icmp-host-prohibited
"""
"""iptables-services of RHEL: rules of iptables-nft with a REJECT at their end."""

DOCKER = """
iptables -w -P FORWARD DROP
iptables -w -N DOCKER-USER; iptables -w -A DOCKER-USER -j RETURN
iptables -w -A FORWARD -j DOCKER-USER
iptables -w -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -w -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
"""
"""Docker's: nothing is forwarded but its own."""
