"""The broker as a joining cluster knows it: where it is, and the join token that lets one cluster in."""

from dataclasses import dataclass, field
from datetime import datetime

from mcnet.model.cluster import ClusterId
from mcnet.model.member import BROKER_NAMESPACE


@dataclass(frozen=True, slots=True)
class BrokerInfo:
    """What broker-info.mcnet says. No secret is in it."""

    server: str
    """URL of the broker's API server, as members reach it."""
    ca: bytes = b""
    """PEM bundle that the server's certificate is checked with; b"" for the system's own."""
    id: str = ""
    """UID of the ClusterSet object: tells brokers apart."""
    namespace: str = BROKER_NAMESPACE
    default_driver: str = "vxlan"


@dataclass(frozen=True, slots=True)
class JoinToken:
    """Lets one cluster in, once. `secret` is a token of the ServiceAccount join-CLUSTER at the broker."""

    cluster: ClusterId
    broker_id: str
    expires: datetime
    """With time zone: what the API server granted."""
    secret: str = field(repr=False)
