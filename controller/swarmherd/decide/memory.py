# SPDX-License-Identifier: GPL-3.0-or-later
"""What later cycles must know: wishes for the stabilization window, counters of blindness, when we last acted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from swarmherd.decide.heal import ailments, remember_remedy
from swarmherd.decide.scene import Scene
from swarmherd.model import (
    Action,
    Availability,
    ClusterView,
    Decision,
    Fence,
    Memory,
    Node,
    NodeMemory,
    NodeState,
    Outcome,
    Recommendation,
    Result,
    ServiceMemory,
)
from swarmherd.policy import Policy, RebalanceKeys, ScaleKeys
from swarmherd.policy.merge import merged

HOUR_SECONDS = 3600.0
PAUSED_BY_US = "swarmherd.paused"
"""The label of a node that a move has paused."""
UNWATCHED = timedelta(seconds=60)
"""Longer than the pause between two cycles; a longer one is an absence."""
FALLS_KEPT, FALLS_FOR = 50, timedelta(days=1)
"""Of one node: how many of its falls and cordons are kept, and for how long."""
_NO_PAST = NodeMemory(None)


def watched(
    earlier: tuple[Recommendation, ...], replicas: int, now: datetime, window: timedelta
) -> tuple[Recommendation, ...]:
    """The wishes to judge by. At the first sight of a service, and after an absence that outlasted the window, its
    present count stands for the wishes that were not seen: a controller that comes back does not shrink at once (S5).
    """
    since = now - max(window, UNWATCHED)
    for wish in reversed(earlier):  # the newest is the likeliest
        if since < wish.at <= now:
            return earlier
    return (Recommendation(now, replicas),)


def remember(
    memory: Memory, decisions: tuple[Decision, ...], policy: Policy, now: datetime, also: Collection[str] = ()
) -> Memory:
    """The memory after a cycle's decisions. Of services that are neither decided about nor in `also` nothing stays."""
    services = {name: past for name, past in memory.services.items() if name in also or past.moves}
    services |= {d.service: remembered(memory.of(d.service), d, _keys(policy, d.service), now) for d in decisions}
    return replace(memory, services={name: _rested(past, policy, now) for name, past in services.items()})


def _rested(memory: ServiceMemory, policy: Policy, now: datetime) -> ServiceMemory:
    """Moves that no budget and no cooldown asks about any more are forgotten."""
    keys = policy.rebalance or RebalanceKeys()
    oldest = now - timedelta(seconds=max(HOUR_SECONDS, keys.cooldown, keys.service_cooldown))
    kept = tuple(at for at in memory.moves if at > oldest)
    return memory if kept == memory.moves else replace(memory, moves=kept)


def remember_nodes(memory: Memory, view: ClusterView, now: datetime) -> Memory:
    """The memory after a look at the nodes: since when each takes work, which of them came while we watched, and when
    each went down. A node that is seen ready is off no more, whatever a person said (S10)."""
    known = memory.nodes
    seen = {node.id: _seen(node, known.get(node.id), bool(known), now) for node in view.nodes}
    nodes = {name: _with_moves(node, known.get(name), now) for name, node in seen.items()}
    return replace(memory, nodes=nodes, fences=_still_off(memory.fences, view))


def _with_moves(node: NodeMemory, past: NodeMemory | None, now: datetime) -> NodeMemory:
    """The budget of a node goes on whatever its state does meanwhile."""
    oldest = now - timedelta(seconds=HOUR_SECONDS)
    kept = tuple(at for at in past.moves if at > oldest) if past is not None else ()
    return node if kept == node.moves else replace(node, moves=kept)


def _still_off(fences: Mapping[str, Fence], view: ClusterView) -> Mapping[str, Fence]:
    ready = {node.id for node in view.nodes if node.state is NodeState.READY}
    return fences if not ready & fences.keys() else {name: one for name, one in fences.items() if name not in ready}


def remember_health(memory: Memory, view: ClusterView, policy: Policy, now: datetime) -> Memory:
    """The memory after a look at the tasks: who is ill since when."""
    return replace(memory, ailments=ailments(Scene.of(view, policy, memory, now)))


