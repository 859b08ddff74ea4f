"""DNS as a pod of a lab sees it: questions go from inside of the pod to the server that its resolv.conf names."""

from dataclasses import dataclass

import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import dns.rdatatype

from mcnet.lab.workload import WebPod
from tests.e2e.clusterset import Clusterset

ASK = """
import re, socket, sys
server = re.search(r"^nameserver (\\S+)", open("/etc/resolv.conf").read(), re.M)[1]
family = socket.AF_INET6 if ":" in server else socket.AF_INET
kind = socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM
for text in sys.argv[2:]:
    query = bytes.fromhex(text)
    for _ in range(3):
        with socket.socket(family, kind) as asking:
            asking.settimeout(3)
            try:
                asking.connect((server, 53))
                if kind == socket.SOCK_DGRAM:
                    asking.send(query)
                    print(asking.recv(65535).hex())
                else:
                    asking.sendall(len(query).to_bytes(2) + query)
                    with asking.makefile("rb") as reader:
                        print(reader.read(int.from_bytes(reader.read(2))).hex())
                break
            except OSError as error:
                print(error, file=sys.stderr)
    else:
        sys.exit(1)
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """`records` are those of the answer section, without TTL, of SRV without its weight, which the KEP leaves free;
    each once, sorted. `authority` are that section's types."""

    rcode: str
    records: tuple[str, ...] = ()
    authority: tuple[str, ...] = ()


async def ask(clusterset: Clusterset, pod: WebPod, *questions: tuple[str, str], by: str = "udp") -> list[Answer]:
    """The answers to (name, type) each."""
    queries = [dns.message.make_query(f"{name}.", kind) for name, kind in questions]
    load = clusterset.loads[pod.cluster]
    done = await load.run(pod, "python3", "-c", ASK, by, *(query.to_wire().hex() for query in queries))
    assert done.status == 0, done.errors
    answers = []
    for query, line in zip(queries, done.output.split(), strict=True):
        answer = dns.message.from_wire(bytes.fromhex(line))
        assert query.is_response(answer)
        assert not answer.flags & dns.flags.TC
        answers.append(
            Answer(
                dns.rcode.to_text(answer.rcode()),
                tuple(sorted({_record(item) for one in answer.answer for item in one})),
                tuple(sorted(dns.rdatatype.to_text(one.rdtype) for one in answer.authority)),
            )
        )
    return answers


def _record(data: dns.rdata.Rdata) -> str:
    words = data.to_text().split()
    if data.rdtype == dns.rdatatype.SRV:
        del words[1]
    return " ".join((dns.rdatatype.to_text(data.rdtype), *words))


async def addresses(clusterset: Clusterset, pod: WebPod, name: str) -> set[str]:
    """What `name` has of addresses of both families; empty where it does not exist."""
    found = await ask(clusterset, pod, (name, "A"), (name, "AAAA"))
    return {record.split()[1] for answer in found for record in answer.records}
