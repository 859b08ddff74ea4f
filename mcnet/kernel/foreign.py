"""Other programs' nft chains: read them, and write or remove our marked rules in them. Nothing is decided here.

Only tables that have a base chain of type filter at input, forward or output are read whole: kube-proxy's tens of
thousands of rules are elsewhere. Legacy iptables has no nft chains; which of its tables exist can be asked.
"""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

from mcnet.codec import nft_ruleset, nft_translation
from mcnet.kernel import nft_marks
from mcnet.kernel.nftables import run, run_script
from mcnet.model.errors import KernelError
from mcnet.model.foreign import ForeignChain, NatChains
from mcnet.model.kernel import HostRule
from mcnet.model.ownership import GATEWAY_NFT_TABLE, NODE_NFT_TABLE

_FAMILIES: Final = frozenset({"ip", "ip6", "inet"})
_HOOKS: Final = frozenset({"input", "forward", "output"})
_NAT: Final = ("nat", "postrouting")
"""Type and hook of chains that translate sources."""
_LEGACY: Final = ("ip_tables_names", "ip6_tables_names")
"""Below /proc/net: the tables that legacy iptables has made, one a line; readable by root of the namespace."""


async def read() -> tuple[ForeignChain, ...]:
    """The chains of all foreign tables that filter, our marked rules in them included. Raises KernelError."""
    status, output, errors = await run("-j", "list", "chains")
    if status != 0:
        raise KernelError(f"list nft chains: {errors}", "check that the node's kernel has nf_tables")
    chains: list[ForeignChain] = []
    for family, table in _filtering(output):
        chains += await _table(family, table)
    return tuple(chains)


async def read_nat(below: int) -> tuple[NatChains, ...]:
    """The foreign tables with a nat chain at postrouting of a priority less than `below`. Raises KernelError."""
    status, output, errors = await run("-j", "list", "chains")
    if status != 0:
        raise KernelError(f"list nft chains: {errors}", "check that the node's kernel has nf_tables")
    tables = []
    for family, table in _translating(output, below):
        status, output, _ = await run("-j", "list", "table", family, table)
        if status:
            continue  # it has just gone
        try:
            tables.append(nft_translation.parse(output))
        except ValueError as error:
            raise KernelError(f"read nft table {family} {table}: {error}") from error
    return tuple(tables)


def _translating(output: str, below: int) -> list[tuple[str, str]]:
    return sorted(
        {
            (head.family, head.table)
            for head in _heads(output)
            if (head.type, head.hook) == _NAT
            and head.family in _FAMILIES
            and head.priority < below
            and (head.family, head.table) != ("inet", NODE_NFT_TABLE)
        }
    )


class _Head(NamedTuple):
    """A chain as nft lists it; `priority` is read of those that may translate sources."""

    family: str
    table: str
    type: str
    hook: str
    priority: int


def _heads(output: str) -> list[_Head]:
    """Raises KernelError."""
    try:
        return [_head(entry["chain"]) for entry in json.loads(output)["nftables"] if "chain" in entry]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise KernelError(f"list nft chains: {error}") from error


def _head(chain: dict[str, Any]) -> _Head:
    kind, hook = str(chain.get("type", "")), str(chain.get("hook", ""))
    priority = int(chain["prio"]) if (kind, hook) == _NAT else 0
    return _Head(str(chain["family"]), str(chain["table"]), kind, hook, priority)


def _filtering(output: str) -> list[tuple[str, str]]:
    return sorted(
        {
            (head.family, head.table)
            for head in _heads(output)
            if head.type == "filter"
            and head.hook in _HOOKS
            and head.family in _FAMILIES
            and (head.family, head.table) not in {("inet", NODE_NFT_TABLE), ("inet", GATEWAY_NFT_TABLE)}
        }
    )


async def _table(family: str, table: str) -> tuple[ForeignChain, ...]:
    """() for one that has just gone."""
    status, output, _ = await run("-j", "list", "table", family, table)
    if status:
        return ()
    owned = table in nft_marks.owned_tables(family)
    try:
        return nft_ruleset.parse(output, nft_marks.marks(family, table), owned=owned)
    except ValueError as error:
        raise KernelError(f"read nft table {family} {table}: {error}") from error


async def add(rule: HostRule) -> None:
    """Put the rule into its chain. Raises KernelError; then nothing changed."""
    place = f"{rule.family} {rule.table} {rule.chain}"
    verb = "add" if rule.before is None else "insert"
    handle = "" if rule.before is None else f"handle {rule.before} "
    script = f'{verb} rule {place} {handle}{rule.text} comment "{rule.mark}"\n'
    await run_script(script, f"add the rule {rule.mark} to the nft chain {place}")


async def remove(rule: HostRule) -> None:
    """Delete the rule, however often it is there. Raises KernelError."""
    chains = await _table(rule.family, rule.table)
    handles = [
        found.handle
        for chain in chains
        if chain.name == rule.chain
        for found in chain.rules
        if found.mark == rule.mark
    ]
    place = f"{rule.family} {rule.table} {rule.chain}"
    script = "".join(f"delete rule {place} handle {handle}\n" for handle in handles)
    if script:
        await run_script(script, f"delete the rule {rule.mark} from the nft chain {place}")


def legacy_tables(proc_net: Path = Path("/proc/net")) -> tuple[str, ...]:
    """The tables of legacy iptables in this namespace, whose rules nft does not show."""
    found: set[str] = set()
    for name in _LEGACY:
        try:
            found |= set((proc_net / name).read_text().split())
        except OSError:
            continue
    return tuple(sorted(found))
