"""Whether the kernel forwards and checks reverse paths as the data path needs it."""

from collections.abc import Iterator

from mcnet.diagnose.check import Check
from mcnet.diagnose.looked import not_looked_at
from mcnet.diagnose.site import Looks, Site
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.look import NodeLook, Order
from mcnet.model.ownership import CABLE_DEVICES, OVERLAY_DEVICE
from mcnet.plan.delivery import ALL, path
from mcnet.plan.sysctls import FORWARD4, FORWARD6, HASH_POLICY4, HASH_POLICY6

STRICT = "1"


async def gather(site: Site) -> Looks:
    return await site.looks()


def judge(looks: Looks) -> Judgement:
    found = [*not_looked_at(looks)]
    for node, look in sorted(looks.answers.items()):
        found += _node(looks.orders.get(node, Order(node)), look)
    return Judgement(f"forwarding, reverse-path filters, hashing on {len(looks.answers)} nodes", tuple(found))


def _node(order: Order, look: NodeLook) -> Iterator[Finding]:
    about = f"node {look.node}"
    if not look.sysctls:
        why = look.faults.get("devices", "none could be read")
        yield Finding(Verdict.UNKNOWN, about, f"its sysctls are not known: {why}")
    families = order.families or (4,)
    for family, name in ((4, FORWARD4), (6, FORWARD6)):
        if family in families and look.sysctls.get(name) == "0":
            yield _finding(look, Verdict.WRONG, name, "1", "it forwards no packets of pods")
    for family, name in ((4, HASH_POLICY4), (6, HASH_POLICY6)):
        if family in families and look.sysctls.get(name, "1") not in ("1", "3"):
            why = "it chooses paths by addresses alone, so connections between two pods share one"
            yield _finding(look, Verdict.WARNING, name, "1", why)
    yield from _reverse_paths(look)


def _reverse_paths(look: NodeLook) -> Iterator[Finding]:
    """The kernel takes the larger of `all` and the device's own value (Documentation/networking/ip-sysctl.rst)."""
    everywhere = look.sysctls.get(ALL, "0")
    for device in (OVERLAY_DEVICE, *CABLE_DEVICES):
        own = look.sysctls.get(path(device))
        if own is not None and max(own, everywhere) == STRICT:
            why = f"it drops what comes in by {device} and has its way back elsewhere"
            yield _finding(look, Verdict.WRONG, path(device), "2", why)


def _finding(look: NodeLook, verdict: Verdict, name: str, wanted: str, why: str) -> Finding:
    # A dot of a device's name is a slash where sysctl(8) separates by dots.
    key = ".".join(part.replace(".", "/") for part in ("net", *name.split("/")))
    said = f"{key} is {look.sysctls.get(name)}, not {wanted}: {why}"
    return Finding(verdict, f"node {look.node}", said, f"sysctl -w {key}={wanted}", look.node)


CHECK = Check(
    name="sysctls",
    title="Kernel settings",
    matters="a node that does not forward, or filters reverse paths strictly, drops traffic of other clusters",
    gather=gather,
    judge=judge,
)
