"""How a cluster's own DNS gets to answer `clusterset.local`, whichever it has, and how it is as before again.

Each kind of DNS has a planner of its own; here it is said which of them concern a cluster, and who answers in the
end: its CoreDNS where that can, else mcnet's DNS daemon.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mcnet.model.kernel import Address
from mcnet.plan import coredns_custom, corefile, kube_dns, openshift_dns
from mcnet.plan.corefile import Outcome

COREFILE: Final = "Corefile"


@dataclass(frozen=True, slots=True, order=True)
class ConfigMap:
    """Where a configuration stands."""

    namespace: str
    name: str


COREDNS: Final = ConfigMap("kube-system", "coredns")
CUSTOM: Final = ConfigMap("kube-system", coredns_custom.NAME)
NODE_LOCAL: Final = ConfigMap("kube-system", "node-local-dns")
KUBE_DNS: Final = ConfigMap("kube-system", "kube-dns")
MICROSHIFT: Final = ConfigMap("openshift-dns", "dns-default")
CONFIG_MAPS: Final = (COREDNS, CUSTOM, NODE_LOCAL, KUBE_DNS, MICROSHIFT)
"""All that are looked at."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a cluster has for its DNS."""

    maps: Mapping[ConfigMap, Mapping[str, str]] = field(default_factory=dict)
    """Those of CONFIG_MAPS that are there, with their data."""
    image: str = ""
    """CoreDNS's, of the pods that serve the cluster; "" if it is not known."""
    kube_dns: bool = False
    """Whether kube-dns serves the cluster: its ConfigMap need not be there, and may be without it."""
    servers: tuple[Mapping[str, Any], ...] | None = None
    """`spec.servers` of OpenShift's DNS operator; None where there is none."""


@dataclass(frozen=True, slots=True)
class Edit:
    """`key` of a ConfigMap should be `value`; None: it should not be there."""

    place: ConfigMap
    key: str
    value: str | None


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """What mcnet does not change, why, and the lines that somebody else would have to add."""

    place: str
    why: str
    lines: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`servers` are None where they stay as they are."""

    edits: tuple[Edit, ...] = ()
    servers: tuple[Mapping[str, Any], ...] | None = None
    left: tuple[LeftAlone, ...] = ()


def needs_daemon(found: Found) -> bool:
    """Whether mcnet's DNS daemon has to answer."""
    return not (_has_coredns(found) and corefile.answers_itself(found.image))


def plan(found: Found, address: Address | None) -> Plan:
    """What to change. `address` is the DNS daemon's, None where it is not needed."""
    edits, left = [], []
    for place, key, outcome in _outcomes(found, address):
        if outcome.why:
            left.append(LeftAlone(f"ConfigMap {place.namespace}/{place.name}", outcome.why, outcome.lines))
        elif outcome.text != found.maps.get(place, {}).get(key):
            edits.append(Edit(place, key, outcome.text))
    servers = None
    if found.servers is not None and address is not None:
        wanted = openshift_dns.with_server(found.servers, address)
        if wanted.why:
            left.append(LeftAlone("dns.operator.openshift.io default", wanted.why, str(openshift_dns.entry(address))))
        servers = wanted.servers if wanted.servers != found.servers else None
    if not found.maps and not found.kube_dns and found.servers is None:
        lines = corefile.in_tree() if address is None else corefile.stub(address)
        left.append(LeftAlone("the cluster's DNS", "it is none that mcnet knows", lines))
    return Plan(tuple(edits), servers, tuple(left))


def undo(found: Found) -> Plan:
    """What takes everything of mcnet's away."""
    edits = []
    for place, key in ((COREDNS, COREFILE), (NODE_LOCAL, COREFILE), (MICROSHIFT, COREFILE)):
        text = found.maps.get(place, {}).get(key, "")
        if (bare := corefile.without_zone(text)) != text:
            edits.append(Edit(place, key, bare))
    if coredns_custom.KEY in found.maps.get(CUSTOM, {}):
        edits.append(Edit(CUSTOM, coredns_custom.KEY, None))
    stubs = found.maps.get(KUBE_DNS, {}).get(kube_dns.KEY)
    if stubs is not None and (before := kube_dns.without_stub(stubs)) != stubs:
        edits.append(Edit(KUBE_DNS, kube_dns.KEY, before))
    without = openshift_dns.without_server(found.servers or ())
    return Plan(tuple(edits), without if without != (found.servers or ()) else None)


def _outcomes(found: Found, address: Address | None) -> Iterator[tuple[ConfigMap, str, Outcome]]:
    main = found.maps.get(COREDNS, {}).get(COREFILE)
    if main is not None and corefile.has_own_files(main):
        yield CUSTOM, coredns_custom.KEY, coredns_custom.with_zone(found.maps.get(CUSTOM, {}), address)
    elif main is not None:
        yield COREDNS, COREFILE, corefile.with_zone(main, address)
    if (local := found.maps.get(NODE_LOCAL, {}).get(COREFILE)) is not None:
        yield NODE_LOCAL, COREFILE, corefile.node_local(local)
    if found.kube_dns and address is not None:
        yield KUBE_DNS, kube_dns.KEY, kube_dns.with_stub(found.maps.get(KUBE_DNS, {}).get(kube_dns.KEY), address)
    micro = found.maps.get(MICROSHIFT, {}).get(COREFILE)
    if micro is not None and found.servers is None and address is not None:
        yield MICROSHIFT, COREFILE, corefile.with_zone(micro, address)


def _has_coredns(found: Found) -> bool:
    return COREFILE in found.maps.get(COREDNS, {}) and not found.kube_dns
