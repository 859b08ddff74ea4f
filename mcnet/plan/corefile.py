"""Brings CoreDNS to `clusterset.local` by a server block of our own in its Corefile, between two lines that mark it.

Everything else stays byte for byte, and taking our part away restores what was there. A Corefile that is not
understood, or in which somebody else serves the zone, is left alone; then the lines are told that its owner would
have to add.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mcnet.codec import corefile
from mcnet.codec.corefile import Block, Corefile, Zone
from mcnet.codec.errors import DecodeError
from mcnet.model.dns import ZONE
from mcnet.model.kernel import Address
from mcnet.plan.dns_answer import SCHEMA_TTL, SCHEMA_VERSION
from mcnet.plan.dns_zone import TTL

BEGIN: Final = "# mcnet begin: made by mcnet join, removed by mcnet leave"
END: Final = "# mcnet end"
DOMAIN: Final = ".".join(ZONE)
IN_TREE_SINCE: Final = (1, 12, 2)
"""The first CoreDNS whose `kubernetes` plugin has the option `multicluster`."""
_SOA: Final = f"{DOMAIN}. {TTL} IN SOA ns.dns.{DOMAIN}. hostmaster.{DOMAIN}. 1 7200 1800 86400 {TTL}"
"""As in all negative answers for the zone."""
_OURS: Final = re.compile(rf"^{re.escape(BEGIN)}\n.*?^{re.escape(END)}\n", re.DOTALL | re.MULTILINE)
_VERSION: Final = re.compile(r":v?(\d+)\.(\d+)\.(\d+)(?![\d.])[^:/]*$")
_REVERSE: Final = {"in-addr.arpa", "ip6.arpa"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A configuration as it should be. Where `why` is not "", it is left as it is, and `lines` are what its owner
    would have to add."""

    text: str
    why: str = ""
    lines: str = ""


def version_of(image: str) -> tuple[int, int, int] | None:
    """CoreDNS's version by its image's tag; None where that does not say."""
    found = _VERSION.search(image.partition("@")[0])
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def answers_itself(image: str) -> bool:
    """Whether this CoreDNS can answer the zone without help."""
    version = version_of(image)
    return version is not None and version >= IN_TREE_SINCE


def upstream(address: Address) -> str:
    """An address as `forward` takes it."""
    return str(address) if address.version == 4 else f"[{address}]:53"


def in_tree(port: int = 53, bind: Iterable[str] = ()) -> str:
    """The block by which a CoreDNS from IN_TREE_SINCE on answers by itself, but for `dns-version`: there the plugin
    has the version of the schema of a single cluster (1.1.0), and denies the name for all types but TXT."""
    plugin = [f"kubernetes {DOMAIN} {{", f"    multicluster {DOMAIN}", f"    ttl {TTL}", "}", "loadbalance"]
    return _block(port, (*bind, "errors", *_schema_version(), *plugin))


def _schema_version() -> list[str]:
    """What answers `dns-version`. Plugins run in an order of their own, in which `template` comes first; the second
    one answers, with no records, what the first one leaves."""
    version = f'answer "{{{{ .Question.Name }}}} {SCHEMA_TTL} IN TXT {SCHEMA_VERSION}"'
    return [*_template("TXT", version), *_template("ANY", f'authority "{_SOA}"')]


def _template(kind: str, record: str) -> list[str]:
    name = f"dns-version.{DOMAIN}"
    pattern = f"{name}.".replace(".", "[.]")
    return [f"template IN {kind} {name} {{", f"    match ^{pattern}$", f"    {record}", "    fallthrough", "}"]


def stub(address: Address, port: int = 53, bind: Iterable[str] = ()) -> str:
    """The block that hands the zone to the DNS daemon at `address`."""
    return _block(port, (*bind, "errors", f"forward . {upstream(address)}"))


def _block(port: int, lines: Iterable[str]) -> str:
    body = "".join(f"    {line}\n" for text in lines for line in text.split("\n"))
    return f"{DOMAIN}:{port} {{\n{body}}}\n"


