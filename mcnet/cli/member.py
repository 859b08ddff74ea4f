"""`mcnet member list | show | approve | renew | remove`: what the broker's admin does to members."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcnet.cli.main import application
from mcnet.cli.options import Context, DryRun, Kubeconfig, Output, OutputForm, Yes, run
from mcnet.cli.terminal import Steps, confirm, has_color

if TYPE_CHECKING:
    from mcnet.install.apply import Applied
    from mcnet.install.approval import Proposal
    from mcnet.model.broker import JoinToken

app = application(no_args_is_help=True, help="Show, approve, renew and remove members, as the broker's admin.")

ClusterArgument = Annotated[str, typer.Argument(metavar="CLUSTER", help="Cluster ID of the member.")]


@app.command("list")
def list_(context: Context = None, kubeconfig: Kubeconfig = None, output: OutputForm = Output.TABLE) -> None:
    """List the members: when they were seen last, what is approved, and what waits for approval.

    Example: mcnet member list --context broker
    """
    from mcnet.install.members import others, read_members
    from mcnet.install.removal import utc_now
    from mcnet.kube.connect import from_kubeconfig
    from mcnet.plan.member_view import facts
    from mcnet.show.output import Column, write

    async def work() -> list[dict[str, Any]]:
        from mcnet.install.broker import broker_info

        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            await broker_info(api)
            members = await read_members(api)
            return [facts(one, others(members, one.id), utc_now()) for one in members]

    columns = (
        Column("CLUSTER", "cluster"),
        Column("STATE", "state", colored=True),
        Column("LAST SEEN", "lastSeenSeconds", form=_ago),
        Column("GATEWAYS", "gateways", form=lambda row, key: str(len(row[key]))),
        Column("PODS", "podPrefixes"),
        Column("SERVICES", "servicePrefixes"),
        Column("WAITING", "waiting"),
        Column("VERSION", "version"),
        Column("KEY", "signingKey", wide=True),
        Column("JOINED", "joined", wide=True),
    )
    found = run(work())
    write(
        found, columns, output.value, empty="No members yet: mcnet token create CLUSTER", color=has_color(sys.stdout)
    )
    for row in found if output in (Output.TABLE, Output.WIDE) else []:
        if row["waiting"]:
            print(
                f"{row['cluster']} asks for {row['waiting']}: mcnet member approve {row['cluster']}", file=sys.stderr
            )


@app.command()
def show(
    cluster: ClusterArgument,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    output: OutputForm = Output.TABLE,
) -> None:
    """Show one member: record, fingerprints of its keys, account, last sign of life, gateways.

    Example: mcnet member show west --context broker
    """
    import yaml

    from mcnet.install.members import others, read_member, read_members
    from mcnet.install.removal import utc_now
    from mcnet.kube.connect import from_kubeconfig
    from mcnet.plan.cluster_id import parse_cluster_id
    from mcnet.plan.member_view import facts, lines

    identifier = parse_cluster_id(cluster)

    async def work() -> dict[str, Any]:
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            record = await read_member(api, identifier)
            return facts(record, others(await read_members(api), identifier), utc_now())

    row = run(work())
    match output:
        case Output.JSON:
            print(json.dumps(row, indent=2))
        case Output.YAML:
            print(yaml.safe_dump(row, sort_keys=False, allow_unicode=True), end="")
        case _:
            for label, text in lines(row):
                print(f"{label + ':':15}{text}")


@app.command()
def approve(
    cluster: ClusterArgument,
    *,
    pod_cidr: Annotated[
        list[str] | None, typer.Option(metavar="CIDR", help="Approve these pod networks, not those asked for.")
    ] = None,
    service_cidr: Annotated[
        list[str] | None, typer.Option(metavar="CIDR", help="Approve these service networks.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Approve the networks that a member asks for, after checking them against all other members.

    Shows what is new and what is gone. All clusters take it up at once, without restart; networks that stay lose
    no packet.

    Example: mcnet member approve west --context broker
    """
    from mcnet.install import approval, rights
    from mcnet.install.broker import broker_info
    from mcnet.kube.connect import from_kubeconfig
    from mcnet.plan.cluster_id import parse_cluster_id
    from mcnet.plan.networks import parse_networks

    identifier = parse_cluster_id(cluster)
    pods, services = parse_networks(pod_cidr or []), parse_networks(service_cidr or [])
    steps = Steps()

    async def work() -> None:
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            info = await broker_info(api)
            await rights.require(api, rights.members_rights(info.namespace), "member approve")
            proposal = await approval.propose(api, identifier, pods=pods, services=services)
            _print_proposal(proposal, steps)
            if not proposal.verdict.change:
                steps.done(f"Nothing to approve: {cluster} has all that it asks for")
                return
            if dry_run:
                print("dry run: nothing was changed", file=sys.stderr)
                return
            confirm(f"Approve this for {cluster}?", yes=yes)
            await approval.approve(api, proposal)
            steps.done(f"Approved; all clusters take it up now: mcnet member show {cluster}")

    run(work())


def _print_proposal(proposal: "Proposal", steps: Steps) -> None:
    record, change = proposal.verdict.record, proposal.verdict.change
    for kind, prefixes in (("pods", record.pod_prefixes), ("services", record.service_prefixes)):
        marked = ", ".join(f"{prefix}{' (new)' if prefix in change.added else ''}" for prefix in prefixes)
        print(f"{kind + ':':15}{marked or 'none'}")
    if change.removed:
        print(f"{'no longer:':15}{', '.join(map(str, change.removed))}")
    for note in proposal.verdict.notes:
        steps.warn(note)


