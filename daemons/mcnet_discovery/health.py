"""Which clusters this one has lost, by the reports of its own gateways. What follows of it is mcnet.plan's."""

import time
from collections.abc import Callable, Iterable

from mcnet.codec import gateway as gateway_codec
from mcnet.codec.batch import decode_all
from mcnet.kube.api import Api
from mcnet.kube.kinds import GATEWAY
from mcnet.kube.store import Store
from mcnet.model.cluster import ClusterId
from mcnet.model.gateway import Gateway
from mcnet.plan import service_health


class Health:
    """`on_change` is called when cables come, go or change their state, not with each measurement of them."""

    def __init__(self, api: Api, namespace: str, *, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._gateways: tuple[Gateway, ...] = ()
        self._standing: object = None
        self._memory: service_health.Memory | None = None
        self.store = Store(api, GATEWAY, namespace=namespace, on_change=self._changed)

    def lost(
        self, members: Iterable[ClusterId], look_again_in: Callable[[float], None]
    ) -> frozenset[ClusterId] | None:
        """Those of `members` that are lost now, None as long as nothing is known; `look_again_in` is called with the
        seconds until they may be others. Who is cut off when this process begins has been so before."""
        if not self.store.synced:
            return None
        now = time.monotonic()
        found = service_health.cut_off(self._gateways, members)
        if self._memory is None:
            self._memory = dict.fromkeys(found, now - service_health.LOST_AFTER)
        self._memory = service_health.remember(self._memory, found, now)
        if (pause := service_health.next_look(self._memory, now)) is not None:
            look_again_in(pause)
        return service_health.lost(self._memory, now)

    def _changed(self) -> None:
        self._gateways = decode_all(gateway_codec.decode, self.store.objects, [])
        standing = {
            (one.node, one.rail, cable.cluster, cable.gateway): cable.state
            for one in self._gateways
            for cable in one.cables
        }
        if standing != self._standing:
            self._standing = standing
            self._on_change()
