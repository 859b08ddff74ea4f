"""The objects of a member's cluster, all of them from its settings: what `join` and `config set` apply."""

from collections.abc import Iterable

from mcnet import __version__
from mcnet.codec import member as member_codec
from mcnet.install.apply import SYSTEM_LABELS
from mcnet.install.pull_secrets import secret_names
from mcnet.kube import kinds
from mcnet.kube.kinds import JsonObject
from mcnet.model.member import Member
from mcnet.render.engine import render, sort_objects
from mcnet.render.values import DnsValues, MemberValues


def manifests(member: Member, dns: DnsValues | None = None) -> tuple[JsonObject, ...]:
    """What is applied, secrets excepted; with `dns`, mcnet's own DNS too."""
    obj = member_codec.encode(member)
    obj["metadata"]["labels"] = dict(SYSTEM_LABELS)
    values = MemberValues(
        cluster=member.cluster,
        image=member.image,
        pull_policy=member.pull_policy,
        pull_secrets=secret_names(member.pull_secrets),
        node_selector=dict(member.node_selector),
        tolerations=member.tolerations,
        member=obj,
        version=__version__,
        discovery_on_host=member.discovery_on_nodes > 0,
        discovery_replicas=member.discovery_on_nodes or 2,
        replaces_gateways=member.gateways.auto,
        dns=dns,
    )
    return sort_objects(render("crds") + render("member", values))


def first_and_rest(objects: Iterable[JsonObject]) -> tuple[list[JsonObject], list[JsonObject]]:
    """The namespace and the kinds, which everything else needs; everything else."""
    objects = list(objects)
    first = [obj for obj in objects if obj["kind"] in (kinds.NAMESPACE.kind, kinds.CRD.kind)]
    return first, [obj for obj in objects if obj not in first]
