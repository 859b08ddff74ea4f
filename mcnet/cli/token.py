"""`mcnet token create | list | revoke`: options and output; the work is mcnet.install.accounts'."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from mcnet.cli.main import application
from mcnet.cli.options import Context, Kubeconfig, Output, OutputForm, run
from mcnet.cli.terminal import Steps

app = application(no_args_is_help=True, help="Make, list and revoke the tokens that let clusters join.")

ClusterArgument = Annotated[str, typer.Argument(metavar="CLUSTER", help="Cluster ID, a DNS label.")]


@app.command()
def create(
    cluster: ClusterArgument,
    ttl: Annotated[str, typer.Option(metavar="DURATION", help="How long it can be used: 24h, 90m, 7d.")] = "24h",
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Make a token that lets one cluster join, once. It is printed to stdout, and it is a secret.

    An unused token made earlier for the same cluster stops working.

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
            return await accounts.create_token(api, identifier, seconds=seconds, info=info)

    token = run(work())
    Steps().done(f"Token for {cluster}, once, until {token.expires:%Y-%m-%d %H:%M} UTC")
    print(encode(token))


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
