"""Kernels that lack something: what nothing works without is wrong, the rest a warning."""

from mcnet.codec.look import decode_look
from mcnet.diagnose.checks import kernel_features
from mcnet.diagnose.site import Looks
from mcnet.model.diagnosis import Finding, Verdict
from mcnet.model.look import Order
from tests.e2e.faults.kernels import WITHOUT_NEXTHOPS
from tests.unit.diagnose.checks.looked import look, looks


def test_a_kernel_that_has_all() -> None:
    judgement = kernel_features.judge(looks(look("n1")))
    assert judgement.findings == ()
    assert judgement.looked == "tried out on 1 of 1 nodes"


def test_the_answer_of_an_old_kernel() -> None:
    answer = decode_look(WITHOUT_NEXTHOPS)
    wrong, warning = kernel_features.judge(Looks({"east-n1": Order("east-n1")}, {"east-n1": answer}, {})).findings
    assert wrong == Finding(
        Verdict.WRONG,
        "node east-n1",
        "Linux 4.18.0-553.el8_10.x86_64 lacks next-hop objects (there from 5.3 on): Operation not supported",
        "boot east-n1 with Linux 5.3 or newer, or with the module that has it",
    )
    assert warning.verdict is Verdict.WARNING
    assert warning.said.endswith("; without it flows may move when paths change")


def test_what_cannot_be_tried_is_not_fine() -> None:
    found = kernel_features.judge(looks(look("n1", faults={"features": "no right"}), failures={"n2": "not Ready"}))
    assert [(one.verdict, one.about) for one in found.findings] == [
        (Verdict.UNKNOWN, "node n2"),
        (Verdict.UNKNOWN, "node n1"),
    ]
