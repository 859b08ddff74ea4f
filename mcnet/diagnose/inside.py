"""What runs in one throw-away pod of the pod network: `python3 -m mcnet.diagnose.inside URL CA NAME…` prints JSON.

It looks up names as discovery would, and tries to reach the broker (CA: base64 of PEM, "" for the system's
certificates; an empty URL: no broker). What an answer means is for the checks.
"""

import asyncio
import base64
import json
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcnet.install.preflight_probe import reach_broker
from mcnet.model.errors import McnetError

PATIENCE: Final = 4.0
"""Seconds that looking up a name may take."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """The addresses of a name, or why there are none."""

    addresses: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Inside:
    """What the pod saw: each name looked up, and why the broker can't be reached ("" if it can)."""

    names: Mapping[str, Lookup]
    broker: str = ""


def look_up(names: Sequence[str]) -> dict[str, Lookup]:
    """All of them at once. A resolver can't be interrupted: one that hangs is left to its thread."""
    found: dict[str, Lookup] = {}

    def one(name: str) -> None:
        try:
            answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except OSError as error:
            found[name] = Lookup(problem=error.strerror or str(error))
        else:
            found[name] = Lookup(tuple(sorted({str(answer[4][0]) for answer in answers})))

    threads = [threading.Thread(target=one, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return {name: found.get(name, Lookup(problem=f"no answer within {PATIENCE:g} s")) for name in names}


def decode(text: str) -> Inside:
    """What `main` printed; raises McnetError."""
    try:
        answer: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
        names = {
            str(name): Lookup(tuple(map(str, found["addresses"])), str(found["problem"]))
            for name, found in answer["names"].items()
        }
        return Inside(names, str(answer["broker"]))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise McnetError(f"the pod in the pod network said nothing usable: {text[:200]!r}") from error


def main(arguments: Sequence[str]) -> int:
    """Prints what was found; the exit status is 0 whenever there is something."""
    if len(arguments) < 2:
        print("usage: inside URL CA NAME…", file=sys.stderr)
        return 2
    url, ca, *names = arguments
    looked_up = look_up(names)
    problems = asyncio.run(reach_broker(url, base64.b64decode(ca))) if url else []
    found = {name: {"addresses": one.addresses, "problem": one.problem} for name, one in looked_up.items()}
    print(json.dumps({"names": found, "broker": "; ".join(problems)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
