"""What a gateway reports of itself and of its cables: status that `show` prints and route agents fall back on."""

from dataclasses import dataclass
from enum import Enum

from mcnet.model.cluster import ClusterId
from mcnet.model.kernel import Address
from mcnet.model.node import DEFAULT_WEIGHT, Drain
from mcnet.model.traffic import Throughput


class CableState(Enum):
    """State of one cable as its gateway sees it."""

    CONNECTING = "connecting"
    """Configured; no probe has been answered yet."""
    CONNECTED = "connected"
    ERROR = "error"
    """Probes are not answered, or the cable can't be configured; `reason` says why."""


class Cause(Enum):
    """Why a cable is in its state, in one word: for metrics and whoever reads reports by program."""

    NONE = ""
    ANSWERS = "answers"
    """Connected, and nothing speaks against its use."""
    WAITING = "waiting"
    """No probe has been answered yet."""
    SILENT = "silent"
    """Probes are not answered."""
    ONE_FAMILY = "one-family"
    """Those of one family are, those of the other are not."""
    FLAPPING = "flapping"
    """They are answered again, but it comes and goes."""
    NO_WAY = "no-way"
    """Nothing between the two lets one reach the other: both are behind NAT."""
    SETTINGS = "settings"
    """The two gateways do not fit: a key or an address is missing, or what they are set to differs."""
    ISOLATED = "isolated"
    """The other gateway reaches no node of its cluster."""
    DRAINS = "drains"
    SPARE = "spare"
    """The other gateway asks to be spared while there is a better one."""


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """Round-trip times of a cable's probes, in seconds; None where nothing was answered yet."""

    last: float
    minimum: float
    average: float
    maximum: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Cable:
    """One cable of this gateway to one remote gateway."""

    cluster: ClusterId
    gateway: str
    rail: int
    state: CableState
    driver: str
    local_address: Address | None = None
    remote_address: Address | None = None
    device: str = ""
    """By which it goes now: of WireGuard one for each remote rail, and two while a key changes."""
    userspace: bool = False
    """Whether a process carries it, since the node's kernel has no WireGuard."""
    path: str = "direct"
    round_trip: RoundTrip | None = None
    loss: float = 0.0
    """Share of the last probes lost, 0 to 1."""
    since: str = ""
    """RFC 3339 time of the last change of state."""
    active: bool = False
    """Whether the routes of its cluster use this cable now."""
    reason: str = ""
    """Why it is not connected; why it is not used although it is, where the other gateway asked for that."""
    cause: Cause = Cause.NONE
    """The same in a word; NONE where a daemon of an older version has not said it."""
    mtu: int = 0
    """Bytes that pass inside, where the way carries less than the device takes; 0: all that it does."""
    share: float = 0.0
    """Of the flows to its cluster that this gateway sends, those that are to go by this cable, by weight; 0 to 1."""
    throughput: Throughput | None = None
    """Mean of the last seconds; None where it is not known (yet)."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway node's report; its object bears the node's name."""

    node: str
    cluster: ClusterId
    rail: int | None
    cables: tuple[Cable, ...] = ()
    problems: tuple[str, ...] = ()
    version: str = ""
    weight: int = DEFAULT_WEIGHT
    """Its share of the cluster's flows against the other gateways' weights, when it does not drain."""
    draining: bool = False
    drained_by: tuple[Drain, ...] = ()
    """Why it drains; () where that was not said."""
