"""Settings of the route agent: environment variables into one frozen value. Everything else stands in Member."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mcnet.model.errors import UsageError
from mcnet.model.member import SYSTEM_NAMESPACE
from mcnet.model.ownership import ROUTE_AGENT_METRICS_PORT
from mcnet.plan.pace import DEFAULT_INTERVAL, DEFAULT_MULTIPLIER


@dataclass(frozen=True, slots=True)
class Settings:
    """Each field is read from the variable that its docstring names."""

    node: str
    """NODE_NAME: the node this daemon runs on; required."""
    pod: str
    """POD_NAME: names this instance in events."""
    namespace: str
    """POD_NAMESPACE: where mcnet's objects are."""
    proc_sys_net: Path
    """MCNET_PROC_SYS_NET: the node's /proc/sys/net, writable."""
    metrics_port: int
    """MCNET_METRICS_PORT: TCP port of /healthz, /readyz and /metrics."""
    probe_interval: float
    """MCNET_PROBE_INTERVAL: seconds between two probes of a gateway."""
    probe_multiplier: int
    """MCNET_PROBE_MULTIPLIER: lost probes in a row after which a gateway is taken for lost."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Raises UsageError if a required variable is missing or a number is none."""
        node = environment.get("NODE_NAME", "")
        if not node:
            raise UsageError("NODE_NAME is not set.", "Set it to the node's name; the DaemonSet does.")
        try:
            return cls(
                node=node,
                pod=environment.get("POD_NAME", node),
                namespace=environment.get("POD_NAMESPACE", SYSTEM_NAMESPACE),
                proc_sys_net=Path(environment.get("MCNET_PROC_SYS_NET", "/proc/sys/net")),
                metrics_port=int(environment.get("MCNET_METRICS_PORT", str(ROUTE_AGENT_METRICS_PORT))),
                probe_interval=float(environment.get("MCNET_PROBE_INTERVAL", str(DEFAULT_INTERVAL))),
                probe_multiplier=int(environment.get("MCNET_PROBE_MULTIPLIER", str(DEFAULT_MULTIPLIER))),
            )
        except ValueError as error:
            raise UsageError(f"A setting is not a number: {error}.") from error