@app.command()
def renew(
    cluster: ClusterArgument,
    ttl: Annotated[str, typer.Option(metavar="DURATION", help="How long the token can be used: 24h, 90m.")] = "24h",
    member_context: Annotated[
        str, typer.Option(metavar="CONTEXT", help="The member's context: renew it there at once, without a token.")
    ] = "",
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Bring a member back whose credential of the broker has ended. Its record and its data path stay as they are.

    Prints a token for `mcnet join`, which is a secret; with --member-context the credential is written into the
    member itself.

    Example: mcnet member renew west --context broker > west.token
    """
    from mcnet.codec.join_token import encode
    from mcnet.install import renewal, rights
    from mcnet.install.broker import broker_info
    from mcnet.kube.connect import from_kubeconfig
    from mcnet.plan.cluster_id import parse_cluster_id
    from mcnet.plan.durations import parse_duration

    identifier, seconds = parse_cluster_id(cluster), parse_duration(ttl)

    async def work() -> "JoinToken | list[Applied]":
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as admin:
            info = await broker_info(admin)
            await rights.require(admin, rights.members_rights(info.namespace), "member renew")
            if not member_context:
                return await renewal.renewal_token(admin, identifier, seconds=seconds, info=info)
            async with await from_kubeconfig(context=member_context, kubeconfig=kubeconfig) as member:
                return await renewal.renew_in_place(admin, member, identifier, info)

    made = run(work())
    steps = Steps()
    if isinstance(made, list):
        steps.done(f"{cluster} has a new credential; its discovery takes it up now")
        return
    steps.done(f"Token for {cluster}, once, until {made.expires:%Y-%m-%d %H:%M} UTC")
    print(encode(made))
    print(f"Next, in {cluster}: mcnet join broker-info.mcnet --token-file {cluster}.token", file=sys.stderr)


@app.command()
def remove(
    cluster: ClusterArgument,
    *,
    force: Annotated[bool, typer.Option("--force", help="Cut it off although it seems alive.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Remove a member that is gone for good: record, endpoints and account at the broker.

    Other clusters drop their cables to it. Refused while it gives signs of life: then `mcnet leave` is the way.

    Example: mcnet member remove west --context broker
    """
    from mcnet.install import rights
    from mcnet.install.broker import broker_info
    from mcnet.install.members import read_member
    from mcnet.install.removal import refuse_living, utc_now
    from mcnet.install.removal import remove as work_of
    from mcnet.kube.connect import from_kubeconfig
    from mcnet.plan.cluster_id import parse_cluster_id
    from mcnet.plan.member_view import facts, lines
    from mcnet.show.cables import connected_with

    identifier = parse_cluster_id(cluster)
    steps = Steps()

    async def work() -> None:
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            info = await broker_info(api)
            await rights.require(api, rights.members_rights(info.namespace), "member remove")
            record = await read_member(api, identifier)
            steps.doing(f"Asking the other clusters whether they are connected with {cluster}")
            cables = await connected_with(identifier, kubeconfig)
            command = f"mcnet member remove {cluster} --force"
            living = refuse_living(record, cables, force=force, command=command)
            steps.clear()
            for label, text in lines(facts(record, (), utc_now())):
                print(f"{label + ':':15}{text}")
            if dry_run:
                print("dry run: nothing was changed", file=sys.stderr)
                return
            confirm(f"Remove {cluster} from the clusterset?", yes=yes)
            await work_of(api, record, alive=bool(living), told=steps.doing)
            steps.done(f"The broker holds nothing of {cluster} any more; other clusters drop their cables to it")

    try:
        run(work())
    finally:
        steps.clear()


@app.command()
def trust(
    cluster: ClusterArgument,
    *,
    key: Annotated[
        str, typer.Option(metavar="FINGERPRINT", help="Trust only this signing key; nothing is asked then.")
    ] = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Trust the new keys of a member that was rebuilt, in one of the other clusters, as that cluster's admin.

    A cluster knows the others by the keys that it saw first. When the broker names others, it uses nothing of that
    member any more until its own admin says that they are right: compare the fingerprint with whoever runs the
    member. After `mcnet leave` and a new join nothing has to be done.

    Example: mcnet member trust west --context east
    """
    from mcnet.codec.fingerprint import fingerprint
    from mcnet.install import trust as work_of
    from mcnet.kube.connect import from_kubeconfig
    from mcnet.plan.cluster_id import parse_cluster_id

    identifier = parse_cluster_id(cluster)
    steps = Steps()

    async def work() -> None:
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            offer = await work_of.offer(api, identifier, key)
            if offer is None:
                steps.done(f"Nothing to do: {cluster} has the keys that it is known by")
                return
            print(f"{'known by:':15}{fingerprint(offer.known.signing_key) if offer.known else 'not readable'}")
            print(f"{'now:':15}{fingerprint(offer.offered.signing_key)}")
            if dry_run:
                print("dry run: nothing was changed", file=sys.stderr)
                return
            confirm(f"Trust the new key of {cluster}?", yes=yes or bool(key))
            await work_of.trust(api, offer)
            steps.done(f"{cluster} is trusted by its new key; its cables come up now: mcnet show connections")

    run(work())


def _ago(row: Any, key: str) -> str:
    from mcnet.plan.durations import format_duration

    seconds = row.get(key)
    return "" if seconds is None else f"{format_duration(seconds)} ago"
