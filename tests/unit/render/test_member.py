"""The member's manifests: what the daemons may do on a node and at the API server, and nothing more."""

from dataclasses import replace
from typing import Any

import pytest

from mcnet.kube.kinds import kind_of
from mcnet.model.ownership import WIREGUARD_SOCKETS
from mcnet.plan.withdrawn import RETIREMENT
from mcnet.render.engine import render
from mcnet.render.values import AccountValues, DnsValues, MemberValues, NodePodValues
from mcnet_dns.settings import Settings as DnsSettings

MEMBER = {
    "apiVersion": "mcnet.dev/v1alpha1",
    "kind": "Member",
    "metadata": {"name": "mcnet", "namespace": "mcnet-system"},
    "spec": {"cluster": "west"},
}
VALUES = MemberValues(
    cluster="west",
    image="registry.example/mcnet:1",
    pull_policy="Always",
    pull_secrets=("registry",),
    node_selector={"zone": "a"},
    tolerations=({"operator": "Exists"},),
    member=MEMBER,
    dns=DnsValues(cluster_names=True),
)
OBJECTS = render("member", VALUES)
DAEMONS = {
    obj["metadata"]["name"]: obj["spec"]["template"]["spec"] for obj in OBJECTS if "template" in obj.get("spec", {})
}


def roles() -> dict[str, list[dict[str, Any]]]:
    return {obj["metadata"]["name"]: obj["rules"] for obj in OBJECTS if obj["kind"] in ("Role", "ClusterRole")}


RIGHTS = {
    "mcnet-gateway": {"NET_ADMIN", "NET_RAW"},
    "mcnet-route-agent": {"NET_ADMIN", "NET_RAW"},
    "mcnet-discovery": set(),
    "mcnet-dns": set(),
    "mcnet-cable": {"NET_ADMIN", "NET_BIND_SERVICE"},
}
PROCESSOR = {
    "mcnet-gateway": "100m",
    "mcnet-route-agent": "100m",
    "mcnet-discovery": "50m",
    "mcnet-dns": "50m",
    "mcnet-cable": "100m",
}
"""What is requested is a container's weight on a busy node: with 10m probes were late by half a second."""
PORTS = {"mcnet-gateway": 4581, "mcnet-route-agent": 4582, "mcnet-discovery": 4583, "mcnet-dns": 4584}
SOCKETS, IPSEC = "/run/mcnet/wireguard", "/run/mcnet/ipsec"


def test_all_daemons_are_known_here() -> None:
    assert set(DAEMONS) == set(RIGHTS)


@pytest.mark.parametrize("name", sorted(DAEMONS))
def test_no_container_is_privileged(name: str) -> None:
    pod = DAEMONS[name]
    (container,) = pod["containers"]
    security = container["securityContext"]
    added = set(security["capabilities"].get("add", ()))
    assert security["capabilities"]["drop"] == ["ALL"]
    assert added == RIGHTS[name]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert "privileged" not in security
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod.get("hostPID")
    assert not pod.get("hostIPC")


@pytest.mark.parametrize("name", sorted(DAEMONS))
def test_a_busy_node_leaves_each_its_share(name: str) -> None:
    (container,) = DAEMONS[name]["containers"]
    assert container["resources"]["requests"]["cpu"] == PROCESSOR[name]
    assert "limits" not in container["resources"]


@pytest.mark.parametrize("name", ["mcnet-discovery", "mcnet-dns"])
def test_what_needs_no_kernel_is_not_root_and_not_on_the_host(name: str) -> None:
    pod = DAEMONS[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert "hostNetwork" not in pod
    assert all("hostPath" not in volume for volume in pod["volumes"])


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("mcnet-gateway", ["/proc/sys/net", SOCKETS, IPSEC]),
        ("mcnet-route-agent", ["/proc/sys/net"]),
        ("mcnet-cable", ["/dev/net/tun", SOCKETS, IPSEC]),
    ],
)
def test_what_of_the_host_is_seen(name: str, wanted: list[str]) -> None:
    paths = [volume["hostPath"]["path"] for volume in DAEMONS[name]["volumes"] if "hostPath" in volume]
    assert paths == wanted
    assert DAEMONS[name]["hostNetwork"] is True
    assert DAEMONS[name]["tolerations"] == [{"operator": "Exists"}]


