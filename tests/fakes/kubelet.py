"""An API server in memory whose pods run: each comes at once to the state that `play` says."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mcnet.kube.kinds import JsonObject
from mcnet.kube.transport import Request
from tests.fakes.api import FakeServer


@dataclass
class Ran:
    """How far a pod comes: its phase, what it printed, why it waits where it never started, its addresses."""

    phase: str = "Succeeded"
    output: str = ""
    waiting: dict[str, str] | None = None
    addresses: tuple[str, ...] = ()
    reason: str = ""
    """Of the pod as a whole: "DeadlineExceeded"."""

    def status(self) -> JsonObject:
        state: dict[str, Any] = {"running" if self.phase == "Running" else "terminated": {}}
        if self.waiting:
            state = {"waiting": self.waiting}
        addresses = [{"ip": address} for address in self.addresses]
        reason = {"reason": self.reason} if self.reason else {}
        return {"phase": self.phase, "podIPs": addresses, "containerStatuses": [{"state": state}]} | reason


@dataclass
class FakeKubelet(FakeServer):
    """Namespaces get their default ServiceAccount, pods the end that `play` gives for them."""

    play: Callable[[JsonObject], Ran] = lambda pod: Ran()
    pods: list[JsonObject] = field(default_factory=list)
    """Every pod that was created, in order."""
    _outputs: dict[str, str] = field(default_factory=dict)

    async def send(self, request: Request) -> bytes:
        if request.path.endswith("/log"):
            return self._outputs[request.path.split("/")[-2]].encode()
        answer = await super().send(request)
        if request.method == "POST" and request.path.endswith("/pods"):
            self._run(json.loads(answer))
        if request.method == "PATCH" and "/namespaces/" in request.path and request.path.count("/") == 4:
            namespace = json.loads(answer)["metadata"]["name"]
            metadata = {"name": "default", "namespace": namespace}
            self.add({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        return answer

    def become(self, name: str, ran: Ran) -> None:
        """The pod `name` goes on to another state."""
        pod = next(pod for pod in self.pods if pod["metadata"]["name"] == name)
        self._outputs[name] = ran.output
        self.add({**pod, "apiVersion": "v1", "kind": "Pod", "status": ran.status()})

    def _run(self, pod: JsonObject) -> None:
        self.pods.append(pod)
        ran = self.play(pod)
        self._outputs[pod["metadata"]["name"]] = ran.output
        self.add({**pod, "apiVersion": "v1", "kind": "Pod", "status": ran.status()})
