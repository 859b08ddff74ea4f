"""What a check is: a name, why it matters, how to gather and how to judge."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from mcnet.diagnose.site import Site
from mcnet.model.diagnosis import Judgement

Evidence = TypeVar("Evidence")

DEADLINE = 120.0
"""Seconds a check may take, the pods that others wait for as well included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(Generic[Evidence]):
    """About one member. `gather` reads through its Site (and `site.others`) and nothing else; `judge` is pure."""

    name: str
    """As users write it: "cable-port"."""
    title: str
    matters: str
    """Why it matters: what goes wrong where it is not fine. One sentence."""
    gather: Callable[[Site], Awaitable[Evidence]]
    judge: Callable[[Evidence], Judgement]
    deadline: float = DEADLINE


AnyCheck: TypeAlias = Check[Any]
