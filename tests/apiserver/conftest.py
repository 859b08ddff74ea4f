"""Two real API servers for the session, since a broker and its members never share one."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from mcnet.install.until import until
from mcnet.kube.api import Api
from mcnet.kube.kinds import CRD, NAMESPACE, SERVICE_IMPORT, Kind
from mcnet.model.errors import ApiError
from tests.apiserver.server import ApiServer

TEMPLATES = Path(__file__).parents[2] / "templates"
CRDS = sorted([*(TEMPLATES / "crds").glob("*.yaml"), *(TEMPLATES / "mcs").glob("*.yaml")])


def start_server(name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    server = ApiServer(name, tmp_path_factory.mktemp(name))
    try:
        asyncio.run(_prepare(server))
        yield server
    finally:
        server.close()


async def _prepare(server: ApiServer) -> None:
    await server.start()
    async with await server.admin() as api:
        await install_crds(api)


async def install_crds(api: Api) -> None:
    """Apply our CRDs and wait until the server serves them."""
    for path in CRDS:
        crd = await api.apply(yaml.safe_load(path.read_text()))
        await api.wait_for(CRD, crd["metadata"]["name"], None, established, 20)
        await until(lambda crd=crd: _is_served(api, crd["spec"]), timeout=20)


async def know_imports(api: Api) -> None:
    """The server has the kinds of the MCS API afterwards, though a test before has taken them away."""
    if await api.find(CRD, f"{SERVICE_IMPORT.plural}.{SERVICE_IMPORT.group}") is None:
        await install_crds(api)


async def _is_served(api: Api, spec: dict[str, Any]) -> bool:
    """Whether its objects can be listed: a kind that was there before is not at once, though it is established."""
    version, names = spec["versions"][0]["name"], spec["names"]
    try:
        await api.list(Kind(spec["group"], version, names["plural"], names["kind"], namespaced=True))
    except ApiError:
        return False
    return True


def established(crd: dict[str, object] | None) -> bool:
    """Whether the server serves the kind."""
    status = (crd or {}).get("status")
    conditions = (status.get("conditions") if isinstance(status, dict) else None) or []  # null at first
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


@pytest.fixture(scope="session")
def broker_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The API server that plays the broker, with our CRDs; a test that stops it must start it again."""
    yield from start_server("broker", tmp_path_factory)


@pytest.fixture(scope="session")
def member_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The API server of a member cluster, with our CRDs; a test that stops it must start it again."""
    yield from start_server("west", tmp_path_factory)


@pytest.fixture
async def broker_api(broker_server: ApiServer) -> AsyncIterator[Api]:
    """The broker's admin."""
    async with await broker_server.admin() as api:
        yield api


@pytest.fixture
async def member_api(member_server: ApiServer) -> AsyncIterator[Api]:
    """The member cluster's admin."""
    async with await member_server.admin() as api:
        yield api


@pytest.fixture
async def broker_namespace(broker_api: Api) -> str:
    """A namespace at the broker for this test alone."""
    return await fresh_namespace(broker_api, "broker")


@pytest.fixture
async def member_namespace(member_api: Api) -> str:
    """A namespace in the member cluster for this test alone."""
    return await fresh_namespace(member_api, "system")


async def fresh_namespace(api: Api, name: str) -> str:
    """Create a namespace of a new name. It stays: there is no controller that could empty it, and the server goes."""
    name = f"mcnet-{name}-{uuid4().hex[:8]}"
    await api.create(NAMESPACE, {"metadata": {"name": name}})
    return name
