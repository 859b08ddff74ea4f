"""Kernels that lack something. Namespaces share the machine's kernel, so these are given answers, not made faults."""

from typing import Final

from mcnet.codec.look import decode_look
from mcnet.diagnose.checks import kernel_features
from mcnet.diagnose.site import Looks
from mcnet.model.diagnosis import Judgement
from mcnet.model.look import Order
from tests.e2e.faults.fault import Fault

WITHOUT_NEXTHOPS: Final = (
    '{"node": "east-n1", "began": 1.0, "ended": 2.0, "release": "4.18.0-553.el8_10.x86_64", "missing": ['
    '{"name": "next-hop objects", "since": "5.3", "required": true, "detail": "Operation not supported"}, '
    '{"name": "resilient next-hop groups", "since": "5.13", "required": false, "detail": "Operation not supported"}'
    '], "sysctls": {}, "devices": [], "taken_ports": [], "tables": {}, "tried": [], "seen": [], "drops": [], '
    '"translations": [], "faults": {}}'
)
"""What a look says on a kernel from before next-hop objects: an unknown message is EOPNOTSUPP (rtnetlink_rcv_msg)."""


def _judged() -> Judgement:
    look = decode_look(WITHOUT_NEXTHOPS)
    return kernel_features.judge(Looks({look.node: Order(look.node)}, {look.node: look}, {}))


FAULTS: Final = (
    Fault(
        check="kernel-features",
        title="A node's kernel is too old (a given answer, no real node)",
        about="node east-n1",
        said="lacks next-hop objects .there from 5.3 on",
        remedy="boot east-n1 with Linux 5.3",
        captured=_judged,
    ),
)
