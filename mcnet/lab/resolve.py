"""Whether a cluster's DNS answers as its nodes see it: a ready Pod is not yet one that kube-proxy leads to."""

import asyncio
import sys

from mcnet.lab import processes
from mcnet.lab.topology import Cluster, Machine
from mcnet.model.errors import McnetError

_SECONDS = 30
_ASK = """
import socket, struct, sys, time
server, seconds = sys.argv[1], float(sys.argv[2])
labels = b"".join(bytes([len(label)]) + label for label in b"kubernetes.default.svc.cluster.local".split(b"."))
query = struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + labels + struct.pack("!B2H", 0, 1, 1)
end = time.monotonic() + seconds
while time.monotonic() < end:
    # A new socket each time: conntrack keeps a flow that was not translated as it was.
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.3)
        try:
            client.sendto(query, (server, 53))
            if client.recv(512)[3] & 15 == 0:
                sys.exit()
        except OSError:
            time.sleep(0.1)
sys.exit(1)
"""
"""Asks by UDP (RFC 1035, 4.1) until the answer's RCODE is 0."""


async def dns_answers(cluster: Cluster, mark: str) -> None:
    """Waits until every node gets answers from every address of the cluster's DNS. Raises McnetError."""
    pairs = [(node, str(address)) for node in cluster.nodes for address in cluster.dns_addresses]
    answered = await asyncio.gather(*(_answered(node, address, mark) for node, address in pairs))
    for (node, address), done in zip(pairs, answered, strict=True):
        if not done:
            raise McnetError(
                f"node {node.name} got no answer from its cluster's DNS at {address} in {_SECONDS} s",
                f"mcnet lab exec {node.cluster}/{node.short_name} -- nft list ruleset",
            )


async def _answered(node: Machine, address: str, mark: str) -> bool:
    inside = ["nsenter", f"--net=/run/netns/{node.namespace}", "--"]
    done = await processes.call([*inside, sys.executable, "-c", _ASK, address, str(_SECONDS)], mark=mark)
    return done.status == 0
