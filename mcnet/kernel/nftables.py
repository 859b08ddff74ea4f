"""Tables of nft: write, delete and read back, by the program nft. Texts are made and judged by mcnet.codec.nft."""

import asyncio
import json
import os

from mcnet.codec.nft import before_mark, changed_elements, fingerprint, parse, render
from mcnet.codec.nft_batch import encode_elements
from mcnet.codec.nft_rewrite import rewriting
from mcnet.codec.nft_seal import sealing
from mcnet.kernel import nfnetlink
from mcnet.kernel.errors import translate
from mcnet.model.errors import KernelError
from mcnet.model.kernel import NftFingerprint, NftTable


async def read(name: str) -> NftFingerprint | None:
    """What the kernel holds of the table `inet NAME`; None if there is none. Raises KernelError."""
    listed = await _listed(name)
    try:
        return None if listed is None else parse(listed)
    except ValueError as error:
        raise KernelError(f"read nft table inet {name}: {error}") from error


async def _listed(name: str) -> str | None:
    """The table as JSON; None if there is none."""
    status, output, errors = await run("-j", "-n", "list", "table", "inet", name)
    if status == 0:
        return output
    if name in await _names():
        raise KernelError(f"read nft table inet {name}: {errors}")
    return None


async def _names() -> set[str]:
    """The inet tables of the namespace: absence is never guessed from an error's text."""
    status, output, errors = await run("list", "tables", "inet")
    if status != 0:
        raise KernelError(f"list nft tables: {errors}", "check that the node's kernel has nf_tables")
    return {words[2] for words in map(str.split, output.splitlines()) if len(words) == 3}


async def replace(table: NftTable) -> None:
    """Put `table` in place of what bears its name, in one transaction. Raises KernelError; then nothing changed.

    Its base chains stay where that can be (mcnet.codec.nft_rewrite). Then it is sealed, unless somebody was quicker
    and it already differs: the next round will see that.
    """
    status, before, _ = await run("-j", "-n", "list", "table", "inet", table.name)
    script = rewriting(table, before) if status == 0 else None
    if script is None or (await run("-f", "-", script=script))[0] != 0:
        await run_script(render(table), f"replace nft table inet {table.name}")
    after = await _listed(table.name)
    if after is None:
        return
    found, wanted = parse(after), fingerprint(table)
    if (found.digest, found.notes) == (wanted.digest, wanted.notes):
        await run_script(sealing(table.name, json.loads(after)["nftables"]), f"seal nft table inet {table.name}")


async def change(old: NftTable, table: NftTable) -> None:
    """Turn `old`, which the kernel holds, into `table`: where only its mark differs by one short transaction, however
    large the table is. Raises KernelError; then nothing changed."""
    sets = changed_elements(old, table)
    if sets == ():
        return
    batch = encode_elements(table.name, sets) if sets else None
    if batch is None:
        await replace(table)
    else:
        nfnetlink.perform(batch, f"change elements of nft table inet {table.name}")


async def update(found: NftFingerprint, table: NftTable) -> None:
    """Put `table` in place of what was `found`: by elements alone where only its mark differs, so that what its rules
    have counted is kept. Raises KernelError."""
    held = before_mark(found, table)
    await (replace(table) if held is None else change(held, table))


async def remove(name: str) -> None:
    """Delete the table `inet NAME`, present or not. Raises KernelError."""
    await run_script(f"table inet {name}\ndelete table inet {name}\n", f"delete nft table inet {name}")


async def check(script: str) -> None:
    """Have the kernel check a script without performing it. Raises KernelError."""
    await run_script(script, "check nft rules", "-c")


async def run_script(script: str, doing: str, *options: str) -> None:
    """Run one nft script as a transaction. Raises KernelError."""
    status, _, errors = await run(*options, "-f", "-", script=script)
    if status != 0:
        raise KernelError(f"{doing}: {errors}")


async def run(*arguments: str, script: str = "") -> tuple[int, str, str]:
    """(status, output, first line of errors) of one run of nft."""
    environment = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "LC_ALL": "C.UTF-8"}
    try:
        process = await asyncio.create_subprocess_exec(
            "nft",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
    except OSError as error:
        raise translate(error, "start nft") from error
    try:
        output, errors = await process.communicate(script.encode())
    except asyncio.CancelledError:
        if process.returncode is None:
            process.kill()
        # Not wait(): that waits for its pipes to close too, which those full of unread output never do.
        await process.communicate()
        raise
    return process.returncode or 0, output.decode(), errors.decode().partition("\n")[0]
