"""`mcnet token create | list | revoke`: options and output; the work is mcnet.install.accounts'."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from mcnet.cli.main import application
from mcnet.cli.options import Context, Kubeconfig, Output, OutputForm, Yes, run
from mcnet.cli.terminal import Steps, confirm

if TYPE_CHECKING:
    from pathlib import Path

    from mcnet.kube.api import Api
    from mcnet.model.cluster import ClusterId

app = application(no_args_is_help=True, help="Make, list and revoke the tokens that let clusters join.")

ClusterArgument = Annotated[str, typer.Argument(metavar="CLUSTER", help="Cluster ID, a DNS label.")]


@app.command()
def create(
    cluster: ClusterArgument,
    *,
    ttl: Annotated[str, typer.Option(metavar="DURATION", help="How long it can be used: 24h, 90m, 7d.")] = "24h",
    replace: Annotated[
        bool, typer.Option("--replace", help="For a rebuilt cluster: the member of that ID is removed now.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Remove it although it seems alive.")] = False,
    yes: Yes = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Make a token that lets one cluster join, once. It is printed to stdout, and it is a secret.

    An unused token made earlier for the same cluster stops working. With --replace the ID may be a member's: what
    the broker holds of it is shown and removed, so that the cluster that was rebuilt can join under it.

    Example: mcnet token create west --ttl 2h --context broker > west.token
    """
    from mcnet.codec.join_token import encode
    from mcnet.install import accounts, rights
    from mcnet.install.broker import broker_info
    from mcnet.kube.connect import from_kubeconfig
    from mcnet.model.broker import JoinToken
    from mcnet.plan.cluster_id import parse_cluster_id
    from mcnet.plan.durations import parse_duration

    identifier, seconds = parse_cluster_id(cluster), parse_duration(ttl)

    async def work() -> JoinToken:
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            info = await broker_info(api)
            await rights.require(api, rights.token_rights(info.namespace), "token create")
            if replace:
                await rights.require(api, rights.members_rights(info.namespace), "token create --replace")
                await _make_room(api, identifier, kubeconfig, force=force, yes=yes)
            return await accounts.create_token(api, identifier, seconds=seconds, info=info)

    token = run(work())
    Steps().done(f"Token for {cluster}, once, until {token.expires:%Y-%m-%d %H:%M} UTC")
    print(encode(token))


async def _make_room(api: "Api", cluster: "ClusterId", kubeconfig: "Path | None", *, force: bool, yes: bool) -> None:
    """Shows the member that is replaced and removes it; nothing to do without one."""
    from mcnet.install.members import read_member_or_none
    from mcnet.install.removal import refuse_living, remove, utc_now
    from mcnet.plan.member_view import facts, lines
    from mcnet.show.cables import connected_with

    steps = Steps()
    record = await read_member_or_none(api, cluster)
    if record is None:
        return
    again = f"mcnet token create {cluster} --replace --force"
    cables = await connected_with(cluster, kubeconfig)
    living = refuse_living(record, cables, force=force, command=again)
    steps.warn(f"{cluster} is replaced: what the broker holds of it is removed")
    for label, text in lines(facts(record, (), utc_now())):
        if label not in ("cluster", "waiting"):
            steps.warn(f"  {label}: {text}")
    confirm(f"Remove {cluster} from the broker?", yes=yes)
    await remove(api, record, alive=bool(living), told=steps.doing)
    steps.done(f"The broker holds nothing of the {cluster} that was replaced")


@app.command("list")
def list_(context: Context = None, kubeconfig: Kubeconfig = None, output: OutputForm = Output.TABLE) -> None:
    """List tokens that nobody has used yet.

    Example: mcnet token list --context broker
    """
    from mcnet.install import accounts
    from mcnet.kube.connect import from_kubeconfig
    from mcnet.show.output import Column, write

    async def work() -> list[accounts.PendingToken]:
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            return await accounts.list_tokens(api)

    tokens = run(work())
    now = datetime.now(UTC)
    rows = [
        {
            "cluster": token.cluster,
            "state": "expired" if token.expires and token.expires <= now else "waiting",
            "expires": token.expires.isoformat() if token.expires else "",
            "created": token.created,
        }
        for token in sorted(tokens, key=lambda token: token.cluster)
    ]
    columns = [Column("CLUSTER", "cluster"), Column("STATE", "state"), Column("EXPIRES", "expires")]
    write(rows, [*columns, Column("CREATED", "created", wide=True)], output.value, empty="No unused join tokens.")


@app.command()
def revoke(cluster: ClusterArgument, context: Context = None, kubeconfig: Kubeconfig = None) -> None:
    """Make the unused token of a cluster worthless. A cluster that has joined stays.

    Example: mcnet token revoke west --context broker
    """
    from mcnet.install import accounts
    from mcnet.kube.connect import from_kubeconfig
    from mcnet.plan.cluster_id import parse_cluster_id

    identifier = parse_cluster_id(cluster)

    async def work() -> bool:
        async with await from_kubeconfig(context=context, kubeconfig=kubeconfig) as api:
            return await accounts.revoke_token(api, identifier)

    print(f"revoked the token of {cluster}" if run(work()) else f"{cluster} has no unused token", file=sys.stderr)
