"""`mcnet diagnose`: options and the screen; what is checked, and how, is mcnet.diagnose's."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from mcnet.cli.findings import finding_row, mark, print_finding, print_text
from mcnet.cli.main import application
from mcnet.cli.options import Context, Kubeconfig, Output, OutputForm, run
from mcnet.cli.terminal import DIM, Steps, paint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mcnet.diagnose.check import AnyCheck
    from mcnet.diagnose.open import Absent
    from mcnet.model.diagnosis import Diagnosis
    from mcnet.show.gather import Unread

MOST_FINDINGS = 10
"""Of one check in one cluster on the screen; -o wide shows all."""

SERVICE = "service"
app = application()


class Checks(TyperCommand):
    """`mcnet diagnose CHECK…`. Its first word `service` is a command of its own: no check has that name."""

    @property
    def commands(self) -> dict[str, Any]:
        """As of a group: for help, completion and the reference."""
        from mcnet.cli.diagnose_service import app as of_service

        return {SERVICE: typer.main.get_command(of_service)}

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Of the command that is meant."""
        if args[:1] == [SERVICE]:
            return self.commands[SERVICE].make_context(f"{info_name} {SERVICE}", args[1:], parent=parent, **extra)
        return super().make_context(info_name, args, parent=parent, **extra)


@app.command(cls=Checks)
def diagnose(
    checks: Annotated[
        list[str] | None, typer.Argument(metavar="CHECK…", help="Only these; all of them if none is named.")
    ] = None,
    *,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    output: OutputForm = Output.TABLE,
    list_: Annotated[bool, typer.Option("--list", help="List the checks and why each matters.")] = False,
) -> None:
    """Find out what is wrong, why it matters, and the command that mends it. All contexts, unless one is named.

    Runs a throw-away pod on every node for the checks that need one, and changes nothing. The exit status is 1 if
    something is wrong, 0 if there are warnings at most. One service across clusters: mcnet diagnose service NAME.

    Example: mcnet diagnose
    """
    from mcnet.diagnose.checks import CHECKS

    chosen = _chosen(checks or [], CHECKS)
    if list_:
        _print_checks(chosen)
        return
    steps = Steps()
    try:
        diagnoses, unread, absent = run(_work(context, kubeconfig, chosen, steps))
    finally:
        steps.clear()
    refuse(context, unread, absent, anything=bool(diagnoses))
    _print(diagnoses, output)
    print_others(unread, absent)
    if any(diagnosis.verdict == "wrong" for diagnosis in diagnoses):
        raise typer.Exit(1)


async def _work(
    context: str | None, kubeconfig: "Path | None", checks: "Sequence[AnyCheck]", steps: Steps
) -> "tuple[list[Diagnosis], list[Unread], list[Absent]]":
    from mcnet.diagnose.open import opened_sites
    from mcnet.diagnose.run import diagnose as work

    steps.doing("Asking the clusters")
    async with opened_sites(context, kubeconfig) as opened:
        sites = opened.sites
        waiting = [f"{check.title} of {site.member.cluster}" for site in sites for check in checks]

        def told(diagnosis: "Diagnosis") -> None:
            waiting.remove(f"{diagnosis.title} of {diagnosis.cluster}")
            done = len(sites) * len(checks) - len(waiting)
            if waiting:
                steps.doing(f"{done} of {done + len(waiting)} checks done; waiting for {', '.join(waiting[:3])}")

        steps.doing(f"{len(checks)} checks on {', '.join(site.member.cluster for site in sites)}")
        diagnoses = await work(sites, checks, told)
    return diagnoses, opened.unread, opened.absent


