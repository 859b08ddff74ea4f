"""Policy rules of ours over netlink: read, create, delete. Nothing is decided here."""

from ipaddress import ip_network
from typing import Any, Final

from pyroute2.netlink.rtnl.fibmsg import fibmsg

from mcnet.kernel.netlink import CREATE, EXCLUSIVE, FAMILIES, Session, build
from mcnet.model.kernel import Rule
from mcnet.model.ownership import ROUTE_PROTOCOL, RULE_PRIORITIES

_NEWRULE, _DELRULE, _GETRULE = 32, 33, 34
_TO_TABLE: Final = 1
_GOTO: Final = 2
_NOTHING: Final = 3
"""FR_ACT_TO_TBL, FR_ACT_GOTO, FR_ACT_NOP (linux/fib_rules.h)."""


async def read(session: Session) -> frozenset[Rule]:
    """Our rules, by protocol and priority, of both families."""
    found = set()
    for version, family in FAMILIES.items():
        for message in await session.dump(build(fibmsg(), {"family": family}, []), _GETRULE, doing="read rules"):
            priority = message.get_attr("FRA_PRIORITY") or 0
            # With IPv6 switched off at boot the kernel answers for IPv4 instead.
            ours = message["family"] == family and message.get_attr("FRA_PROTOCOL") == ROUTE_PROTOCOL
            if ours and priority in RULE_PRIORITIES:
                found.add(_rule(version, priority, message))
    return frozenset(found)


def _rule(version: int, priority: int, message: Any) -> Rule:
    action = message["action"]
    to = message.get_attr("FRA_DST")
    return Rule(
        version,
        priority,
        table=(message.get_attr("FRA_TABLE") or message["table"]) if action == _TO_TABLE else 0,
        iif=message.get_attr("FRA_IIFNAME"),
        to=ip_network(f"{to}/{message['dst_len']}") if to else None,
        goto=(message.get_attr("FRA_GOTO") or 0) if action == _GOTO else 0,
    )


async def add(session: Session, rule: Rule) -> None:
    """Create the rule. Raises KernelError."""
    await session.request(_message(rule), _NEWRULE, CREATE | EXCLUSIVE, doing=f"create {_text(rule)}")


async def remove(session: Session, rule: Rule) -> None:
    """Delete the rule. Raises KernelError."""
    await session.request(_message(rule), _DELRULE, doing=f"delete {_text(rule)}")


def _text(rule: Rule) -> str:
    return f"IPv{rule.family} rule {rule.priority}"


def _message(rule: Rule) -> Any:
    attributes: list[tuple[str, Any]] = [("FRA_PRIORITY", rule.priority), ("FRA_PROTOCOL", ROUTE_PROTOCOL)]
    action = _TO_TABLE if rule.table else _GOTO if rule.goto else _NOTHING
    if rule.table:
        attributes.append(("FRA_TABLE", rule.table))
    if rule.goto:
        attributes.append(("FRA_GOTO", rule.goto))
    if rule.iif is not None:
        attributes.append(("FRA_IIFNAME", rule.iif))
    fields = {"family": FAMILIES[rule.family], "action": action}
    if rule.to is not None:
        attributes.append(("FRA_DST", str(rule.to.network_address)))
        fields["dst_len"] = rule.to.prefixlen
    return build(fibmsg(), fields, attributes)
