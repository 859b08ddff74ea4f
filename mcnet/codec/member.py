"""Member: the settings of a member, given at join."""

from mcnet.codec.cluster import decode_id
from mcnet.codec.fields import JsonObject, fields_of, own_object, texts, without_empty
from mcnet.model.member import MEMBER_NAME, SYSTEM_NAMESPACE, Member
from mcnet.model.ownership import DEFAULT_PORT_BASE

DELIVERIES = ("overlay", "cni")


def encode(member: Member, *, namespace: str = SYSTEM_NAMESPACE) -> JsonObject:
    """The object."""
    spec: JsonObject = {
        "cluster": member.cluster,
        "podPrefixes": texts(member.pod_prefixes),
        "servicePrefixes": texts(member.service_prefixes),
        "portBase": member.port_base,
        "delivery": member.delivery,
        "manageHostFirewall": member.manage_host_firewall,
        "cni": member.cni,
        "kubeProxyMode": member.kube_proxy_mode,
        "distribution": member.distribution,
    }
    return own_object("Member", name=MEMBER_NAME, namespace=namespace) | {"spec": without_empty(spec)}


def decode(obj: JsonObject) -> Member:
    """The settings; raises DecodeError."""
    spec = fields_of(obj).child("spec")
    delivery = spec.text("delivery", "overlay")
    if delivery not in DELIVERIES:
        raise spec.wrong("delivery", f"{delivery!r} is neither of {', '.join(DELIVERIES)}")
    return Member(
        cluster=decode_id(spec, "cluster"),
        pod_prefixes=spec.prefixes("podPrefixes"),
        service_prefixes=spec.prefixes("servicePrefixes"),
        port_base=spec.number("portBase", DEFAULT_PORT_BASE),
        delivery=delivery,
        manage_host_firewall=spec.flag("manageHostFirewall"),
        cni=spec.text("cni", "unknown"),
        kube_proxy_mode=spec.text("kubeProxyMode", "unknown"),
        distribution=spec.text("distribution", "unknown"),
    )
