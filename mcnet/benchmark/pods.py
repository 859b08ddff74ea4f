"""Pods of one benchmark run: made on chosen nodes, listened to, and always removed.

What the kubelet ends by itself, because the command was killed, the next run removes. Nothing here knows what is
measured.
"""

import asyncio
import secrets
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import TracebackType
from typing import Final, Self

from mcnet.codec.errors import DecodeError
from mcnet.codec.latency_samples import Listening, decode_listening
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.kinds import JsonObject
from mcnet.model.errors import ApiError, McnetError, UnreachableError
from mcnet.model.kernel import Address
from mcnet.model.member import SYSTEM_NAMESPACE
from mcnet.plan.pods import hopeless_reason, is_running, pod_problem
from mcnet.render.engine import render
from mcnet.render.values import BenchmarkPodValues

LABELS: Final = "app.kubernetes.io/name=mcnet-benchmark"
START: Final = 60.0
"""Seconds for a pod to run, the image's pull included."""
SPEAK: Final = 60.0
"""Seconds for a running pod to say that it listens."""
ASK_AGAIN: Final = 0.1


@dataclass(frozen=True, slots=True)
class Running:
    """A pod that runs and listens: its addresses, one per family, and what it said."""

    values: BenchmarkPodValues
    api: Api
    addresses: tuple[Address, ...]
    listening: Listening

    def address(self, family: int) -> Address | None:
        """Its address of that family."""
        return next((one for one in self.addresses if one.version == family), None)


@dataclass
class Pods:
    """All pods of one run, in whatever clusters; leaving the context removes them, also when it is cancelled."""

    run: str = field(default_factory=lambda: secrets.token_hex(3))
    _made: list[tuple[Api, str]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(asyncio.ensure_future(self._remove_all(quietly=error is not None)))

    def name(self, part: str) -> str:
        """The name of the pod that plays `part` ("pods-server")."""
        return f"mcnet-benchmark-{self.run}-{part}"

    async def create(self, api: Api, values: BenchmarkPodValues) -> None:
        """Make the pod. Raises what the API server's refusal raises."""
        (pod,) = render("benchmark", values)
        self._made.append((api, values.name))  # before it exists: an interrupt may come while it is being made
        await api.create(kinds.POD, pod, values.namespace)

    async def listening(self, api: Api, values: BenchmarkPodValues) -> Running:
        """Make the pod and wait until it says where it listens. Raises McnetError."""
        await self.create(api, values)
        try:
            pod = await api.wait_for(kinds.POD, values.name, values.namespace, _has_begun, START)
        except TimeoutError as error:
            last = await api.find(kinds.POD, values.name, values.namespace)
            raise _failed(values, f"does not run after {START:g} s: {pod_problem(last or {})}") from error
        assert pod is not None
        if not is_running(pod):
            raise _failed(values, await self._why(api, values, pod))
        return Running(values, api, _addresses(pod), await self._first_word(api, values))

    async def finished(self, api: Api, values: BenchmarkPodValues, seconds: float) -> str:
        """What the pod printed once it has ended well. Raises McnetError."""
        try:
            pod = await api.wait_for(kinds.POD, values.name, values.namespace, _is_over, seconds)
        except TimeoutError as error:
            last = await api.find(kinds.POD, values.name, values.namespace)
            raise _failed(
                values, f"has no result after {seconds:g} s: {pod_problem(last or {}) or 'it still runs'}"
            ) from error
        assert pod is not None
        if (pod.get("status") or {}).get("phase") != "Succeeded":
            raise _failed(values, await self._why(api, values, pod))
        return await api.logs(values.name, values.namespace)

    async def _first_word(self, api: Api, values: BenchmarkPodValues) -> Listening:
        try:
            async with asyncio.timeout(SPEAK):
                while True:
                    try:
                        lines = (await api.logs(values.name, values.namespace)).splitlines()
                        if lines:
                            return decode_listening(lines[0])
                    except (ApiError, UnreachableError):
                        pass  # the kubelet has no log of it yet
                    await asyncio.sleep(ASK_AGAIN)
        except TimeoutError as error:
            raise _failed(values, f"does not listen after {SPEAK:g} s") from error
        except DecodeError as error:
            raise _failed(values, f"says {lines[0][:100]!r}") from error

    async def _why(self, api: Api, values: BenchmarkPodValues, pod: JsonObject) -> str:
        if hopeless_reason(pod):
            return f"does not start: {pod_problem(pod)}"
        try:
            lines = (await api.logs(values.name, values.namespace, tail=1)).strip().splitlines()
        except (ApiError, UnreachableError):
            lines = []
        return f"has ended: {lines[-1] if lines else pod_problem(pod)}"

    async def _remove_all(self, *, quietly: bool) -> None:
        """With `quietly` another error is on its way already, and a failure to remove must not hide it."""
        ends = await asyncio.gather(*(_remove(*made) for made in self._made), return_exceptions=True)
        self._made.clear()
        failures = [end for end in ends if isinstance(end, BaseException)]
        if failures and not quietly:
            raise failures[0]


async def remove_ended(api: Api) -> int:
    """Remove the ended pods of earlier runs, whose command was killed; how many. Those of a run elsewhere go on."""
    pods = await api.list(kinds.POD, SYSTEM_NAMESPACE, labels=LABELS)
    ended = [pod["metadata"]["name"] for pod in pods if _phase(pod) in ("Succeeded", "Failed")]
    await asyncio.gather(*(api.delete(kinds.POD, name, SYSTEM_NAMESPACE) for name in ended))
    return len(ended)


async def _remove(api: Api, name: str) -> None:
    try:
        await api.delete(kinds.POD, name, SYSTEM_NAMESPACE)
    except (ApiError, UnreachableError) as error:
        raise McnetError(
            f"the pod {SYSTEM_NAMESPACE}/{name} could not be removed: {error.message}",
            f"kubectl --context {api.context} -n {SYSTEM_NAMESPACE} delete pod {name}",
        ) from error


def _failed(values: BenchmarkPodValues, why: str) -> McnetError:
    hint = "is the node busy? Else see its pods: kubectl -n mcnet-system get pods -o wide"
    return McnetError(
        f"the benchmark's pod on node {values.node} {why}",
        "choose the image with --image" if "start" in why else hint,
    )


def _addresses(pod: JsonObject) -> tuple[Address, ...]:
    status = pod.get("status") or {}
    return tuple(ip_address(str(one["ip"])) for one in status.get("podIPs") or ())


def _has_begun(pod: JsonObject | None) -> bool:
    return pod is not None and (is_running(pod) or _is_over(pod))


def _is_over(pod: JsonObject | None) -> bool:
    return pod is not None and (_phase(pod) in ("Succeeded", "Failed") or bool(hopeless_reason(pod)))


def _phase(pod: JsonObject) -> str:
    return str((pod.get("status") or {}).get("phase", ""))
