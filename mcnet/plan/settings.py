"""The settings of a member and of the clusterset: one table of keys, what each takes, and what changing it does.

Where they stand is Member and ClusterSet; writing them is mcnet.install's. A new setting of a member is a line in
SETTINGS beside its field in mcnet.model.member, its codec and its schema.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import Enum
from typing import Any, Final

from mcnet.codec import public_address
from mcnet.model.errors import UsageError
from mcnet.model.member import GatewayCount, Member
from mcnet.model.ownership import DEFAULT_PORT_BASE, MAX_RAILS, PORT_BASES
from mcnet.model.public_address import Source
from mcnet.plan.driver import DRIVERS
from mcnet.plan.mtu import MINIMUM, VXLAN_OVERHEAD
from mcnet.plan.networks import parse_networks
from mcnet.plan.scheduling import format_toleration, parse_selector, parse_tolerations

LOWEST_MTU: Final = MINIMUM + VXLAN_OVERHEAD[4]
"""Bytes: what an underlay must carry for the smallest device of ours."""
DEFAULT: Final = "default"
"""The word that takes a setting back: found out anew, or the default."""


class Place(Enum):
    """Where a setting is kept."""

    MEMBER = "member"
    CLUSTERSET = "clusterset"


class Effect(Enum):
    """What changing a setting does, as users are told."""

    AT_ONCE = "takes effect at once"
    ROLLS = "restarts the daemons, one node at a time"
    APPROVAL = "a prefix that is new waits for approval by the broker's admin"
    BOTH_SIDES = "takes effect at once; cables come up again when every cluster has the same value"
    LABELS = "labels or unlabels nodes"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: `field` is its attribute in Member (or ClusterSet), `parse` raises UsageError with a sentence,
    `form` writes a value as `parse` reads it. A default of None is found out in the cluster."""

    key: str
    field: str
    parse: Callable[[Sequence[str]], Any]
    default: Any
    effect: Effect
    help: str
    form: Callable[[Any], str] = str
    place: Place = Place.MEMBER


def _single(values: Sequence[str]) -> str:
    if len(values) != 1 or not values[0].strip():
        raise UsageError(f"one value is needed, not {len(values) if len(values) != 1 else 'an empty one'}")
    return values[0].strip()


def one_of(*known: str) -> Callable[[Sequence[str]], str]:
    """A parser of one word out of `known`."""

    def parse(values: Sequence[str]) -> str:
        word = _single(values)
        if word not in known:
            raise UsageError(f"{word!r} is none of {', '.join(known)}", f"choose one of: {', '.join(known)}")
        return word

    return parse


def _number(lowest: int, highest: int, *, zero: bool = False) -> Callable[[Sequence[str]], int]:
    def parse(values: Sequence[str]) -> int:
        word = _single(values)
        number = int(word) if word.isascii() and word.isdigit() else -1
        if not (lowest <= number <= highest or (zero and number == 0)):
            also = ", or 0" if zero else ""
            raise UsageError(f"{word!r} is not a whole number from {lowest} to {highest}{also}")
        return number

    return parse


def _gateways(values: Sequence[str]) -> GatewayCount:
    word = _single(values)
    text = word.removeprefix("auto:")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= number <= MAX_RAILS:
        wanted = f"a whole number from 1 to {MAX_RAILS}, alone or behind auto:"
        raise UsageError(f"{word!r} is not {wanted}", "write it like 2 or auto:2")
    return GatewayCount(number, auto=text != word)


def _flag(values: Sequence[str]) -> bool:
    word = _single(values).lower()
    if word not in ("true", "false"):
        raise UsageError(f"{word!r} is neither true nor false")
    return word == "true"


def _seconds(values: Sequence[str]) -> float:
    word = _single(values)
    try:
        number = float(word.removesuffix("ms")) / 1000 if word.endswith("ms") else float(word.removesuffix("s"))
    except ValueError:
        number = -1.0
    if not (0.1 <= number <= 60 or number == 0):
        raise UsageError(f"{word!r} is not a time from 100ms (or 0.1) to 60s, or 0")
    return number


