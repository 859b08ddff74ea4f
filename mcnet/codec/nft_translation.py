"""`nft -j list table` of a foreign table that translates sources: its chains, for mcnet.plan.masquerade to judge."""

import json
from typing import Any, Final

from mcnet.codec import nft_ruleset
from mcnet.model.foreign import ForeignChain, NatChains

_SOURCE: Final = frozenset({"masquerade", "snat"})
_XT_SOURCE: Final = frozenset({"MASQUERADE", "SNAT"})


def parse(json_text: str) -> NatChains:
    """The table's chains. Raises ValueError."""
    priorities: dict[str, int] = {}
    try:
        data = json.loads(json_text)
        for entry in data["nftables"]:
            chain, rule = entry.get("chain"), entry.get("rule")
            if chain and chain.get("type") == "nat":
                # The walk knows filter chains: what translates there is written as what drops.
                chain["type"] = "filter"
                if chain.get("hook") == "postrouting":
                    priorities[chain["name"]] = int(chain["prio"])
            elif rule:
                rule["expr"] = [_statement(one) for one in rule.get("expr", ())]
        chains: tuple[ForeignChain, ...] = nft_ruleset.parse(json.dumps(data))
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"not the output of `nft -j list table`: {error!r}") from error
    return NatChains(tuple(chain for chain in chains if not chain.hook or chain.name in priorities), priorities)


def _statement(statement: dict[str, Any]) -> dict[str, Any]:
    if _SOURCE & statement.keys() or (statement.get("xt") or {}).get("name") in _XT_SOURCE:
        return {"drop": None}
    return statement
