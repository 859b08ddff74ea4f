"""`mcnet lab …`: real clusters on one machine. Options in, one method of mcnet.lab.lab.Lab out.

Heavy modules are imported inside the commands: `mcnet --help` must not wait for them.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcnet.cli.main import application
from mcnet.cli.options import Output, OutputForm, run
from mcnet.lab.spec import (
    DEFAULT_NAME,
    IpFamily,
    LabSpec,
    RuleSyntax,
    parse_cluster_family,
    parse_clusters,
    parse_nat,
)
from mcnet.model.errors import UsageError

if TYPE_CHECKING:
    from mcnet.lab.lab import Lab
    from mcnet.lab.topology import Machine

app = application(help="Real Kubernetes clusters in network namespaces of this machine.", no_args_is_help=True)

Name = Annotated[str, typer.Option("--name", metavar="LAB", help="Which lab; several live side by side.")]


@app.command()
def up(
    *,
    name: Name = DEFAULT_NAME,
    clusters: Annotated[str, typer.Option(metavar="NAME,…", help="Names, separated by commas.")] = "east,west",
    nodes: Annotated[int, typer.Option(metavar="N", help="Nodes per cluster.")] = 2,
    ip_family: Annotated[IpFamily, typer.Option(help="Of pods and services.")] = IpFamily.IPV4,
    underlay_family: Annotated[
        IpFamily | None,
        typer.Option(help="Of wan links and nodes, where it differs from --ip-family.", show_default=False),
    ] = None,
    cluster_family: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLUSTER:FAMILY[/UNDERLAY]",
            help="A cluster that differs from the others, for example west:ipv4/ipv6. Repeatable.",
        ),
    ] = None,
    kube_proxy_mode: Annotated[RuleSyntax, typer.Option(help="How kube-proxy writes rules.")] = RuleSyntax.NFTABLES,
    masquerade: Annotated[
        RuleSyntax, typer.Option(help="How pod traffic that leaves its cluster is masqueraded.")
    ] = RuleSyntax.IPTABLES,
    overlapping_cidrs: Annotated[
        bool, typer.Option("--overlapping-cidrs", help="All clusters use the same pod and service CIDRs.")
    ] = False,
    nat: Annotated[
        list[str] | None,
        typer.Option(metavar="CLUSTER[:KIND]", help="A cluster behind a NAT router: eim or symmetric. Repeatable."),
    ] = None,
    with_image: Annotated[
        bool, typer.Option("--with-image", help="Also build mcnet's own image and load it into every node.")
    ] = False,
) -> None:
    """Bring up clusters and wait until they can be used.

    Example: mcnet lab up --nodes 3 --kube-proxy-mode iptables
    """
    spec = LabSpec(
        name=name,
        clusters=parse_clusters(clusters),
        nodes=nodes,
        ip_family=ip_family,
        underlay_family=underlay_family,
        cluster_families=tuple(parse_cluster_family(text) for text in cluster_family or []),
        kube_proxy_mode=kube_proxy_mode,
        masquerade=masquerade,
        overlapping_cidrs=overlapping_cidrs,
        nat=tuple(parse_nat(text) for text in nat or []),
    )
    run(_up(spec, with_image))


@app.command()
def down(name: Name = DEFAULT_NAME) -> None:
    """Remove a lab without a trace, however far it had come.

    Example: mcnet lab down --name lab
    """
    run(_lab(name).down(typer.echo))


@app.command()
def kubeconfig(name: Name = DEFAULT_NAME) -> None:
    """Print the path of a kubeconfig with a context per cluster.

    Example: export KUBECONFIG=$(mcnet lab kubeconfig)
    """
    typer.echo(_lab(name).kubeconfig)


@app.command(name="exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def exec_(
    place: Annotated[str, typer.Argument(metavar="PLACE", help="CLUSTER/n1, CLUSTER/cp, CLUSTER/nat, wan.")],
    command: Annotated[list[str], typer.Argument(metavar="COMMAND", help="The program and its arguments, after --.")],
    name: Name = DEFAULT_NAME,
) -> None:
    """Run a program inside of a machine of the lab.

    Example: mcnet lab exec west/n1 -- ip rule
    """
    # With options passed through, the dashes that end our own come along.
    argv = [*_lab(name).entry(place), *(command[1:] if command[0] == "--" else command)]
    os.execvp(argv[0], argv)


@app.command()
def status(
    name: Name = DEFAULT_NAME,
    output: OutputForm = Output.TABLE,
) -> None:
    """Show clusters, nodes, addresses and processes of a lab.

    Example: mcnet lab status -o json
    """
    from mcnet.lab.status import render

    typer.echo(render(_lab(name).status(), output.value), nl=False)


@app.command(name="load-image")
def load_image(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="A docker-archive (.tar).")],
    name: Name = DEFAULT_NAME,
    cluster: Annotated[list[str] | None, typer.Option(metavar="CLUSTER", help="Only here. Repeatable.")] = None,
) -> None:
    """Import a container image into the nodes.

    Example: mcnet lab load-image web.tar --cluster west
    """
    count = run(_lab(name).load_image(archive, cluster or []))
    typer.echo(f"{archive.name} is on {count} nodes of lab {name!r}")


@app.command(name="add-node")
def add_node(
    cluster: Annotated[str, typer.Argument(metavar="CLUSTER", help="The cluster that gets one node more.")],
    *,
    name: Name = DEFAULT_NAME,
    with_image: Annotated[bool, typer.Option("--with-image", help="With the image of mcnet's daemons.")] = False,
) -> None:
    """Add a node to a cluster of the lab.

    Example: mcnet lab add-node west --with-image
    """
    machine = run(_add_node(name, cluster, with_image))
    typer.echo(f"{machine.name} is Ready")


async def _add_node(name: str, cluster: str, with_image: bool) -> "Machine":
    from mcnet.lab.image import ensure_image
    from mcnet.lab.progress import showing

    with showing() as progress:
        images = [await ensure_image(progress)] if with_image else []
        return await _lab(name).add_node(cluster, progress, images)


@app.command(name="remove-node")
def remove_node(
    machine: Annotated[str, typer.Argument(metavar="MACHINE", help="A node: east-n3.")],
    *,
    name: Name = DEFAULT_NAME,
) -> None:
    """Drain a node, delete it from its cluster and remove the machine.

    Example: mcnet lab remove-node west-n3
    """
    run(_lab(name).remove_node(machine, typer.echo))


@app.command()
def impair(
    machine: Annotated[str, typer.Argument(metavar="MACHINE", help="A node or control plane: east-n1, east-cp.")],
    link: Annotated[str, typer.Argument(metavar="LINK", help="wan or cluster")],
    *,
    name: Name = DEFAULT_NAME,
    cut: Annotated[bool, typer.Option("--cut", help="No packet passes.")] = False,
    restore: Annotated[bool, typer.Option("--restore", help="End all faults of the link.")] = False,
    rate: Annotated[str, typer.Option(metavar="RATE", help="At most so fast, for example 10mbit.")] = "",
    delay: Annotated[str, typer.Option(metavar="TIME", help="Later by this each way, for example 20ms.")] = "",
    drop: Annotated[str, typer.Option(metavar="SHARE", help="Lose this share each way, for example 5%.")] = "",
) -> None:
    """Cut, slow, delay or lose packets on a machine's link; each call replaces the faults before.

    Example: mcnet lab impair east-n1 wan --cut
    """
    from mcnet.lab.impair import Impairment, parse_link, parse_percent

    faults = Impairment(cut=cut, rate=rate, delay=delay, drop_percent=parse_percent(drop or "0"))
    if restore == (faults != Impairment()):
        raise UsageError(
            "give either --restore or at least one of --cut, --rate, --delay, --drop",
            f"mcnet lab impair {machine} {link} --restore",
        )
    run(_lab(name).impair(machine, parse_link(link), faults))


@app.command()
def reboot(
    machine: Annotated[str, typer.Argument(metavar="MACHINE", help="A node or control plane: east-n1, east-cp.")],
    name: Name = DEFAULT_NAME,
) -> None:
    """Lose a machine's power and bring it back: its processes and its network go, its disk stays.

    Example: mcnet lab reboot east-n1
    """
    run(_lab(name).reboot(machine))
    typer.echo(f"{machine} of lab {name!r} has booted; its node becomes Ready by itself")


@app.command()
def demo(
    *,
    name: Name = DEFAULT_NAME,
    nodes: Annotated[int, typer.Option(metavar="N", help="Nodes per cluster.")] = 2,
) -> None:
    """Bring up two clusters, join them, and send traffic between their pods; leaves the lab up.

    Example: sudo mcnet lab demo
    """
    run(_demo(LabSpec(name=name, nodes=nodes)))


async def _demo(spec: LabSpec) -> None:
    from mcnet.lab.demo import bring_up, tell
    from mcnet.lab.progress import showing

    with showing() as progress:
        image = await bring_up(spec, typer.echo, progress)
    await tell(spec, image, typer.echo)


async def _up(spec: LabSpec, with_image: bool) -> None:
    from mcnet.lab.image import ensure_image
    from mcnet.lab.progress import showing

    with showing() as progress:
        lab = _lab(spec.name)
        lab.require_absent()
        images = [await ensure_image(progress)] if with_image else []
        await lab.up(spec, progress, images)
    typer.echo(f"lab {spec.name!r} is up; export KUBECONFIG={lab.kubeconfig}")


def _lab(name: str) -> "Lab":
    from mcnet.lab.lab import Lab

    return Lab(name)


if __name__ == "__main__":
    from mcnet.cli.entry import main

    sys.exit(main(["lab", *sys.argv[1:]]))
