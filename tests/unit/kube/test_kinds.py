"""Kinds: their paths, and that knowing them costs nothing."""

import subprocess
import sys

import pytest

from mcnet.kube.kinds import CLUSTER, KINDS, NAMESPACE, NODE, POD, ROLE, kind_of
from mcnet.model.errors import UsageError


def test_paths() -> None:
    assert POD.path("x", "n", subresource="log") == "/api/v1/namespaces/n/pods/x/log"
    assert POD.path() == "/api/v1/pods"
    assert NODE.path("x", "ignored") == "/api/v1/nodes/x"
    assert NAMESPACE.path("x") == "/api/v1/namespaces/x"
    assert ROLE.path("a:b/c", "n") == "/apis/rbac.authorization.k8s.io/v1/namespaces/n/roles/a%3Ab%2Fc"
    assert CLUSTER.path("west", "n", subresource="status") == (
        "/apis/mcnet.dev/v1alpha1/namespaces/n/clusters/west/status"
    )


def test_every_kind_is_found_by_its_objects() -> None:
    assert len(KINDS) > 25
    for kind in KINDS:
        assert kind_of({"apiVersion": kind.api_version, "kind": kind.kind}) is kind


@pytest.mark.parametrize("obj", [{}, {"apiVersion": "v1", "kind": "Widget"}, {"apiVersion": "v2", "kind": "Pod"}])
def test_other_objects_are_refused(obj: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="unknown kind"):
        kind_of(obj)


def test_importing_loads_no_client() -> None:
    code = (
        "import sys, mcnet.kube.kinds, mcnet.kube.api, mcnet.kube.connect, mcnet.kube.store, mcnet.kube.lease;"
        "print({'kubernetes', 'aiohttp'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("set()\n", "")
