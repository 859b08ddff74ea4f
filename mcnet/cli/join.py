"""`mcnet join`: options, files and the closing screen; the work is mcnet.install's."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcnet.cli.main import application
from mcnet.cli.options import Context, Kubeconfig, run
from mcnet.cli.terminal import Steps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcnet.install.join import Joined
    from mcnet.install.join_plan import JoinRequest
    from mcnet.kube.api import Api
    from mcnet.model.broker import BrokerInfo, JoinToken
    from mcnet.model.public_address import Source
    from mcnet.plan.cluster_dns import LeftAlone

app = application()

TOKEN_VARIABLE = "MCNET_TOKEN"


@app.command()
def join(
    broker_info: Annotated[Path, typer.Argument(metavar="BROKER-INFO", help="broker-info.mcnet of deploy-broker.")],
    *,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    cluster_id: Annotated[
        str, typer.Option(metavar="ID", help="A DNS label; made of the context's name if not given.")
    ] = "",
    token: Annotated[
        str, typer.Option(metavar="TOKEN", help="Join token; rather give it as $MCNET_TOKEN or by --token-file.")
    ] = "",
    token_file: Annotated[str, typer.Option(metavar="FILE", help="File with the join token; - for stdin.")] = "",
    broker_context: Annotated[
        str, typer.Option(metavar="CONTEXT", help="Join as the broker's admin, without a token.")
    ] = "",
    gateways: Annotated[
        str,
        typer.Option(metavar="N", help="Number of gateway nodes, at first 1; auto:N: a lost one is replaced."),
    ] = "",
    image: Annotated[str, typer.Option(metavar="IMAGE", help="Image of the daemons.")] = "",
    image_pull_policy: Annotated[
        str, typer.Option(metavar="POLICY", help="IfNotPresent (at first), Always or Never.")
    ] = "",
    pull_secret: Annotated[
        list[str] | None, typer.Option(metavar="NAMESPACE/NAME", help="Secret for the image's registry, copied.")
    ] = None,
    node_selector: Annotated[
        list[str] | None, typer.Option(metavar="LABEL=VALUE", help="Nodes for gateways and discovery.")
    ] = None,
    toleration: Annotated[
        list[str] | None, typer.Option(metavar="KEY[=VALUE][:EFFECT]", help="Toleration of discovery.")
    ] = None,
    pod_cidr: Annotated[
        list[str] | None, typer.Option(metavar="CIDR", help="Pod networks, if not found out.")
    ] = None,
    service_cidr: Annotated[
        list[str] | None, typer.Option(metavar="CIDR", help="Service networks, if not found out.")
    ] = None,
    port_base: Annotated[
        int | None, typer.Option(metavar="PORT", min=1024, max=65500, help="First port of cables; at first 4500.")
    ] = None,
    public_address: Annotated[
        str,
        typer.Option(
            metavar="WHERE",
            help="Of gateways behind NAT: an address, dns:NAME, lb:SERVICE, api:HOST. Without: as others see them.",
        ),
    ] = "",
    load_balancer: Annotated[
        bool | None,
        typer.Option(
            "--load-balancer/--no-load-balancer",
            help="A Service of type LoadBalancer for each gateway, where nodes have no public addresses.",
            show_default=False,
        ),
    ] = None,
    air_gapped: Annotated[
        bool | None,
        typer.Option(
            "--air-gapped/--no-air-gapped", help="Neither look up nor publish public addresses.", show_default=False
        ),
    ] = None,
    delivery: Annotated[
        str, typer.Option(metavar="WAY", help="From gateway to pod's node: overlay (the default) or cni.")
    ] = "",
    manage_host_firewall: Annotated[
        bool | None,
        typer.Option(
            "--manage-host-firewall/--no-manage-host-firewall",
            help="Whether nodes add accept rules to other programs' chains that drop mcnet's packets.",
            show_default=False,
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the ID over from the cluster that has it: this one was rebuilt.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace it although it seems alive.")] = False,
    render: Annotated[bool, typer.Option("--render", help="Print the manifests and do nothing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change and do nothing.")] = False,
    skip_preflight: Annotated[
        bool, typer.Option("--skip-preflight", help="Don't run the probe pod on a gateway node.")
    ] = False,
    timeout: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, help="For the daemons, and for the first connection.")
    ] = 180,
) -> None:
    """Join a cluster to the clusterset.

    Looks at the cluster, checks all that could go wrong, then installs the daemons and waits until they are
    connected. A second run changes nothing; an interrupted one is finished by a second one, or undone by leave.
    Options that are not given keep what an earlier join or `mcnet config set` has set.

    Example: mcnet join broker-info.mcnet --context west --token-file west.token
    """
    from mcnet.install.join_plan import JoinRequest
    from mcnet.plan import settings
    from mcnet.plan.networks import parse_networks
    from mcnet.plan.scheduling import parse_selector, parse_tolerations

    request = JoinRequest(
        info=_read_info(broker_info),
        image=image,
        context=context,
        kubeconfig=kubeconfig,
        cluster_id=cluster_id,
        token=_read_token(token, token_file),
        broker_context=broker_context,
        gateways=settings.parse(settings.find("gateways"), [gateways]) if gateways else None,
        pull_policy=_one_of("--image-pull-policy", image_pull_policy, ("", "IfNotPresent", "Always", "Never")),
        pull_secrets=tuple(pull_secret or ()),
        node_selector=parse_selector(node_selector or []),
        tolerations=parse_tolerations(toleration or []),
        pod_prefixes=parse_networks(pod_cidr or []),
        service_prefixes=parse_networks(service_cidr or []),
        port_base=port_base,
        public_sources=_sources(public_address),
        air_gapped=air_gapped,
        load_balancer=load_balancer,
        delivery=_one_of("--delivery", delivery, ("", "overlay", "cni")),
        manage_host_firewall=manage_host_firewall,
        timeout=float(timeout),
        probe=not skip_preflight,
        replace=replace,
        force=force,
    )
    steps = Steps()
    try:
        joined = run(_work(request, steps, render=render, dry_run=dry_run))
    finally:
        steps.clear()
    if joined:
        _close(joined, steps)


async def _work(request: "JoinRequest", steps: Steps, *, render: bool, dry_run: bool) -> "Joined | None":
    from mcnet.install import cluster_dns, join_plan
    from mcnet.install import join as work
    from mcnet.kube.connect import from_kubeconfig

    async with await from_kubeconfig(context=request.context, kubeconfig=request.kubeconfig) as api:
        await join_plan.require_rights(api)
        access = await join_plan.open_access(api, request)
        try:
            plan = await join_plan.prepare(api, access, await _with_cables(api, request), steps)
            if render:
                _print_manifests(plan.manifests(await cluster_dns.daemon(api, imports=True)))
                return None
            if dry_run:
                would = await work.dry_run(api, access, plan)
                _print_changes(would.applied)
                _tell_left(would.left, steps)
                return None
            await join_plan.try_out(api, plan, steps)
            return await work.carry_out(api, access, plan, steps)
        finally:
            await access.close()


async def _with_cables(api: "Api", request: "JoinRequest") -> "JoinRequest":
    """Who is still connected with the cluster that is to be replaced."""
    from dataclasses import replace

    from mcnet.install.join_plan import choose_id, current_member
    from mcnet.show.cables import connected_with

    if not request.replace:
        return request
    cluster = choose_id(request, await current_member(api), api.context)
    return replace(request, cables=await connected_with(cluster, request.kubeconfig))


def _close(joined: "Joined", steps: Steps) -> None:
    """The last screen: what is connected."""
    from mcnet.install.apply import changed

    if not changed(joined.changes):
        steps.done("Nothing had to be changed")
    _tell_left(joined.dns, steps)
    cluster = joined.plan.cluster
    if not joined.plan.others:
        steps.done(f"{cluster} is the first member of the clusterset; join another one to connect it")
        return
    for gateway, cable in joined.reach.connected:
        trip = f", {cable.round_trip.last * 1000:.1f} ms" if cable.round_trip else ""
        steps.done(f"{cluster} ({gateway.node}) is connected to {cable.cluster} ({cable.gateway}{trip})")
    for sentence in joined.reach.missing:
        steps.warn(f"{cluster}: {sentence}; mcnet show connections tells more")


def _tell_left(places: "Iterable[LeftAlone]", steps: Steps) -> None:
    """What of the cluster's DNS its owner has to change."""
    for left in places:
        steps.warn(f"{left.place} is left alone: {left.why}; for clusterset.local its owner has to add:")
        for line in left.lines.splitlines():
            steps.warn(f"    {line}")