def test_only_the_gateway_has_the_identity_and_only_labelled_nodes_run_it() -> None:
    holders = [name for name, pod in DAEMONS.items() if any("secret" in volume for volume in pod["volumes"])]
    assert holders == ["mcnet-gateway"]
    assert DAEMONS["mcnet-gateway"]["nodeSelector"] == {"mcnet.dev/gateway": "true"}


def test_what_is_the_data_path_is_not_restarted_by_an_update_and_has_no_account() -> None:
    cable = next(obj for obj in OBJECTS if obj["metadata"]["name"] == "mcnet-cable" and obj["kind"] == "DaemonSet")
    assert cable["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert DAEMONS["mcnet-cable"]["automountServiceAccountToken"] is False
    assert "livenessProbe" not in DAEMONS["mcnet-cable"]["containers"][0]
    (_, seconds) = DAEMONS["mcnet-cable"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert RETIREMENT < int(seconds) < DAEMONS["mcnet-cable"]["terminationGracePeriodSeconds"] - 5


def test_gateway_and_cable_share_the_sockets_of_their_node_alone() -> None:
    mounts = [
        mount
        for name in ("mcnet-gateway", "mcnet-cable")
        for mount in DAEMONS[name]["containers"][0]["volumeMounts"]
        if mount["name"] == "wireguard"
    ]
    assert mounts == [{"name": "wireguard", "mountPath": str(WIREGUARD_SOCKETS), "subPathExpr": "$(NODE_NAME)"}] * 2


@pytest.mark.parametrize("name", sorted(DAEMONS.keys() - {"mcnet-cable"}))
def test_probes_ask_the_daemons_own_port(name: str) -> None:
    (container,) = DAEMONS[name]["containers"]
    port = PORTS[name]
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz"), ("startupProbe", "/healthz")):
        asked = container[probe]["httpGet"]
        assert (asked["path"], asked["port"]) == (path, port)
        assert asked.get("host") == (None if name in ("mcnet-discovery", "mcnet-dns") else "127.0.0.1")


@pytest.mark.parametrize("name", sorted(DAEMONS))
def test_image_policy_and_secrets_reach_every_pod(name: str) -> None:
    (container,) = DAEMONS[name]["containers"]
    assert (container["image"], container["imagePullPolicy"]) == ("registry.example/mcnet:1", "Always")
    assert DAEMONS[name]["imagePullSecrets"] == [{"name": "registry"}]


def test_selector_and_tolerations_are_discoverys() -> None:
    assert DAEMONS["mcnet-discovery"]["nodeSelector"] == {"zone": "a"}
    assert DAEMONS["mcnet-discovery"]["tolerations"] == [{"operator": "Exists"}]


def test_only_discovery_reads_secrets_and_only_the_brokers() -> None:
    readers = {name: rule for name, rules in roles().items() for rule in rules if "secrets" in rule["resources"]}
    assert list(readers) == ["mcnet-discovery"]
    assert readers["mcnet-discovery"]["resourceNames"] == ["mcnet-broker"]


def test_nobody_has_a_wildcard_and_nothing_is_written_cluster_wide() -> None:
    for name, rules in roles().items():
        for rule in rules:
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"], name
    (cluster_wide,) = roles()["mcnet-node-reader"]
    assert set(cluster_wide["verbs"]) == {"get", "list", "watch"}
    assert cluster_wide["resources"] == ["nodes"]


def test_every_object_is_found_by_leave() -> None:
    for obj in OBJECTS:
        if obj["kind"] != "Member":  # labelled by join
            assert obj["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "mcnet", obj["metadata"]["name"]
            assert kind_of(obj).namespaced == ("namespace" in obj["metadata"])


def test_bindings_lead_to_roles_that_exist() -> None:
    for obj in OBJECTS:
        if obj["kind"].endswith("Binding"):
            assert obj["roleRef"]["name"] in roles()


def test_an_account_belongs_to_its_service_account() -> None:
    objects = render("broker/account", AccountValues(cluster="west", member_uid="m-uid", join_uid="j-uid"))
    owners = {obj["metadata"]["name"]: obj["metadata"]["ownerReferences"][0] for obj in objects}
    assert {name: owner["uid"] for name, owner in owners.items()} == {
        "join-west": "j-uid",
        "member-west": "m-uid",
        "member-west.shared": "m-uid",
    }
    without = render("broker/account", AccountValues(cluster="west", member_uid="m-uid"))
    assert all("join" not in obj["metadata"]["name"] for obj in without)


def test_names_of_accounts_can_not_collide() -> None:
    def names(cluster: str) -> set[tuple[str, str]]:
        objects = render("broker/account", AccountValues(cluster=cluster, member_uid="m", join_uid="j"))
        return {(obj["kind"], obj["metadata"]["name"]) for obj in objects}

    assert not names("west") & names("west-shared")


@pytest.mark.parametrize("host", [True, False])
def test_a_throw_away_pod_is_as_weak_as_the_daemons(host: bool) -> None:
    values = NodePodValues(name="p", image="i", module="m", node="n1" if host else "", host_network=host)
    (pod,) = render("node", values)
    spec = pod["spec"]
    (container,) = spec["containers"]
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert spec["hostNetwork"] is host
    assert spec.get("nodeName") == ("n1" if host else None)
    assert spec["automountServiceAccountToken"] is False
    assert spec["activeDeadlineSeconds"] == values.seconds
    assert any("hostPath" in volume for volume in spec["volumes"]) is host


def test_discovery_goes_to_the_host_network_only_when_told_and_still_has_no_rights_there() -> None:
    values = replace(VALUES, discovery_on_host=True, discovery_replicas=1, dns=None)
    (deployment,) = (obj for obj in render("member", values) if obj["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert (deployment["spec"]["replicas"], pod["hostNetwork"]) == (1, True)
    assert pod["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_dns_is_there_only_where_it_is_asked_for() -> None:
    without = render("member", replace(VALUES, dns=None))
    assert [obj for obj in OBJECTS if obj not in without] == [
        obj for obj in OBJECTS if obj["metadata"]["name"] == "mcnet-dns"
    ]
    assert [obj["kind"] for obj in OBJECTS if obj["metadata"]["name"] == "mcnet-dns"] == [
        "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Service", "Deployment", "PodDisruptionBudget",
    ]  # fmt: skip


def test_dns_is_told_its_settings_and_found_by_its_service() -> None:
    (container,) = DAEMONS["mcnet-dns"]["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    found = DnsSettings.from_environment(environment)
    assert (found.cluster_names, found.hosts) == (True, 100)
    assert {(one["name"], one["containerPort"]) for one in container["ports"]} == {
        ("dns", found.port), ("dns-tcp", found.port), ("metrics", found.metrics_port),
    }  # fmt: skip
    (service,) = (obj for obj in OBJECTS if obj["kind"] == "Service")
    assert [(one["port"], one["targetPort"], one["protocol"]) for one in service["spec"]["ports"]] == [
        (53, "dns", "UDP"), (53, "dns-tcp", "TCP"),
    ]  # fmt: skip
    (deployment,) = (obj for obj in OBJECTS if obj["metadata"]["name"] == "mcnet-dns" and obj["kind"] == "Deployment")
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    probes = {container[name]["httpGet"]["port"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert probes == {found.metrics_port}


def test_dns_may_read_what_it_serves_and_write_nothing() -> None:
    (rules,) = (
        obj["rules"] for obj in OBJECTS if obj["kind"] == "ClusterRole" and obj["metadata"]["name"] == "mcnet-dns"
    )
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert {resource for rule in rules for resource in rule["resources"]} == {
        "serviceimports", "endpointslices", "namespaces",
    }  # fmt: skip


@pytest.mark.parametrize("automatic", [False, True])
def test_discovery_may_patch_nodes_only_where_it_replaces_gateways(automatic: bool) -> None:
    rendered = render("member", replace(VALUES, replaces_gateways=automatic))
    given = {obj["metadata"]["name"]: obj["rules"] for obj in rendered if obj["kind"] == "ClusterRole"}
    rule = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["patch"]}
    assert given["mcnet-gateway-replacement"] == ([rule] if automatic else [])
    others = [one for name, rules in given.items() if name != "mcnet-gateway-replacement" for one in rules]
    assert not any("nodes" in one["resources"] and set(one["verbs"]) - READS for one in others)


READS = {"get", "list", "watch"}
