"""Brings kube-dns (GKE) to `clusterset.local`: by a stub domain in its ConfigMap's JSON. The text around it stays as
it is, so that taking it away restores what was there."""

import json
import re
from typing import Final

from mcnet.model.kernel import Address
from mcnet.plan.corefile import DOMAIN, Outcome

KEY: Final = "stubDomains"
_OURS: Final = re.compile(rf'\{{"{re.escape(DOMAIN)}": \["[^"]*"\](, )?')
"""Ours comes first, in just this spelling."""


def with_stub(text: str | None, address: Address) -> Outcome:
    """What `stubDomains` should hold; `text` is None where it is not there."""
    entry = f'"{DOMAIN}": ["{address}"]'
    if not text or not text.strip():
        return Outcome(f"{{{entry}}}")
    bare = without_stub(text) or "{}"
    try:
        found = json.loads(bare)
    except ValueError as error:
        return Outcome(text, f"{KEY} is not JSON: {error}", entry)
    if not isinstance(found, dict):
        return Outcome(text, f"{KEY} is not a JSON object", entry)
    if DOMAIN in found:
        return Outcome(text, f"{KEY} has {DOMAIN} already", entry)
    return Outcome(bare.replace("{", "{" + entry + (", " if found else ""), 1))


def without_stub(text: str) -> str | None:
    """`stubDomains` as it was before; None if it was not there."""
    bare = _OURS.sub("{", text, count=1)
    return None if bare == "{}" and bare != text else bare
