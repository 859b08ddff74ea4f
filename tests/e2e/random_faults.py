"""Which faults come at random, in what order and overlap: a list that a seed gives alone, and those that run it."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from mcnet.lab.impair import LinkName
from tests.e2e import gateway_faults as faults
from tests.e2e.clusterset import CLUSTERS, Clusterset
from tests.e2e.gateway_faults import Fault

AGAIN = 10.0
"""Seconds after which a gateway whose links are whole again counts as one: a handshake of WireGuard that was lost is
sent again after 5 (its REKEY_TIMEOUT), and then probes have to be answered."""
LINKS = 4
"""How much more often something happens to links than anything else: flows that have left a gateway that was cordoned
come back slowly, and are not there when it is cut."""
GATEWAYS = ("east-n1", "east-n2", "west-n1", "west-n2")


@dataclass(frozen=True, slots=True)
class Act:
    """At `moment` (seconds since the beginning) a fault begins, or is over."""

    moment: float
    fault: Fault
    begins: bool

    def __str__(self) -> str:
        return f"{self.moment:6.1f} {'' if self.begins else 'over: '}{self.fault.name}"


def acts(seed: int, seconds: float) -> tuple[Act, ...]:
    """What happens within `seconds`, for so long if nothing takes longer than it may well; all is over at the end."""
    choice = random.Random(seed)
    running: list[tuple[float, Fault]] = []
    told: list[str] = []
    back: dict[str, float] = {}
    found: list[Act] = []
    moment = 0.0
    while moment < seconds:
        for until, fault in [one for one in running if one[0] <= moment]:
            running.remove((until, fault))
            found.append(Act(moment, fault, begins=False))
            moment += fault.back
            if fault.bound:
                back[fault.node] = moment + AGAIN
        away = {node for node, until in back.items() if until > moment}
        if possible := _possible([fault for _, fault in running], told, away):
            (fault,) = choice.choices(possible, [LINKS if one.bound else 1 for one in possible])
            told.append(fault.name)
            running.append((moment + choice.uniform(1, 12), fault))
            found.append(Act(moment, fault, begins=True))
        moment += choice.uniform(0.2, 4)
    return (*found, *(Act(moment, fault, begins=False) for _, fault in reversed(running)))


def _possible(running: Sequence[Fault], told: Sequence[str], back: set[str]) -> list[Fault]:
    """Faults that leave a gateway on each side that nothing else has taken out, each at most once at a time; those in
    `back` are out too. While a daemon is away it notices nothing of a link that goes, which costs until it is back
    (docs/faults.md): so no API server goes then, without which it would not come back, nor its own node's way there;
    and each daemon is killed once, else its kubelet takes ever longer to start it."""
    out = {fault.node for fault in running if fault.node} | back
    names = {fault.name for fault in running}
    free = [
        node
        for node in GATEWAYS
        if node not in out and not any(other.partition("-")[0] == node.partition("-")[0] for other in out)
    ]
    kills = [faults.killed(node) for node in GATEWAYS if node not in out]
    kills += [faults.killed("west-n3", "mcnet_route_agent")]
    away = {cluster for cluster in CLUSTERS if faults.stopped(cluster).name in names}
    made = [fault for fault in kills if fault.name not in told and fault.asks not in away]
    silent = {fault.daemon for fault in running}
    for node in free:
        made.append(faults.cut(node, LinkName.WAN))
        if node not in silent:
            made += [faults.cut(node, LinkName.CLUSTER), faults.gone(node)]
        if node.partition("-")[0] not in away:
            made.append(faults.cordoned(node))
    asked = {fault.asks for fault in running}
    made += [faults.stopped(cluster) for cluster in CLUSTERS if cluster not in asked]
    return [fault for fault in made if fault.name not in names]


@dataclass
class Told:
    """What has happened when, to say during what something else did."""

    log: list[tuple[float, Act]] = field(default_factory=list)
    """When (seconds since the epoch) each act began."""
    away: list[tuple[float, float]] = field(default_factory=list)
    """From when until when (likewise) a daemon was away."""

    async def run(self, made: Clusterset, planned: Sequence[Act]) -> None:
        """Let it happen, in this order and with no less time in between, whatever time it takes; what has begun ends
        also when something fails."""
        due, last = time.time(), 0.0
        running: list[Fault] = []
        returning: set[asyncio.Task[None]] = set()
        try:
            for act in planned:
                await asyncio.sleep(max(0.0, due + act.moment - last - time.time()))
                due, last = time.time(), act.moment
                print(f"{time.time():.1f} {act}", flush=True)
                self.log.append((time.time(), act))
                if act.begins:
                    running.append(act.fault)
                    began = time.time()
                    await act.fault.begin(made)
                    if act.fault.daemon:
                        returning.add(asyncio.create_task(self._returns(made, act.fault, began)))
                else:
                    await act.fault.end(made)
                    running.remove(act.fault)
        except BaseException as error:
            error.add_note(f"{act} failed")
            raise
        finally:
            for fault in reversed(running):
                await fault.end(made)
            await asyncio.gather(*returning)

    async def _returns(self, made: Clusterset, fault: Fault, began: float) -> None:
        """Note when a daemon is back, however long its fault may last."""
        await fault.end(made)
        self.away.append((began, time.time()))
        print(f"{time.time():.1f}        back after {time.time() - began:.1f} s: {fault.name}", flush=True)

    def excused(self, start: float, seconds: float, *, bound: float, slower: float = 1.0) -> bool:
        """Whether a daemon was away during an interruption, which was over `bound` seconds after that one was back; a
        retransmission may take `slower` times as long."""
        return any(
            start < back and start + seconds > began and seconds <= (back + bound - start) * slower
            for began, back in self.away
        )

    def during(self, moment: float) -> str:
        """The faults that were there at a moment (seconds since the epoch), and the last act until then."""
        there: list[str] = []
        last = "nothing yet"
        for when, act in self.log:
            if when <= moment:
                last = f"{act.fault.name}{'' if act.begins else ' is over'} {moment - when:.1f} s before"
                if act.begins:
                    there.append(act.fault.name)
                else:
                    there.remove(act.fault.name)
        return f"{'; '.join(there) or 'no fault'} (last: {last})"
