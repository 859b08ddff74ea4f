"""`mcnet benchmark …`: options, and the answer's form; the measuring is mcnet.benchmark's."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcnet.cli.main import application
from mcnet.cli.options import Kubeconfig, Output, OutputForm, run
from mcnet.cli.terminal import BOLD, DIM, GREEN, RED, Steps, paint
from mcnet.model.errors import UsageError

if TYPE_CHECKING:
    from mcnet.model.latency import Comparison, Report

app = application(no_args_is_help=True, help="Measure what the way through mcnet costs, beside the way without it.")

COLORS = {"bold": BOLD, "dim": DIM, "red": RED, "green": GREEN}


@app.callback()
def _group() -> None:
    """Measure what the way through mcnet costs, beside the way without it."""


@app.command()
def latency(
    *,
    source: Annotated[
        str, typer.Option("--from", metavar="CONTEXT[/NODE]", help="Where the samplers run; else every member.")
    ] = "",
    target: Annotated[
        str, typer.Option("--to", metavar="CONTEXT[/NODE]", help="Who answers; else every connected member.")
    ] = "",
    duration: Annotated[str, typer.Option(metavar="TIME", help="How long each path is measured.")] = "10s",
    interval: Annotated[
        int, typer.Option(metavar="MS", min=1, help="Milliseconds between two samples of a kind; at least 5.")
    ] = 10,
    kubeconfig: Kubeconfig = None,
    image: Annotated[
        str, typer.Option(metavar="IMAGE", help="Image of the pods that measure; else the daemons' own.")
    ] = "",
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the report there, as JSON.")] = None,
    compare: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Judge against a saved report; exit status 1 if this one is worse."),
    ] = None,
    tolerance: Annotated[
        int, typer.Option(metavar="PERCENT", min=0, max=100, help="How much slower is not yet worse.")
    ] = 10,
    output: OutputForm = Output.TABLE,
) -> None:
    """Measure round trips from pod to pod, by ICMP and TCP, beside those from node to node without mcnet.

    Without --from and --to: every pair of connected clusters, from gateway to gateway and from other node to other
    node. Four small pods per path do the work and are always removed.

    Example: mcnet benchmark latency --from east --to west --save before.json
    """
    from mcnet.benchmark.latency import Request, measure
    from mcnet.plan.durations import parse_duration
    from mcnet.plan.latency_compare import compare as judge

    request = Request(
        source=source,
        target=target,
        duration=float(parse_duration(duration)),
        interval=interval / 1000,
        image=image,
        kubeconfig=kubeconfig,
    )
    request.check()
    earlier = _read(compare) if compare else None
    if save is not None and not save.absolute().parent.is_dir():
        raise UsageError(f"there is no directory {save.absolute().parent} to save {save.name} in")
    steps = Steps()
    try:
        report = run(measure(request, steps))
    finally:
        steps.clear()
    comparison = judge(report, earlier, tolerance / 100) if earlier else None
    if save is not None:
        _write(save, report)
    _show(report, output, comparison, earlier)
    if comparison is not None and comparison.verdict == "worse":
        raise typer.Exit(1)


def _read(path: Path) -> "Report":
    from mcnet.codec.errors import DecodeError
    from mcnet.codec.latency import decode

    try:
        return decode(json.loads(path.read_text()))
    except (OSError, ValueError, RecursionError, DecodeError) as error:
        raise UsageError(
            f"the report {path} can't be read: {error}", f"make one: mcnet benchmark latency --save {path}"
        ) from error


def _write(path: Path, report: "Report") -> None:
    from mcnet.codec.latency import encode

    try:
        path.write_text(json.dumps(encode(report), indent=1) + "\n")
    except OSError as error:
        raise UsageError(f"the report can't be written to {path}: {error.strerror}") from error


def _show(report: "Report", output: Output, comparison: "Comparison | None", earlier: "Report | None") -> None:
    from mcnet.benchmark.screen import comparison_lines, report_lines
    from mcnet.codec.latency import encode, encode_comparison

    def painted(text: str, color: str) -> str:
        return paint(text, COLORS[color], sys.stdout)

    if output in (Output.JSON, Output.YAML):
        document = encode(report)
        if comparison is not None:
            document |= {"comparison": encode_comparison(comparison)}
        if output is Output.JSON:
            print(json.dumps(document, indent=2))
        else:
            import yaml

            print(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), end="")
        return
    print("\n".join(report_lines(report, painted)))
    if comparison is not None and earlier is not None:
        print("\n" + "\n".join(comparison_lines(comparison, earlier.time, painted)))
