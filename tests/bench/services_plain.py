"""`python -m tests.bench.services_plain FILE`: a bare client that writes objects as discovery does, and nothing else.

FILE holds, as JSON, a kubeconfig, how many times to write the objects, and the objects: each is created under a new
name, and its status written if it has one.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from mcnet.kube.connect import from_kubeconfig
from mcnet.kube.kinds import kind_of
from tests.bench.services_bed import at_once

JsonObject = dict[str, Any]
_GIVEN = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
"""Of metadata, what the server gives."""
_ADDRESSES = ("clusterIP", "clusterIPs")


def template(obj: JsonObject) -> JsonObject:
    """An object as it was written."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _GIVEN}
    made = obj | {"metadata": metadata}
    if obj["kind"] == "Service":
        made = {key: value for key, value in made.items() if key != "status"}
        made["spec"] = {key: value for key, value in obj["spec"].items() if key not in _ADDRESSES}
    return made


async def main() -> None:
    told = json.loads(Path(sys.argv[1]).read_text())
    async with await from_kubeconfig(kubeconfig=Path(told["kubeconfig"])) as api:

        async def write(number: int) -> None:
            for obj in told["objects"]:
                metadata = obj["metadata"] | {"name": f"{obj['metadata']['name']}-{number}"}
                kind, namespace = kind_of(obj), metadata["namespace"]
                made = await api.create(kind, obj | {"metadata": metadata}, namespace)
                if "status" in obj:
                    await api.replace(kind, made | {"status": obj["status"]}, namespace, subresource="status")

        await at_once(range(told["count"]), write)


if __name__ == "__main__":
    asyncio.run(main())