def _text(values: Sequence[str]) -> str:
    word = _single(values)
    if any(character.isspace() for character in word):
        raise UsageError(f"{word!r} holds a space")
    return word


def _prefixes(values: Sequence[str]) -> tuple[Any, ...]:
    networks = parse_networks(values)
    if not networks:
        raise UsageError("at least one network is needed", "write it like 10.1.0.0/16,10.9.0.0/16")
    for number, one in enumerate(networks):
        for other in networks[:number]:
            if one.version == other.version and one.overlaps(other):
                raise UsageError(f"{one} and {other} overlap", "name each address once")
    return networks


def _sources(values: Sequence[str]) -> tuple[Source, ...]:
    try:
        return public_address.decode(",".join(values))
    except ValueError as error:
        raise UsageError(str(error), public_address.EXAMPLE) from error


def _secrets(values: Sequence[str]) -> tuple[str, ...]:
    words = tuple(word for value in values for word in value.split(",") if word)
    for word in words:
        if word.count("/") != 1 or not all(word.split("/")):
            raise UsageError(f"{word!r} does not name a pull secret", "write it like default/registry")
    return words


def _labels(values: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(parse_selector(values).items()))


def _tolerations(values: Sequence[str]) -> tuple[dict[str, Any], ...]:
    return parse_tolerations([word for value in values for word in value.split(",") if word])


def _pairs(value: Sequence[tuple[str, str]]) -> str:
    return ",".join(f"{label}={text}" for label, text in value)


def _joined(value: Sequence[object]) -> str:
    return ",".join(map(str, value))


def _word(value: bool) -> str:
    return "true" if value else "false"


def _plain(value: float) -> str:
    return f"{value:g}"


SETTINGS: Final = (
    Setting("image", "image", _text, None, Effect.ROLLS, "Image of the daemons."),
    Setting(
        "image-pull-policy", "pull_policy", one_of("IfNotPresent", "Always", "Never"), "IfNotPresent", Effect.ROLLS,
        "When nodes pull the image.",
    ),
    Setting(
        "pull-secrets", "pull_secrets", _secrets, (), Effect.ROLLS,
        "NAMESPACE/NAME of secrets for the image's registry; they are copied.", _joined,
    ),
    Setting(
        "node-selector", "node_selector", _labels, (), Effect.ROLLS,
        "LABEL=VALUE of the nodes for gateways and discovery.", _pairs,
    ),
    Setting(
        "tolerations", "tolerations", _tolerations, (), Effect.ROLLS,
        "KEY[=VALUE][:EFFECT] that discovery tolerates; the node daemons tolerate everything.",
        lambda value: _joined([format_toleration(one) for one in value]),
    ),
    Setting(
        "gateways", "gateways", _gateways, GatewayCount(), Effect.LABELS,
        "How many nodes are gateways; auto:N: a lost one is replaced by another node.",
    ),
    Setting(
        "pod-cidr", "pod_prefixes", _prefixes, None, Effect.APPROVAL, "The pods' networks.", _joined,
    ),
    Setting(
        "service-cidr", "service_prefixes", _prefixes, None, Effect.APPROVAL, "The services' networks.", _joined,
    ),
    Setting(
        "port-base", "port_base", _number(PORT_BASES[0], PORT_BASES[-1]), DEFAULT_PORT_BASE, Effect.BOTH_SIDES,
        "First UDP port of cables.",
    ),
    Setting(
        "public-address", "public_sources", _sources, (), Effect.AT_ONCE,
        "Where gateways behind NAT find their public addresses: an address, dns:NAME, lb:SERVICE, api:HOST; without: "
        "as other clusters' gateways see them.", public_address.encode,
    ),
    Setting(
        "load-balancer", "load_balancer", _flag, False, Effect.AT_ONCE,
        "Whether each gateway gets a Service of type LoadBalancer, by whose address the others reach it.", _word,
    ),
    Setting(
        "air-gapped", "air_gapped", _flag, False, Effect.AT_ONCE,
        "Whether public addresses are neither looked up nor published.", _word,
    ),
    Setting(
        "delivery", "delivery", one_of("overlay", "cni"), "overlay", Effect.AT_ONCE,
        "How remote traffic reaches pods of other nodes.",
    ),
    Setting(
        "manage-host-firewall", "manage_host_firewall", _flag, False, Effect.AT_ONCE,
        "Whether nodes add accept rules to other programs' chains that drop mcnet's packets.", _word,
    ),
    Setting(
        "underlay-mtu", "underlay_mtu", _number(LOWEST_MTU, 65535, zero=True), 0, Effect.AT_ONCE,
        "Bytes that the way between gateways, and between nodes, carries at most; 0: as their devices say.",
    ),
    Setting(
        "key-rotation", "key_rotation", _number(1, 3650, zero=True), 30, Effect.AT_ONCE,
        "Days after which gateways get new keys, without losing a packet; 0: only by mcnet rotate keys.",
    ),
    Setting(
        "probe-interval", "probe_interval", _seconds, 0.0, Effect.AT_ONCE,
        "Seconds between probes of a path, or 250ms; longer where there is much to probe. 0: the daemons' own, 0.1.",
        _plain,
    ),
    Setting(
        "probe-multiplier", "probe_multiplier", _number(1, 100, zero=True), 0, Effect.AT_ONCE,
        "Lost probes in a row after which a path is down; 0: the daemons' own, 3.",
    ),
    Setting(
        "default-driver", "default_driver", one_of(*DRIVERS), DRIVERS[0], Effect.AT_ONCE,
        "Cable driver of the clusterset.", place=Place.CLUSTERSET,
    ),
)  # fmt: skip
BY_KEY: Final = {setting.key: setting for setting in SETTINGS}


