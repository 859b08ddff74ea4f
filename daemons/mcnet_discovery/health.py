"""Which clusters this one has lost, by the reports of its own gateways. What follows of it is mcnet.plan's."""

import time
from collections.abc import Callable

from mcnet.codec import gateway as gateway_codec
from mcnet.codec.batch import decode_all
from mcnet.kube.api import Api
from mcnet.kube.kinds import GATEWAY
from mcnet.kube.store import Store
from mcnet.model.cluster import ClusterId
from mcnet.plan import service_health


class Health:
    """`on_change` is called when other clusters are cut off, not with each measurement that gateways report."""

    def __init__(self, api: Api, namespace: str, *, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._cut_off: frozenset[ClusterId] = frozenset()
        self._memory: service_health.Memory = {}
        self.store = Store(api, GATEWAY, namespace=namespace, on_change=self._changed)

    def lost(self, look_again_in: Callable[[float], None]) -> frozenset[ClusterId]:
        """Those that are lost now; `look_again_in` is called with the seconds until that may be others."""
        now = time.monotonic()
        if (pause := service_health.next_look(self._memory, now)) is not None:
            look_again_in(pause)
        return service_health.lost(self._memory, now)

    def _changed(self) -> None:
        found = service_health.cut_off(decode_all(gateway_codec.decode, self.store.objects, []))
        if found != self._cut_off:
            self._cut_off = found
            self._memory = service_health.remember(self._memory, found, time.monotonic())
            self._on_change()
