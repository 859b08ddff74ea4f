"""Member: the settings of a member, given at join."""

from typing import Any

from mcnet.codec import public_address
from mcnet.codec.cluster import decode_id
from mcnet.codec.fields import Fields, JsonObject, fields_of, own_object, texts, without_empty
from mcnet.model.member import MEMBER_NAME, SYSTEM_NAMESPACE, GatewayCount, Member
from mcnet.model.ownership import DEFAULT_PORT_BASE
from mcnet.model.public_address import Source

DELIVERIES = ("overlay", "cni")
PULL_POLICY = "IfNotPresent"
KEY_ROTATION = 30
"""What is not written: an object holds what differs from the defaults."""


def encode(member: Member, *, namespace: str = SYSTEM_NAMESPACE) -> JsonObject:
    """The object."""
    spec: JsonObject = {
        "cluster": member.cluster,
        "podPrefixes": texts(member.pod_prefixes),
        "servicePrefixes": texts(member.service_prefixes),
        "portBase": member.port_base,
        "delivery": member.delivery,
        "publicAddress": public_address.encode(member.public_sources),
        "airGapped": member.air_gapped or None,
        "loadBalancer": member.load_balancer or None,
        "manageHostFirewall": member.manage_host_firewall,
        "cni": member.cni,
        "kubeProxyMode": member.kube_proxy_mode,
        "distribution": member.distribution,
        "discoveryOnNodes": member.discovery_on_nodes or None,
        "given": list(member.given),
        "image": member.image,
        "imagePullPolicy": member.pull_policy if member.pull_policy != PULL_POLICY else "",
        "pullSecrets": list(member.pull_secrets),
        "nodeSelector": dict(member.node_selector),
        "tolerations": [dict(toleration) for toleration in member.tolerations],
        "gateways": member.gateways.number if member.gateways.number != 1 else None,
        "gatewaysAuto": member.gateways.auto or None,
        "underlayMTU": member.underlay_mtu or None,
        "keyRotationDays": member.key_rotation if member.key_rotation != KEY_ROTATION else None,
        "keyEpoch": member.key_epoch or None,
        "probeIntervalSeconds": member.probe_interval or None,
        "probeMultiplier": member.probe_multiplier or None,
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
        public_sources=_sources(spec),
        air_gapped=spec.flag("airGapped"),
        load_balancer=spec.flag("loadBalancer"),
        manage_host_firewall=spec.flag("manageHostFirewall"),
        cni=spec.text("cni", "unknown"),
        kube_proxy_mode=spec.text("kubeProxyMode", "unknown"),
        distribution=spec.text("distribution", "unknown"),
        discovery_on_nodes=spec.number("discoveryOnNodes", 0),
        given=spec.texts("given"),
        image=spec.text("image", ""),
        pull_policy=spec.text("imagePullPolicy", PULL_POLICY),
        pull_secrets=spec.texts("pullSecrets"),
        node_selector=spec.mapping("nodeSelector"),
        tolerations=tuple(map(_toleration, spec.children("tolerations"))),
        gateways=GatewayCount(spec.number("gateways", 1), spec.flag("gatewaysAuto")),
        underlay_mtu=spec.number("underlayMTU", 0),
        key_rotation=spec.number("keyRotationDays", KEY_ROTATION),
        key_epoch=spec.number("keyEpoch", 0),
        probe_interval=spec.decimal("probeIntervalSeconds"),
        probe_multiplier=spec.number("probeMultiplier", 0),
    )


def _sources(spec: Fields) -> tuple[Source, ...]:
    try:
        return public_address.decode(spec.text("publicAddress", ""))
    except ValueError as error:
        raise spec.wrong("publicAddress", str(error)) from error


def _toleration(found: Fields) -> dict[str, Any]:
    """One toleration; fields that a later Kubernetes may add are left out."""
    texts_of = {key: found.text(key, "") for key in ("key", "operator", "value", "effect")}
    return without_empty(texts_of)