def _seen(node: Node, past: NodeMemory | None, watching: bool, now: datetime) -> NodeMemory:
    fallen = _fallen(node, past or _NO_PAST, now)
    if past is not None and any(label.startswith(PAUSED_BY_US) for label in node.labels):
        return fallen  # paused for the moment of a move
    if node.state is not NodeState.READY or node.availability is not Availability.ACTIVE:
        return replace(fallen, takes_work_since=None, returned=False)
    if past is None:
        return replace(fallen, takes_work_since=now, returned=watching)
    return fallen if past.takes_work_since is not None else replace(fallen, takes_work_since=now, returned=True)


def _fallen(node: Node, past: NodeMemory, now: datetime) -> NodeMemory:
    """A fall is the change from ready to down, seen by us. What Swarm itself does not know of a node is none."""
    up = node.state is NodeState.READY
    down = past.up is True and node.state in (NodeState.DOWN, NodeState.DISCONNECTED)
    falls = (*past.falls, now) if down else past.falls
    still = up if up or node.state in (NodeState.DOWN, NodeState.DISCONNECTED) else past.up
    return replace(past, up=still, falls=_of_late(falls, now), cordons=_of_late(past.cordons, now))


def _of_late(instants: tuple[datetime, ...], now: datetime) -> tuple[datetime, ...]:
    kept = tuple(at for at in instants if at > now - FALLS_FOR)[-FALLS_KEPT:]
    return instants if kept == instants else kept


def _keys(policy: Policy, service: str) -> ScaleKeys:
    """Windows and fallback: no label speaks of them, so the policy alone tells."""
    named = policy.services.get(service)
    return merged(policy.defaults.scale, named.scale if named else None)


def remembered(memory: ServiceMemory, decision: Decision, keys: ScaleKeys, now: datetime) -> ServiceMemory:
    """The memory of one service after a decision about it."""
    if memory.asleep and decision.now != 0:
        memory = replace(memory, asleep=False)
    if decision.now is None or not decision.evidence:
        return memory  # the metrics were not asked: nothing was learned
    if not decision.foretold:
        memory = _recommended(memory, decision, decision.now, keys, now)
    elif memory.recommendations:
        memory = memory.recommending(())  # older than what was foretold since: they would shrink it at once (S5)
    return _counted(memory, decision, keys)


def _recommended(
    memory: ServiceMemory, decision: Decision, replicas: int, keys: ScaleKeys, now: datetime
) -> ServiceMemory:
    """The wish is kept; when blind, the count as it was, since nobody knows that less would do."""
    wish = replicas if decision.wish is None else decision.wish
    window = timedelta(seconds=max(keys.stabilization.up, keys.stabilization.down))
    earlier = watched(memory.recommendations, replicas, now, window)
    kept = _between(earlier, now - window, now)
    return memory.recommending((*kept, Recommendation(now, wish)))


def _between(wishes: tuple[Recommendation, ...], since: datetime, until: datetime) -> tuple[Recommendation, ...]:
    """Those after `since` and up to `until`, of wishes in the order of their time."""
    first, last = 0, len(wishes)
    while first < last and wishes[first].at <= since:
        first += 1
    while first < last and wishes[last - 1].at > until:
        last -= 1
    return wishes[first:last]


def _counted(memory: ServiceMemory, decision: Decision, keys: ScaleKeys) -> ServiceMemory:
    """S3: the fallback begins after so many blind cycles in a row, and ends after so many good ones."""
    fallen = memory.blind_cycles >= keys.fallback.after
    if decision.blind and decision.wish is None:
        return replace(memory, blind_cycles=memory.blind_cycles + 1, good_cycles=0)
    if decision.blind:
        return replace(memory, blind_cycles=memory.blind_cycles if fallen else 0, good_cycles=0)
    good = min(memory.good_cycles + 1, keys.fallback.until)
    over = not fallen or good >= keys.fallback.until
    blind = 0 if over else memory.blind_cycles
    if (blind, good) == (memory.blind_cycles, memory.good_cycles):
        return memory
    return replace(memory, blind_cycles=blind, good_cycles=good)


