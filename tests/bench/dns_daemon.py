"""`python -m tests.bench.dns_daemon KUBECONFIG PORT`: mcnet_dns as in its pod, but for the way to its server."""

import sys
from pathlib import Path

from mcnet.dns.sockets import LOOPBACK
from mcnet.kube.connect import from_kubeconfig
from mcnet.loop.run import Stop, run
from mcnet_dns.main import Dns
from mcnet_dns.settings import Settings


async def main(stop: Stop) -> None:
    settings = Settings(port=int(sys.argv[2]), metrics_port=0, hosts=100, cluster_names=False)
    async with await from_kubeconfig(kubeconfig=Path(sys.argv[1])) as api:
        await Dns(settings, api, hosts=LOOPBACK).main(stop)


if __name__ == "__main__":
    sys.exit(run(main))