def _chosen(names: "Sequence[str]", checks: "Sequence[AnyCheck]") -> "tuple[AnyCheck, ...]":
    """The named checks, all if none is named. Raises UsageError for a name that none has."""
    from difflib import get_close_matches

    from mcnet.model.errors import UsageError

    known = [check.name for check in checks]
    for name in names:
        if name not in known:
            if name == SERVICE:
                raise UsageError(f"{SERVICE!r} is no check", "it comes first: mcnet diagnose service NAME [OPTIONS]")
            near = get_close_matches(name, known, 1)
            hint = f"do you mean {near[0]}? " if near else ""
            raise UsageError(f"there is no check {name!r}", f"{hint}mcnet diagnose --list shows all of them")
    return tuple(check for check in checks if not names or check.name in names)


def refuse(context: str | None, unread: "Sequence[Unread]", absent: "Sequence[Absent]", *, anything: bool) -> None:
    """Raises where there is nothing to diagnose."""
    from mcnet.model.errors import UsageError

    if anything:
        return
    if context and unread:
        raise unread[0].error
    if context and absent:
        raise UsageError(
            f"context {absent[0].context} is " + ("a broker, but no member" if absent[0].broker else "no member"),
            f"join it: mcnet join broker-info.mcnet --context {absent[0].context}",
        )
    if unread:
        print_others(unread, absent)
        raise typer.Exit(3)
    raise UsageError("no context leads to a member", "make one: mcnet deploy-broker, then mcnet join")


def _print(diagnoses: "Sequence[Diagnosis]", output: Output) -> None:
    match output:
        case Output.JSON | Output.YAML:
            from mcnet.show.output import write

            write([_row(diagnosis) for diagnosis in diagnoses], (), output.value)
        case Output.TABLE | Output.WIDE:
            for cluster in dict.fromkeys(diagnosis.cluster for diagnosis in diagnoses):
                mine = [diagnosis for diagnosis in diagnoses if diagnosis.cluster == cluster]
                _print_cluster(cluster, mine, wide=output is Output.WIDE)


def _row(diagnosis: "Diagnosis") -> dict[str, object]:
    return {
        "cluster": diagnosis.cluster,
        "check": diagnosis.check,
        "title": diagnosis.title,
        "verdict": str(diagnosis.verdict),
        "looked": diagnosis.looked,
        "matters": diagnosis.matters,
        "findings": [finding_row(finding) for finding in diagnosis.findings],
    }


def _print_cluster(cluster: str, diagnoses: "Sequence[Diagnosis]", *, wide: bool) -> None:
    from collections import Counter

    counts = Counter(str(diagnosis.verdict) for diagnosis in diagnoses)
    said = [f"{counts[verdict]} {verdict}" for verdict in ("fine", "warning", "wrong", "unknown") if counts[verdict]]
    print(f"{cluster}: {', '.join(said)}")
    width = max(len(diagnosis.title) for diagnosis in diagnoses)
    told: set[tuple[str, str]] = set()
    for diagnosis in diagnoses:
        name = "" if diagnosis.verdict == "fine" else paint(f"  [{diagnosis.check}]", DIM, sys.stdout)
        print(f"{mark(diagnosis.verdict)} {diagnosis.title:<{width}}  {diagnosis.looked}{name}")
        if diagnosis.findings or wide:
            print_text("  ", f"why it matters: {diagnosis.matters}", DIM)
        shown = diagnosis.findings if wide else diagnosis.findings[:MOST_FINDINGS]
        for finding in shown:
            print_finding(finding, again=(finding.about, finding.said) in told)
            told.add((finding.about, finding.said))
        if more := len(diagnosis.findings) - len(shown):
            print(f"  … and {more} more: mcnet diagnose {diagnosis.check} -o wide")
    print()


def _print_checks(checks: "Sequence[AnyCheck]") -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        print(f"{check.name:<{width}}  {check.title}: {check.matters}")


def print_others(unread: "Sequence[Unread]", absent: "Sequence[Absent]") -> None:
    """One line about contexts without mcnet, one for each that could not be read."""
    for one in unread:
        print(f"{one.context}: could not be read: {one.error.message}", file=sys.stderr)
    if absent:
        names = [one.context + (" (broker)" if one.broker else "") for one in absent]
        print(f"no member: {', '.join(names)}", file=sys.stderr)
