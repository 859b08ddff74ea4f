"""The API server in memory behaves as the real one does: the same tests, run on it."""

import pytest

from mcnet.kube.api import Api
from mcnet.kube.kinds import CLUSTER, CONFIG_MAP
from mcnet.model.errors import ApiError, NotFoundError
from tests.apiserver.test_api import (  # noqa: F401 - collected here too
    test_create_get_replace_delete,
    test_dry_run_writes_nothing,
    test_list_goes_through_pages,
    test_wait_for,
    test_watch_tells_changes,
)
from tests.apiserver.test_crds import (  # noqa: F401
    test_a_status_shrinks_again,
    test_specs_come_back_as_they_were,
    test_statuses_come_back_as_they_were,
    test_the_status_of_a_cluster_is_a_subresource,
)
from tests.fakes.api import FakeServer


@pytest.fixture
def member_api() -> Api:
    return FakeServer(server="https://fake (context west)").api()


@pytest.fixture
def member_namespace() -> str:
    return "n"


async def test_apply_gives_up_fields_no_longer_named(member_api: Api) -> None:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}}
    await member_api.apply(obj | {"data": {"a": "1", "b": "2"}})
    await member_api.merge_patch(CONFIG_MAP, "a", {"data": {"c": "3"}}, "n")
    applied = await member_api.apply(obj | {"data": {"a": "4"}})
    assert applied["data"] == {"a": "4", "c": "3"}


async def test_what_the_real_one_refuses(member_api: Api) -> None:
    with pytest.raises(NotFoundError):
        await member_api.apply(
            {"apiVersion": CLUSTER.api_version, "kind": "Cluster", "metadata": {"name": "a", "namespace": "n"}},
            subresource="status",
        )
    made = await member_api.create(CONFIG_MAP, {"metadata": {"name": "a"}}, "n")
    del made["metadata"]["resourceVersion"]
    with pytest.raises(ApiError, match="must be specified"):
        await member_api.replace(CONFIG_MAP, made, "n")
