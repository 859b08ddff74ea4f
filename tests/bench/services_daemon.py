"""`python -m tests.bench.services_daemon FILE`: mcnet_discovery as in its pod, but for the way to its server.

FILE holds, as JSON, the server's URL, its CA, a token, the namespace and the port of the metrics.
"""

import json
import sys
from pathlib import Path

from mcnet.kube.connect import with_token
from mcnet.loop.run import Stop, run
from mcnet_discovery.main import Discovery
from mcnet_discovery.settings import Settings


async def main(stop: Stop) -> None:
    told = json.loads(Path(sys.argv[1]).read_text())
    async with await with_token(server=told["server"], ca=told["ca"].encode(), token=told["token"]) as api:
        await Discovery(Settings("pod-1", told["namespace"], told["port"]), api).main(stop)


if __name__ == "__main__":
    sys.exit(run(main))
