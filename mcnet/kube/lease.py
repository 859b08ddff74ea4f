"""Leases: leadership among the replicas of a daemon, and a sign of life that others read.

In the data path there is no leader anywhere; a leader here only keeps two writers from doing the same work.
"""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

from mcnet.kube.api import Api
from mcnet.kube.kinds import LEASE, JsonObject
from mcnet.model.errors import ConflictError, McnetError, NotFoundError

DURATION = 15
"""Seconds after the holder's last renewal until another may take the lease."""
RENEW = 5.0
"""Seconds between the holder's renewals, and between a candidate's looks."""
GIVE_UP = 10.0
"""Seconds without a renewal after which the holder stops counting itself the leader: less than DURATION."""


class Leadership:
    """Competes for the Lease `name`; `held` says whether this process is the leader now.

    Clocks of different machines are never compared: a candidate takes a lease that has not changed for
    its duration by the candidate's own clock. `on_change` is called whenever `held` was found to have changed, also
    when it has lapsed and come back unseen in between.
    """

    def __init__(
        self,
        api: Api,
        *,
        name: str,
        namespace: str,
        identity: str,
        on_change: Callable[[], None],
        duration: int = DURATION,
    ) -> None:
        self._api = api
        self._name = name
        self._namespace = namespace
        self._identity = identity
        self._on_change = on_change
        self._duration = duration
        self._held = False
        self._renewed = 0.0
        self._seen: tuple[str, float] = "", 0.0
        self.synced = False
        """Whether the lease has been looked at since the start, whoever holds it."""
        self.error = ""
        """Why the last try failed."""

    @property
    def held(self) -> bool:
        """Whether this process is the leader; false as soon as a renewal is overdue."""
        return self._held and time.monotonic() - self._renewed < GIVE_UP

    async def run(self) -> None:
        """Compete until cancelled, then let go of the lease if it is held."""
        try:
            while True:
                await self._round()
                await asyncio.sleep(RENEW * random.uniform(0.8, 1.0))
        finally:
            await self._release()

    async def _round(self) -> None:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(GIVE_UP):
                held = await self._try()
            self.synced = True
        except ConflictError:
            held = before = False  # somebody else was quicker
        except (McnetError, TimeoutError) as error:
            held = before = self.held  # perhaps: until a renewal is overdue
            self.error = str(error) or "no answer in time"
        else:
            before = self.held
            self._renewed = begun if held else self._renewed
            self.error = ""
        # Not only after a failure: a renewal may come late and well, and who looked in between found no leader.
        self._set(held, lapsed=held and not before)

    async def _try(self) -> bool:
        """Take or renew the lease if that is allowed; whether it is held now."""
        lease = await self._api.find(LEASE, self._name, self._namespace)
        if lease is None:
            await self._api.create(LEASE, self._body({}), self._namespace)
            return True
        if not self._free(lease):
            return False
        await self._api.replace(LEASE, self._body(lease), self._namespace)
        return True

    def _free(self, lease: JsonObject) -> bool:
        """Whether the lease is one's own, let go of, or not renewed for as long as it says."""
        spec, version = lease.get("spec") or {}, lease["metadata"]["resourceVersion"]
        if version != self._seen[0]:
            self._seen = version, time.monotonic()
        duration = int(spec.get("leaseDurationSeconds") or self._duration)
        holder = spec.get("holderIdentity") or ""
        return holder in {"", self._identity} or time.monotonic() - self._seen[1] > duration

    def _body(self, lease: JsonObject) -> JsonObject:
        spec = lease.get("spec") or {}
        return lease_body(
            self._name, holder=self._identity, seconds=self._duration,
            acquired=spec.get("acquireTime", "") if spec.get("holderIdentity") == self._identity else "",
            metadata=lease.get("metadata", {}),
        )  # fmt: skip

    async def _release(self) -> None:
        if not self._held:
            return
        self._held = False
        try:
            async with asyncio.timeout(2):
                lease = await self._api.get(LEASE, self._name, self._namespace)
                if (lease.get("spec") or {}).get("holderIdentity") == self._identity:
                    lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._api.replace(LEASE, lease, self._namespace)
        except (McnetError, TimeoutError):
            return  # it ends by itself

    def _set(self, held: bool, *, lapsed: bool) -> None:
        if held != self._held or lapsed:
            self._held = held
            self._on_change()


async def renew(api: Api, *, name: str, namespace: str, holder: str, seconds: int, labels: dict[str, str]) -> None:
    """Say "alive" in a Lease that has one writer: create or renew it. Raises what the Api raises."""
    lease = await api.find(LEASE, name, namespace)
    metadata = {"labels": labels} if lease is None else lease["metadata"]
    metadata["labels"] = (metadata.get("labels") or {}) | labels
    spec = (lease or {}).get("spec") or {}
    body = lease_body(
        name, holder=holder, seconds=seconds, metadata=metadata,
        acquired=spec.get("acquireTime", "") if spec.get("holderIdentity") == holder else "",
    )  # fmt: skip
    if lease is not None:
        try:
            await api.replace(LEASE, body, namespace)
            return
        except NotFoundError:
            body["metadata"] = {"labels": labels, "name": name}
    await api.create(LEASE, body, namespace)


def lease_body(
    name: str, *, holder: str, seconds: int, acquired: str = "", metadata: JsonObject | None = None
) -> JsonObject:
    """A Lease renewed now."""
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    spec = {
        "holderIdentity": holder,
        "leaseDurationSeconds": seconds,
        "acquireTime": acquired or now,
        "renewTime": now,
    }
    return {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.kind,
        "metadata": (metadata or {}) | {"name": name},
        "spec": spec,
    }