def with_zone(text: str, address: Address | None) -> Outcome:
    """The Corefile of a CoreDNS that answers by itself (`address` None), or hands the zone to `address`."""

    def made(port: int, bind: tuple[str, ...]) -> str:
        return in_tree(port, bind) if address is None else stub(address, port, bind)

    bare = without_zone(text)
    try:
        read = corefile.decode(bare)
    except DecodeError as error:
        return Outcome(text, f"the Corefile is not understood: {error}", made(53, ()))
    if theirs := served(read):
        return Outcome(text, theirs, made(53, ()))
    roots = [block for block in read.blocks if any(zone.name == "." and zone.plain for zone in block.zones)]
    if len(roots) != 1:
        return Outcome(text, f"the Corefile has {len(roots)} server blocks for all names, not one", made(53, ()))
    ports = sorted({zone.port for zone in roots[0].zones if zone.name == "." and zone.plain})
    return _put(bare, "".join(made(port, _bind(roots[0])) for port in ports))


def node_local(text: str) -> Outcome:
    """The Corefile of a NodeLocal DNSCache: it sends the zone where it sends the cluster's own names. Nothing is kept
    in its cache: what the cluster's DNS says of a lost cluster must hold at once."""
    bare = without_zone(text)
    lines = _block(53, ("errors", "bind ADDRESSES as in the other blocks", "forward . THE CLUSTER'S DNS"))
    try:
        read = corefile.decode(bare)
    except DecodeError as error:
        return Outcome(text, f"the Corefile is not understood: {error}", lines)
    if theirs := served(read):
        return Outcome(text, theirs, lines)
    inner = [block for block in read.blocks if block.all("forward") and any(map(_is_clusters, block.zones))]
    if not inner:
        return Outcome(text, "the Corefile has no server block that forwards the cluster's own names", lines)
    port = next(zone.port for zone in inner[0].zones if _is_clusters(zone))
    forward = tuple(_unindented(one.text) for one in inner[0].all("forward"))
    return _put(bare, _block(port, (*_bind(inner[0]), "errors", *forward)))


def without_zone(text: str) -> str:
    """The Corefile as it was before."""
    return _OURS.sub("", text)


def served(read: Corefile) -> str:
    """By whom else the zone is served, as a sentence; "" if by nobody."""
    for block in read.blocks:
        if any(zone.name == DOMAIN or zone.name.endswith(f".{DOMAIN}") for zone in block.zones):
            return f"the Corefile has a server block for {DOMAIN} that is not mcnet's"
        if any(DOMAIN in one.arguments or "multicluster" in one.text.split() for one in block.all("kubernetes")):
            return f"the Corefile's kubernetes plugin has {DOMAIN} already"
        if any(DOMAIN in one.arguments for one in block.all("forward")):
            return f"the Corefile forwards {DOMAIN} already"
    return ""


def has_own_files(text: str) -> bool:
    """Whether the Corefile takes in server blocks of the cluster's owner from the ConfigMap `coredns-custom`, as on
    AKS and K3s, where it is put back to its original when somebody changes it."""
    try:
        return any(one.endswith("custom/*.server") for one in corefile.decode(text).imports)
    except DecodeError:
        return False


def _put(bare: str, block: str) -> Outcome:
    return Outcome(f"{BEGIN}\n{block}{END}\n{bare}")


def _is_clusters(zone: Zone) -> bool:
    return zone.plain and zone.name != "." and zone.name not in _REVERSE


def _bind(block: Block) -> tuple[str, ...]:
    return tuple(_unindented(one.text) for one in block.all("bind"))


def _unindented(text: str) -> str:
    """A directive of several lines as if it began a line."""
    first, *rest = text.split("\n")
    if not rest:
        return text
    depth = len(rest[-1]) - len(rest[-1].lstrip())
    return "\n".join((first, *(line[min(depth, len(line) - len(line.lstrip())) :] for line in rest)))