def of(place: Place) -> tuple[Setting, ...]:
    """The settings that are kept in `place`."""
    return tuple(setting for setting in SETTINGS if setting.place is place)


def find(key: str) -> Setting:
    """The setting `key`; UsageError that names the nearest known one."""
    if key in BY_KEY:
        return BY_KEY[key]
    word = key.lower().replace("_", "-")
    near = get_close_matches(word, BY_KEY, n=1, cutoff=0.5) or [known for known in BY_KEY if word and word in known]
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(BY_KEY)}"
    raise UsageError(f"{key!r} is not a setting", hint)


def parse(setting: Setting, values: Sequence[str]) -> Any:
    """The value of `values`; UsageError that names the key."""
    try:
        return setting.parse(values)
    except UsageError as error:
        raise UsageError(f"{setting.key}: {error.message}", error.hint) from error


def merged(found: Member, before: Member | None, given: Mapping[str, Any]) -> Member:
    """The member's settings: as given now, else as given earlier, else as found out or by default (`found`)."""
    values = {}
    keys = set()
    for setting in of(Place.MEMBER):
        if setting.key in given:
            values[setting.field] = given[setting.key]
        elif before and is_given(setting, before):
            values[setting.field] = getattr(before, setting.field)
        else:
            continue
        keys.add(setting.key)
    return replace(found, **values, given=tuple(sorted(keys)))


def is_given(setting: Setting, member: Member) -> bool:
    """Whether a value is the user's word. One that differs from its default is, however it came there."""
    if setting.key in member.given:
        return True
    return setting.default is not None and getattr(member, setting.field) != setting.default


def changed(before: Member, key: str, value: Any) -> Member:
    """`before` with one setting given."""
    return replace(before, **{BY_KEY[key].field: value}, given=tuple(sorted({*before.given, key})))


def taken_back(before: Member, key: str, found: Any) -> Member:
    """`before` without the user's word on one setting: `found` is its default, or what was found out."""
    given = tuple(sorted(set(before.given) - {key}))
    return replace(before, **{BY_KEY[key].field: found}, given=given)


def differing(before: Member, after: Member) -> tuple[Setting, ...]:
    """The settings whose values differ, in the table's order."""
    return tuple(
        setting for setting in of(Place.MEMBER) if getattr(before, setting.field) != getattr(after, setting.field)
    )


def source(setting: Setting, member: Member) -> str:
    """Where a value comes from, as `config show` says it."""
    if is_given(setting, member):
        return "set"
    return "found out" if setting.default is None and setting.key != "image" else "default"
