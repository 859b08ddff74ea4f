"""Settings of the discovery daemon: environment variables into one frozen value. Everything else stands in Member."""

from collections.abc import Mapping
from dataclasses import dataclass

from mcnet.model.errors import UsageError
from mcnet.model.member import SYSTEM_NAMESPACE
from mcnet.model.ownership import DISCOVERY_METRICS_PORT


@dataclass(frozen=True, slots=True)
class Settings:
    """Each field is read from the variable that its docstring names."""

    pod: str
    """POD_NAME: names this replica in the Lease and in events; required."""
    namespace: str
    """POD_NAMESPACE: where mcnet's objects are."""
    metrics_port: int
    """MCNET_METRICS_PORT: TCP port of /healthz, /readyz and /metrics."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Raises UsageError if a required variable is missing or a number is none."""
        pod = environment.get("POD_NAME", "")
        if not pod:
            raise UsageError("POD_NAME is not set", "set it to a name that no other replica has; the Deployment does")
        port = environment.get("MCNET_METRICS_PORT", str(DISCOVERY_METRICS_PORT))
        if not port.isdecimal():
            raise UsageError(f"MCNET_METRICS_PORT is not a number: {port}")
        return cls(pod=pod, namespace=environment.get("POD_NAMESPACE", SYSTEM_NAMESPACE), metrics_port=int(port))