def _sources(text: str) -> "tuple[Source, ...]":
    from mcnet.plan import settings

    return tuple(settings.parse(settings.find("public-address"), [text])) if text else ()


def _read_info(path: Path) -> "BrokerInfo":
    from mcnet.codec.broker_info import decode
    from mcnet.codec.errors import DecodeError
    from mcnet.model.errors import UsageError

    hint = "take the file that `mcnet deploy-broker` wrote"
    try:
        return decode(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"{path} can't be read: {why}", hint) from error
    except DecodeError as error:
        raise UsageError(f"{path} is not a usable broker-info: {error}", hint) from error


def _read_token(token: str, file: str) -> "JoinToken | None":
    from mcnet.codec.errors import DecodeError
    from mcnet.codec.join_token import decode
    from mcnet.model.errors import UsageError

    if token and file:
        raise UsageError("--token and --token-file can't both be given")
    text = token or (_read_file(file) if file else os.environ.get(TOKEN_VARIABLE, ""))
    if not text:
        return None
    try:
        return decode(text)
    except DecodeError as error:
        hint = "mcnet token create CLUSTER makes one"
        raise UsageError(f"the join token is not usable: it {error.why}", hint) from error


def _read_file(file: str) -> str:
    from mcnet.model.errors import UsageError

    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the token file {file} can't be read: {error}") from error


def _one_of(option: str, value: str, known: tuple[str, ...]) -> str:
    from mcnet.model.errors import UsageError

    if value not in known:
        raise UsageError(f"{option} is {value!r}", f"choose one of: {', '.join(filter(None, known))}")
    return value


def _print_manifests(objects: Any) -> None:
    from mcnet.render.engine import to_yaml

    sys.stdout.write(to_yaml(objects))


def _print_changes(applied: Any) -> None:
    from mcnet.install.apply import changed, summary

    for one in changed(applied):
        fields = f": {', '.join(one.fields[:4])}" + (" …" if len(one.fields) > 4 else "") if one.fields else ""
        print(f"{one.outcome.value:9} {one.kind} {one.name}{fields}")
    print(f"would be {summary(applied)}")
