"""`mcnet diagnose service`: options and the screen; the ladder is mcnet.diagnose.service's."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mcnet.cli.findings import finding_row, mark, print_finding, print_text
from mcnet.cli.main import application
from mcnet.cli.options import Context, Kubeconfig, Namespace, Output, OutputForm, run
from mcnet.cli.terminal import DIM, Steps, paint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mcnet.diagnose.open import Absent
    from mcnet.diagnose.service.climb import Climbed
    from mcnet.model.service import ServiceName
    from mcnet.show.gather import Unread

app = application()


@app.command()
def service(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The service.")],
    *,
    namespace: Namespace = "default",
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    output: OutputForm = Output.TABLE,
) -> None:
    """Go the way of one service: export, broker, import, derived Service, endpoints, DNS answer, connection.

    Stops at the first rung that is broken and names the command that mends it. Looks in all contexts, unless one is
    named; the last two rungs run a throw-away pod in each cluster, nothing else is changed. The exit status is 1 if
    a rung is broken.

    Example: mcnet diagnose service web -n shop
    """
    from mcnet.cli.diagnose import print_others, refuse
    from mcnet.install.exportable import service_name

    named = service_name(namespace, name)
    steps = Steps()
    try:
        climbed, unread, absent = run(_work(context, kubeconfig, named, steps))
    finally:
        steps.clear()
    refuse(context, unread, absent, anything=bool(climbed))
    _print(named, climbed, output)
    print_others(unread, absent)
    if any(one.verdict == "wrong" for one in climbed):
        raise typer.Exit(1)


async def _work(
    context: str | None, kubeconfig: "Path | None", named: "ServiceName", steps: Steps
) -> "tuple[list[Climbed], list[Unread], list[Absent]]":
    from mcnet.diagnose.open import opened_sites
    from mcnet.diagnose.service.climb import climb

    steps.doing("Asking the clusters")
    async with opened_sites(context, kubeconfig) as opened:
        climbed = await climb(opened.sites, named, steps.doing) if opened.sites else []
    return climbed, opened.unread, opened.absent


def _print(named: "ServiceName", climbed: "Sequence[Climbed]", output: Output) -> None:
    match output:
        case Output.JSON | Output.YAML:
            from mcnet.show.output import write

            write([_row(one) for one in climbed], (), output.value)
        case Output.TABLE | Output.WIDE:
            print(f"service {named}")
            width = max(len(one.rung.title) for one in climbed)
            for one in climbed:
                _print_rung(one, width, wide=output is Output.WIDE)


def _row(one: "Climbed") -> dict[str, object]:
    """A rung that was not reached is unknown, with no word on what was looked at."""
    return {
        "rung": one.rung.name,
        "title": one.rung.title,
        "verdict": str(one.verdict),
        "looked": one.judgement.looked if one.judgement else "",
        "matters": one.rung.matters,
        "findings": [finding_row(finding) for finding in one.judgement.findings] if one.judgement else [],
    }


def _print_rung(one: "Climbed", width: int, *, wide: bool) -> None:
    if one.judgement is None:
        print(paint(f"- {one.rung.title:<{width}}  not looked at: the way is broken before", DIM, sys.stdout))
        return
    print(f"{mark(one.verdict)} {one.rung.title:<{width}}  {one.judgement.looked}")
    if one.judgement.findings or wide:
        print_text("  ", f"why it matters: {one.rung.matters}", DIM)
    for finding in one.judgement.findings:
        print_finding(finding)