def remember_result(memory: Memory, action: Action, result: Result) -> Memory:
    """The memory after an action. A conflict teaches nothing: the next cycle decides again (S17).

    Nor does an action that was undone because its controller ended in the middle of it count as a failure.
    """
    if result.outcome is Outcome.DONE and action.parameters.get("swarmherd_measure") == "cordon":
        memory = _cordoned(memory, str(action.parameters["swarmherd_node"]), result.finished_at)
    if result.outcome in (Outcome.STARTED, Outcome.CONFLICT) or not action.service:
        return memory
    before = memory.of(action.service)
    after = before if result.version is None else replace(before, last_version=result.version)
    if result.outcome is Outcome.DONE or result.version is not None or action.kind == "move":
        after = _moved(after, action, result.finished_at)  # Docker was written to
    if action.parameters.get("swarmherd_measure") == "clear":
        after = _cleared(after, result)
    elif result.outcome is Outcome.DONE:
        after = replace(after, failures=0, last_failure_at=None)
    elif result.outcome is Outcome.GIVEN_UP:  # where no host was reached it is no failure of the service
        after = replace(after, failures=before.failures + result.reached, last_failure_at=result.finished_at)
    if action.kind == "scale":
        after = _slept(after, action, result)
    known = remember_remedy(memory, action, result)
    moved = known if after.moves == before.moves else _left(known, action, result.finished_at)
    others = {name: replace(memory.of(name), last_version=version) for name, version in result.versions.items()}
    return replace(moved, services={**memory.services, **others, action.service: after})


def _slept(memory: ServiceMemory, action: Action, result: Result) -> ServiceMemory:
    """A zero is ours where it was decided on and written, also where its last tasks were slow to stop. It stays ours
    whatever is written of the service besides, until it has replicas, or a person sets the zero."""
    to_zero = not action.parameters["swarmherd_replicas"]
    decided = to_zero and bool(action.evidence)  # a person's command has none
    if result.outcome is Outcome.DONE:
        return replace(memory, asleep=decided)
    written = result.outcome is Outcome.GIVEN_UP and result.version is not None
    return replace(memory, asleep=True) if decided and written else memory


def _cleared(memory: ServiceMemory, result: Result) -> ServiceMemory:
    """Counted apart: that marks on nodes stay is no reason to leave the service itself alone (S7)."""
    if result.outcome is Outcome.DONE:
        return replace(memory, clear_failures=0, last_clear_failure_at=None)
    if result.outcome is Outcome.GIVEN_UP:
        return replace(memory, clear_failures=memory.clear_failures + 1, last_clear_failure_at=result.finished_at)
    return memory


def _left(memory: Memory, action: Action, at: datetime) -> Memory:
    """A task was moved off a node, which its budget counts (S11)."""
    name = str(action.parameters.get("swarmherd_node", ""))
    node = memory.nodes.get(name)
    if node is None:
        return memory
    return replace(memory, nodes={**memory.nodes, name: replace(node, moves=(*node.moves, at))})


def _cordoned(memory: Memory, node_id: str, at: datetime) -> Memory:
    """The next cordon of the node is the longer for it."""
    past = memory.nodes.get(node_id, _NO_PAST)
    return replace(memory, nodes={**memory.nodes, node_id: replace(past, cordons=(*past.cordons, at))})


def _moved(memory: ServiceMemory, action: Action, at: datetime) -> ServiceMemory:
    """The cooldowns begin when the action ended (S5)."""
    if action.kind == "move":
        return replace(memory, moves=(*memory.moves, at))
    if action.kind != "scale":
        return memory
    then = action.parameters["swarmherd_replicas"]
    before = action.parameters.get("swarmherd_expected_replicas", then)
    if then > before:
        return replace(memory, last_up_at=at)
    return replace(memory, last_down_at=at) if then < before else memory
