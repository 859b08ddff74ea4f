"""`mcnet benchmark latency` on real clusters: what it measures, what it writes, and that nothing of it stays."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcnet.benchmark.pods import LABELS
from mcnet.kube.kinds import POD, JsonObject
from tests.e2e.clusterset import CLUSTERS, Clusterset, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHORT = ("--duration", "3s", "--interval", "10")


async def pods(clusterset: Clusterset) -> list[JsonObject]:
    """The benchmark's pods in both clusters."""
    found: list[JsonObject] = []
    for cluster in CLUSTERS:
        async with await clusterset.api(cluster) as api:
            found += await api.list(POD, "mcnet-system", labels=LABELS)
    return found


async def gone(clusterset: Clusterset) -> None:
    async def none() -> bool:
        return await pods(clusterset) == []

    await eventually(none, 30, "no pod of the benchmark is left")


@asynccontextmanager
async def measuring(clusterset: Clusterset, *argv: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`mcnet benchmark latency` with its pods running, long enough for anything."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mcnet.cli", "benchmark", "latency", "--duration", "2m", *argv,
        cwd=clusterset.directory, env=os.environ | {"KUBECONFIG": str(clusterset.lab.kubeconfig)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip

    async def all_run() -> bool:
        found = await pods(clusterset)
        return len(found) == 4 and all(pod["status"]["phase"] == "Running" for pod in found)

    try:
        await eventually(all_run, 120, "four pods of the benchmark run")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_round_trips_between_two_nodes(clusterset: Clusterset) -> None:
    west = (await clusterset.gateways("west"))[0]
    words = ("--from", "east/east-n2", "--to", f"west/{west}", "--image", clusterset.image)
    output = await clusterset.mcnet("benchmark", "latency", *words, *SHORT, "--save", "run.json")
    assert f"east-n2 → {west} (gateway)" in output
    document: dict[str, Any] = json.loads((clusterset.directory / "run.json").read_text())
    (path,) = document["paths"]
    assert (path["from"]["node"], path["from"]["gateway"]) == ("east-n2", False)
    assert (path["to"]["node"], path["to"]["gateway"]) == (west, True)
    assert [one["protocol"] for one in path["measures"]] == ["icmp", "tcp"]
    for measure in path["measures"]:
        for way in ("pods", "nodes"):
            summary = measure[way]
            assert summary["sent"] == 300
            assert summary["loss"] < 0.5
            assert 0 < summary["p50"] <= summary["p90"] <= summary["p99"] <= summary["max"]
        assert measure["ratio"]["p50"]["value"] > 0
        assert sum(measure["histogram"]["pods"]) == 300 - measure["pods"]["lost"]
    await gone(clusterset)


async def test_json_and_a_comparison_with_an_earlier_run(clusterset: Clusterset) -> None:
    # A hundred times as fast, it says: whatever this machine does, the run is worse.
    await clusterset.mcnet(
        "benchmark", "latency", "--from", "east/east-n1", "--to", "west/west-n1", "--image", clusterset.image,
        *SHORT, "--save", "fast.json",
    )  # fmt: skip
    path = clusterset.directory / "fast.json"
    document = json.loads(path.read_text())
    for measure in document["paths"][0]["measures"]:
        for block in measure["blocks"]:
            block["pods"] = {name: time / 100 for name, time in block["pods"].items()}
    path.write_text(json.dumps(document))
    words = ("--from", "east/east-n1", "--to", "west/west-n1", "--image", clusterset.image, *SHORT)
    output = await clusterset.mcnet("benchmark", "latency", *words, "--compare", "fast.json", "-o", "json", status=1)
    answer = json.loads(output[output.index("{") : output.rindex("}") + 1])
    assert answer["comparison"]["verdict"] == "worse"
    assert answer["comparison"]["onlyInThis"] == []
    await gone(clusterset)


async def test_interrupted_it_takes_its_pods_along(clusterset: Clusterset) -> None:
    words = ("--from", "east", "--to", "west/west-n1", "--image", clusterset.image)
    async with measuring(clusterset, *words) as process:
        process.send_signal(signal.SIGINT)
        output = (await process.communicate())[0].decode()
    assert process.returncode == 130
    assert output.splitlines()[-1] == "error: interrupted"
    await gone(clusterset)


async def test_what_a_killed_run_left_the_next_one_removes(clusterset: Clusterset) -> None:
    words = ("--from", "east/east-n1", "--to", "west/west-n1", "--image", clusterset.image)
    async with measuring(clusterset, *words) as process:
        process.kill()
        await process.wait()
    left = await pods(clusterset)
    assert len(left) == 4
    # Their deadline is minutes away; ended they are as after it.
    for cluster in CLUSTERS:
        async with await clusterset.api(cluster) as api:
            for pod in await api.list(POD, "mcnet-system", labels=LABELS):
                name = pod["metadata"]["name"]
                assert pod["spec"]["activeDeadlineSeconds"] < 500
                await api.merge_patch(POD, name, {"spec": {"activeDeadlineSeconds": 1}}, "mcnet-system")

    async def all_ended() -> bool:
        return all(pod["status"]["phase"] == "Failed" for pod in await pods(clusterset))

    await eventually(all_ended, 60, "the kubelets have ended the pods")
    await clusterset.mcnet("benchmark", "latency", *words, *SHORT)
    await gone(clusterset)


async def test_an_image_that_is_not_there(clusterset: Clusterset) -> None:
    words = ("--from", "east/east-n1", "--to", "west/west-n1", "--image", "localhost/mcnet:none")
    output = await clusterset.mcnet("benchmark", "latency", *words, *SHORT, status=1)
    assert "the benchmark's pod on node" in output
    assert "does not start" in output
    await gone(clusterset)
