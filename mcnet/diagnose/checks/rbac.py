"""Whether the daemons may do what they need: their Roles and bindings, and what the API server itself says."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from mcnet.diagnose.check import Check
from mcnet.diagnose.site import Site
from mcnet.kube import kinds
from mcnet.kube.kinds import JsonObject, kind_of
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.errors import McnetError
from mcnet.model.member import SYSTEM_NAMESPACE
from mcnet.render.engine import render_file
from mcnet.render.values import MemberValues

AT_ONCE: Final = 16
"""Questions to the API server at a time."""


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """`verb` on `resource` ("endpoints.mcnet.dev", with a subresource: "clusters/status"), of one `name` or of all;
    of the whole cluster or in our namespace."""

    account: str
    verb: str
    group: str
    resource: str
    name: str = ""
    everywhere: bool = False

    def __str__(self) -> str:
        """In `kubectl auth can-i`'s words."""
        plain, _, subresource = self.resource.partition("/")
        full = f"{plain}.{self.group}" if self.group else plain
        named = f"{full}/{self.name}" if self.name else full
        return f"{self.verb} {named}" + (f" --subresource={subresource}" if subresource else "")

    @property
    def attributes(self) -> JsonObject:
        """As a SubjectAccessReview asks for it."""
        plain, _, subresource = self.resource.partition("/")
        return {
            "verb": self.verb, "group": self.group, "resource": plain, "subresource": subresource,
            "name": self.name, "namespace": "" if self.everywhere else SYSTEM_NAMESPACE,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`wanted` are the objects as `join` renders them, `found` those that are there, in the same order; `denied`
    what the API server does not allow; `unasked` why it could not be asked."""

    kubectl: str
    option: str = ""
    wanted: tuple[JsonObject, ...] = ()
    found: tuple[JsonObject | None, ...] = ()
    asked: int = 0
    denied: tuple[Right, ...] = ()
    unasked: str = ""


def rendered() -> tuple[JsonObject, ...]:
    """ServiceAccounts, Roles and bindings of the daemons."""
    values = MemberValues(cluster="", image="")
    return (*render_file("member/accounts.yaml", values), *render_file("member/roles.yaml", values))


def rights(objects: Iterable[JsonObject]) -> tuple[Right, ...]:
    """All that the bindings among `objects` give to ServiceAccounts, one by one."""
    objects = tuple(objects)
    roles = {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects if "rules" in obj}
    found = set()
    for binding in objects:
        if "roleRef" not in binding:
            continue
        role = roles[binding["roleRef"]["kind"], binding["roleRef"]["name"]]
        everywhere = binding["kind"] == kinds.CLUSTER_ROLE_BINDING.kind
        for subject in binding["subjects"]:
            found |= {
                Right(subject["name"], verb, group, resource, name, everywhere)
                for rule in role["rules"]
                for verb in rule["verbs"]
                for group in rule["apiGroups"]
                for resource in rule["resources"]
                for name in rule.get("resourceNames") or [""]
            }
    return tuple(sorted(found))


async def gather(site: Site) -> Evidence:
    wanted = rendered()
    found = await asyncio.gather(*(_find(site, obj) for obj in wanted))
    asked = rights(wanted)
    limit = asyncio.Semaphore(AT_ONCE)

    async def allowed(right: Right) -> bool:
        async with limit:
            return await site.api.may(right.account, SYSTEM_NAMESPACE, right.attributes)

    answers: list[bool] = []
    unasked = ""
    try:
        answers = list(await asyncio.gather(*map(allowed, asked)))
    except McnetError as error:
        unasked = error.message
    return Evidence(
        kubectl=site.kubectl,
        option=site.option,
        wanted=wanted,
        found=tuple(found),
        asked=len(answers),
        denied=tuple(right for right, yes in zip(asked, answers, strict=False) if not yes),
        unasked=unasked,
    )


async def _find(site: Site, obj: JsonObject) -> JsonObject | None:
    return await site.api.find(kind_of(obj), obj["metadata"]["name"], obj["metadata"].get("namespace"))


def judge(evidence: Evidence) -> Judgement:
    findings = [*_objects(evidence), *_denied(evidence)]
    if evidence.unasked:
        said = f"the API server could not be asked what the daemons may do: {evidence.unasked}"
        findings.append(Finding(Verdict.UNKNOWN, "rights of the daemons", said))
    looked = f"{evidence.asked} rights of 3 accounts asked for, {len(evidence.wanted)} objects compared"
    return Judgement(looked, tuple(findings))


def _objects(evidence: Evidence) -> Iterable[Finding]:
    join = f"mcnet join broker-info.mcnet{evidence.option}"
    for wanted, found in zip(evidence.wanted, evidence.found, strict=True):
        about = f"{wanted['kind']} {wanted['metadata']['name']}"
        if found is None:
            yield Finding(Verdict.WRONG, about, "it is not there", join)
        elif "roleRef" in wanted and found.get("roleRef") != wanted["roleRef"]:
            other = (found.get("roleRef") or {}).get("name", "nothing")
            delete = f"{evidence.kubectl} delete {wanted['kind'].lower()} {wanted['metadata']['name']}"
            said = f"it binds to {other}, not to {wanted['roleRef']['name']}, and can't be changed, only made anew"
            yield Finding(Verdict.WRONG, about, said, f"{delete} && {join}")
        elif why := _difference(wanted, found):
            yield Finding(Verdict.WARNING, about, why, join)


def _difference(wanted: JsonObject, found: JsonObject) -> str:
    if "rules" in wanted:
        lacking, more = _sorted_out(_rules(wanted), _rules(found))
        if lacking or more:
            parts = [f"it lacks {_some(lacking)}"] * bool(lacking) + [f"it also allows {_some(more)}"] * bool(more)
            return ", ".join(parts)
    if "subjects" in wanted:
        lacking, more = _sorted_out(_subjects(wanted), _subjects(found))
        if lacking or more:
            parts = [f"it lacks {_some(lacking)}"] * bool(lacking) + [f"it also binds {_some(more)}"] * bool(more)
            return ", ".join(parts)
    return ""


def _sorted_out(wanted: set[str], found: set[str]) -> tuple[list[str], list[str]]:
    return sorted(wanted - found), sorted(found - wanted)


def _rules(role: JsonObject) -> set[str]:
    return {
        f"{verb} {resource}{f'.{group}' if group else ''}{f'/{name}' if name else ''}"
        for rule in _dicts(role.get("rules"))
        for verb in rule.get("verbs") or ()
        for group in rule.get("apiGroups") or ("",)
        for resource in (*(rule.get("resources") or ()), *(rule.get("nonResourceURLs") or ()))
        for name in rule.get("resourceNames") or ("",)
    }


def _subjects(binding: JsonObject) -> set[str]:
    return {
        f"{one.get('kind', '')} {one['namespace'] + '/' if one.get('namespace') else ''}{one.get('name', '')}"
        for one in _dicts(binding.get("subjects"))
    }


def _dicts(value: Any) -> list[JsonObject]:
    return [one for one in value or () if isinstance(one, dict)]


def _denied(evidence: Evidence) -> Iterable[Finding]:
    for account in sorted({right.account for right in evidence.denied}):
        mine = [str(right) for right in evidence.denied if right.account == account]
        said = f"it may not: {_some(mine, '; ')}"
        remedy = f"mcnet join broker-info.mcnet{evidence.option}"
        yield Finding(Verdict.WRONG, f"ServiceAccount {account}", said, remedy)


def _some(texts: list[str], between: str = ", ") -> str:
    return between.join(texts[:4]) + (f" and {len(texts) - 4} more" if len(texts) > 4 else "")


CHECK = Check(
    name="rbac",
    title="Rights",
    matters="a daemon without its rights can't follow what changes, or can't report it",
    gather=gather,
    judge=judge,
)
