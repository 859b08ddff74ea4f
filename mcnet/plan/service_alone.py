"""A service as long as nothing is known of the broker, since discovery has started while it was away: the own
cluster's endpoints are followed, all else stays as it was left. With the broker known it is mcnet.plan.services'.

What other clusters export can't be asked, so what they have brought is neither changed nor taken away, and a service
that was merged otherwise than its own export alone would be is left alone altogether.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mcnet.codec import endpoint_slice as slice_codec
from mcnet.codec.fields import JsonObject
from mcnet.model.cluster import ClusterId
from mcnet.model.service import SOURCE_CLUSTER_LABEL, MergedService, ServiceSlice, ServiceType
from mcnet.plan.mirror import Verb, Write
from mcnet.plan.service_import import derived_ports
from mcnet.plan.service_import_objects import Target, There, import_writes


def own_writes(
    target: Target, own: MergedService | None, slices: Mapping[ClusterId, Sequence[ServiceSlice]], present: There
) -> list[Write]:
    """The writes in an importing cluster. `own` is what its own export makes of the service by itself, None without
    one; `slices` are its own."""
    there = present.service_import
    mine = tuple(obj for obj in present.slices if _source(obj) == target.importer.cluster)
    only_ours = len(mine) == len(present.slices)
    if own is None and there is None:
        return []
    if own is not None and not ((mine or only_ours) and _is_alike(own, present)):
        return []
    writes, _ = import_writes(target, own, slices, replace(present, slices=mine))
    if there is None:
        return writes if only_ours else []
    said = bool(there.get("status"))
    return [one for one in writes if one.kind == slice_codec.KIND or (one.verb is Verb.REPLACE_STATUS and not said)]


def _is_alike(own: MergedService, present: There) -> bool:
    """Whether the own endpoints would stand in the import as it is under the same names of ports."""
    there = present.service_import
    if there is None:
        return True
    if (there.get("spec") or {}).get("type") != own.type.value:
        return False
    if own.type is ServiceType.HEADLESS or present.derived is None:
        return True
    ports = (present.derived.get("spec") or {}).get("ports") or ()
    served = {(port.get("name", ""), port.get("protocol", "TCP"), port.get("port")) for port in ports}
    return served >= {(port.name, port.protocol, port.port) for port in derived_ports(own)}


def _source(obj: JsonObject) -> str:
    return str((obj["metadata"].get("labels") or {}).get(SOURCE_CLUSTER_LABEL))
