"""Settings of the DNS daemon: environment variables into one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass

from mcnet.model.dns import DNS_PORT, HOSTS
from mcnet.model.errors import UsageError
from mcnet.model.ownership import DNS_METRICS_PORT
from mcnet.plan.dns_zone import Options

_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Settings:
    """Each field is read from the variable that its docstring names."""

    port: int
    """MCNET_DNS_PORT: UDP and TCP port of the answers."""
    metrics_port: int
    """MCNET_METRICS_PORT: TCP port of /healthz, /readyz and /metrics."""
    hosts: int
    """MCNET_DNS_HEADLESS_LIMIT: endpoints of a headless service that are in its answers; 0 for all."""
    cluster_names: bool
    """MCNET_DNS_CLUSTER_NAMES: CLUSTER.SVC.NS.svc.clusterset.local too."""

    @property
    def options(self) -> Options:
        """What of a service is served."""
        return Options(hosts=self.hosts, cluster_names=self.cluster_names)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Raises UsageError if a number or a flag is none."""

        def number(name: str, default: int) -> int:
            text = environment.get(name, str(default))
            if not text.isdecimal():
                raise UsageError(f"{name} is not a number: {text}")
            return int(text)

        flag = environment.get("MCNET_DNS_CLUSTER_NAMES", "false")
        if flag not in _FLAGS:
            raise UsageError(f"MCNET_DNS_CLUSTER_NAMES is neither true nor false: {flag}")
        return cls(
            port=number("MCNET_DNS_PORT", DNS_PORT),
            metrics_port=number("MCNET_METRICS_PORT", DNS_METRICS_PORT),
            hosts=number("MCNET_DNS_HEADLESS_LIMIT", HOSTS),
            cluster_names=_FLAGS[flag],
        )
