"""Faults on a machine's links: cut, slow, delayed, lossy; and whole again.

Cutting sets the *far* end down: a machine that loses its own device's state would also lose its routes, which
no broken cable does. Rates and delays apply to both directions, losses to each.
"""

from dataclasses import dataclass
from enum import StrEnum

from mcnet.lab import processes
from mcnet.lab.topology import Link, Machine, Port, Topology
from mcnet.model.errors import KernelError, UsageError

_TABLE = "lab_impair"
# tbf holds back at most this long what exceeds the rate; then it drops.
_LATENCY = "50ms"
_BURST = "64kb"


class LinkName(StrEnum):
    """A machine's two links."""

    WAN = "wan"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Impairment:
    """What a link suffers; nothing at all is a whole link."""

    cut: bool = False
    rate: str = ""
    """In tc's notation: `10mbit`."""
    delay: str = ""
    """In tc's notation, for each direction: `20ms`."""
    drop_percent: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.drop_percent <= 100:
            raise UsageError(f"{self.drop_percent:g} % of packets can't be dropped", "use 0 to 100")


def parse_percent(text: str) -> float:
    """`5%` or `5` -> 5.0."""
    try:
        return float(text.removesuffix("%"))
    except ValueError:
        raise UsageError(f"{text!r} is not a percentage", "for example --drop 5%") from None


def parse_link(text: str) -> LinkName:
    """`wan` or `cluster`."""
    try:
        return LinkName(text)
    except ValueError:
        raise UsageError(f"a machine has no link {text!r}", "use wan or cluster") from None


def find_link(topology: Topology, machine: str, link: LinkName) -> Link:
    """The link of a machine, named `east-n1` or `east/n1`."""
    for each in topology.machines:
        if machine in (each.name, f"{each.cluster}/{each.short_name}"):
            return _link(each, link)
    known = ", ".join(each.name for each in topology.machines)
    raise UsageError(f"lab {topology.spec.name!r} has no machine {machine!r}", f"use one of {known}")


async def apply(link: Link, wanted: Impairment, mark: str) -> None:
    """Gives the link exactly these faults, replacing earlier ones."""
    ends = (link.near, link.far)
    # First what may be refused, so that a refusal leaves the link as it was.
    if wanted.delay:
        await _require_netem(link.far, mark)
    for end in ends:
        await _shape(end, wanted, mark)
    await _in(link.far, ["nft", "-f", "-"], mark, drop_rules(link.far.device, wanted.drop_percent))
    await _in(link.far, ["ip", "link", "set", link.far.device, "down" if wanted.cut else "up"], mark)


def drop_rules(device: str, percent: float) -> str:
    """nft's text for the far end: drop a share of what arrives there and of what leaves.

    One table per device; the first two lines replace it in one transaction, also when it is not there.
    """
    table = f"table netdev {_TABLE}_{device.replace('-', '_')}"
    replaced = f"{table}\ndelete {table}\n"
    if not percent:
        return replaced
    share = "drop" if percent == 100 else f"numgen random mod 10000 < {round(percent * 100)} drop"
    chains = "".join(
        f'  chain {hook} {{\n    type filter hook {hook} device "{device}" priority 0;\n    {share}\n  }}\n'
        for hook in ("ingress", "egress")
    )
    return f"{replaced}{table} {{\n{chains}}}\n"


def queue(wanted: Impairment) -> list[str]:
    """The queueing discipline, as tc's arguments; empty for none."""
    if wanted.delay:
        # netem limits the rate itself; below it no second discipline is needed.
        rate = ["rate", wanted.rate] if wanted.rate else []
        return ["netem", "delay", wanted.delay, *rate]
    if wanted.rate:
        return ["tbf", "rate", wanted.rate, "burst", _BURST, "latency", _LATENCY]
    return []


async def _shape(end: Port, wanted: Impairment, mark: str) -> None:
    device = ["dev", end.device, "root"]
    if discipline := queue(wanted):
        await _in(end, ["tc", "qdisc", "replace", *device, *discipline], mark)
    else:
        # Refused where none was set.
        await processes.call(_enter(end, ["tc", "qdisc", "delete", *device]), mark=mark)


async def _require_netem(end: Port, mark: str) -> None:
    """Tries it on the loopback device, where it does no harm."""
    probe = ["dev", "lo", "root"]
    tried = await processes.call(_enter(end, ["tc", "qdisc", "replace", *probe, "netem", "delay", "0ms"]), mark=mark)
    if tried.status:
        raise KernelError(
            "this kernel can't delay packets: it has no netem (CONFIG_NET_SCH_NETEM)",
            "use --rate or --drop, or a kernel with the module sch_netem",
        )
    await processes.call(_enter(end, ["tc", "qdisc", "delete", *probe]), mark=mark)


async def _in(end: Port, argv: list[str], mark: str, stdin: str = "") -> None:
    await processes.check(_enter(end, argv), mark=mark, stdin=stdin)


def _enter(end: Port, argv: list[str]) -> list[str]:
    return ["nsenter", f"--net=/run/netns/{end.namespace}", *argv] if end.namespace else argv


def _link(machine: Machine, link: LinkName) -> Link:
    match link:
        case LinkName.WAN:
            return machine.wan
        case LinkName.CLUSTER:
            return machine.net
