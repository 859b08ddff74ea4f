"""`mcnet gateway list` as text: of one cluster, and no part of `mcnet show`. What a row says is mcnet.plan.views'."""

from collections.abc import Sequence
from typing import Final, TextIO

from mcnet.plan.cluster_view import Row
from mcnet.show import forms
from mcnet.show.output import Column, plain, write

COLUMNS: Final = (
    Column("GATEWAY", "gateway"),
    Column("RAIL", "rail"),
    Column("STATE", "state", colored=True),
    Column("CARRIES", "carries", form=forms.yes_or_no),
    Column("WEIGHT", "weight"),
    Column("CABLES", "connected", form=forms.connected),
    Column("PUBLIC", "publicAddresses"),
    Column("ADDRESS", "addresses", wide=True),
    Column("VERSION", "version", wide=True),
    Column("CLUSTER", "cluster", wide=True),
)
EMPTY: Final = "No gateways: mcnet gateway add NODE"


def write_gateways(rows: Sequence[Row], form: str, *, color: bool, stream: TextIO) -> None:
    """In `form`: "table", "wide", "json" or "yaml". Below a table: why not all is well, and what to do."""
    write(rows, COLUMNS, form, empty=EMPTY, color=color, stream=stream)
    if form in ("json", "yaml"):
        return
    for row in rows:
        if row["why"]:
            following = f"\n  next: {row['next']}" if row["next"] else ""
            stream.write(f"\n{row['gateway']}: {plain(row['why'])}{following}\n")
    for row in rows:
        if row["note"]:
            stream.write(f"\nnote: {row['gateway']}: {plain(row['note'])}\n")
