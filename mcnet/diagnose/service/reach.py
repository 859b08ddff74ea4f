"""What runs in a throw-away pod: `python3 -m mcnet.diagnose.service.reach NAME OTHER PORT…` prints JSON.

It looks both names up by the pod's own resolver, as applications do, and connects to each address of NAME and each
port several times: one connection meets one endpoint only. What an answer means is mcnet.diagnose.service.seen's.
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

from mcnet.diagnose.inside import Lookup, look_up
from mcnet.diagnose.service.evidence import Reached, Tried
from mcnet.model.errors import McnetError

TRIES: Final = 4
PATIENCE = 4.0
"""Seconds that a connection may take."""
MOST_ADDRESSES: Final = 8
MOST_PORTS: Final = 8
"""Headless services may have very many addresses: the first will do."""


async def connect(addresses: Sequence[str], ports: Sequence[int]) -> tuple[Tried, ...]:
    """All beside each other."""
    pairs = [(address, port) for address in addresses[:MOST_ADDRESSES] for port in ports[:MOST_PORTS]]
    return tuple(await asyncio.gather(*(_try(address, port) for address, port in pairs)))


async def _try(address: str, port: int) -> Tried:
    problems = await asyncio.gather(*(_once(address, port) for _ in range(TRIES)))
    return Tried(address, port, TRIES, tuple(problem for problem in problems if problem))


async def _once(address: str, port: int) -> str:
    """Why there was no connection, "" if there was."""
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        return f"no answer within {PATIENCE:g} s"
    except OSError as error:  # asyncio puts its own words, which don't say why, in place of the system's
        return os.strerror(error.errno) if error.errno else str(error)
    writer.close()
    return ""


def decode(text: str) -> Reached:
    """What `main` printed; raises McnetError."""
    try:
        answer: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
        names = {
            str(name): Lookup(tuple(map(str, found["addresses"])), str(found["problem"]))
            for name, found in answer["names"].items()
        }
        return Reached(names, tuple(_tried(one) for one in answer["connections"]))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise McnetError(f"the pod said nothing usable: {text[:200]!r}") from error


def _tried(one: dict[str, Any]) -> Tried:
    return Tried(str(one["address"]), int(one["port"]), int(one["tries"]), tuple(map(str, one["problems"])))


def main(arguments: Sequence[str]) -> int:
    """Prints what was found; the exit status is 0 whenever there is something."""
    if len(arguments) < 2 or not all(word.isdecimal() for word in arguments[2:]):
        print("usage: reach NAME OTHER PORT…", file=sys.stderr)
        return 2
    name, other, *ports = arguments
    names = look_up([name, other])
    found = asyncio.run(connect(names[name].addresses, [int(port) for port in ports]))
    print(
        json.dumps(
            {
                "names": {key: {"addresses": one.addresses, "problem": one.problem} for key, one in names.items()},
                "connections": [
                    {"address": one.address, "port": one.port, "tries": one.tries, "problems": one.problems}
                    for one in found
                ],
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
