# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a service is left alone before its metrics are even looked at.

Each objection answers a sentence, or nothing. They are asked in order and the first that speaks is the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from swarmherd.decide.situation import Situation
from swarmherd.decide.words import count, duration, one_line
from swarmherd.model import Direction, Task, TaskState, UpdateState
from swarmherd.policy import Strategy

_UPDATES = {
    UpdateState.UPDATING: "it is updating",
    UpdateState.PAUSED: "its update is paused",
    UpdateState.ROLLBACK_STARTED: "it is rolling back",
    UpdateState.ROLLBACK_PAUSED: "its rollback is paused",
}
BEFORE_RUNNING = frozenset(list(TaskState)[: list(TaskState).index(TaskState.RUNNING)])
ON_THEIR_NODE = frozenset({TaskState.PREPARING, TaskState.READY, TaskState.STARTING})
_WITHOUT_NODE = frozenset(list(TaskState)[: list(TaskState).index(TaskState.ASSIGNED)])


def switched_off(s: Situation) -> str | None:
    """S19: the switches in the policy and the labels."""
    if not s.policy.enabled:
        return "the policy is switched off (swarmherd_policy.enabled)"
    return None if s.scale.enabled else "its scaling is switched off (scale.enabled)"


def paused(s: Situation) -> str | None:
    """S19: a kill switch that stops both directions."""
    for pause in s.pauses:
        if pause.direction is Direction.NONE:
            return f"{one_line(pause.who)} paused {'it' if pause.service else 'everything'}: {one_line(pause.why)}"
    return None


def in_maintenance(s: Situation) -> str | None:
    """S7: a zero that only a person can have set. One that we decided on while `min` was 0 is below `min` now."""
    if s.replicas == 0 and s.scale.min > 0 and not s.memory.asleep:
        return "somebody set it to 0 replicas, which means maintenance"
    return None


def updating(s: Situation) -> str | None:
    """S6: a rollout in hand, or one that waits for a person."""
    return _UPDATES.get(s.service.update_state)


def just_changed(s: Situation) -> str | None:
    """S6: a version that is not our own last write is somebody else's."""
    if s.service.version == s.memory.last_version:
        return None
    ago, settle = s.ago(s.service.updated_at), s.policy.settle_seconds
    if ago < settle:
        return f"somebody else changed it {duration(ago)} ago, and it is given {duration(settle)} to settle"
    return None


def pending(s: Situation) -> str | None:
    """S6: tasks on their way. In a crash loop there always is one, and the loop is the better reason (S24)."""
    running_all = len(s.running) == len(s.tasks)
    waiting = [] if running_all else [task for task in s.tasks if task.state in BEFORE_RUNNING]
    if waiting and _ours_are_starting(s, waiting):
        return None
    if waiting and s.crash_looping:
        return crash_loop(s)
    if waiting:
        states = ", ".join(sorted({task.state.value for task in waiting}))
        are = "is" if len(waiting) == 1 else "are"
        return f"{len(waiting)} of its {count(len(s.tasks), 'task')} {are} not running yet ({states})"
    if len(s.tasks) != s.replicas and s.ago(s.service.updated_at) < s.policy.settle_seconds:
        return f"its last change is still under way: {count(len(s.tasks), 'task')} of {s.replicas}"
    return None


def waiting_for_nodes(s: Situation) -> int:
    """How many replicas have no node, where all others run; 0 where anything else is under way as well."""
    waiting = sum(task.state in _WITHOUT_NODE for task in s.tasks)
    there = len(s.tasks) == s.replicas and waiting + len(s.running) == len(s.tasks)
    return waiting if there and not s.crash_looping else 0


def under_way(s: Situation) -> str | None:
    """S6: as `pending`, but that replicas without a node may go: `limits.without_node` lets nothing else happen."""
    return None if waiting_for_nodes(s) else pending(s)


def _ours_are_starting(s: Situation, waiting: Sequence[Task]) -> bool:
    """What looks ahead may add to replicas that it started itself and that have their nodes: it counts the demand as
    a whole, which replicas on their way do not change. `limits.still_starting` keeps it from taking any away.
    """
    ours = s.scale.strategy is Strategy.PREDICTIVE and s.service.version == s.memory.last_version
    return (
        ours and not s.crash_looping and len(s.tasks) == s.replicas and all(t.state in ON_THEIR_NODE for t in waiting)
    )


def crash_loop(s: Situation) -> str:
    """The sentence about a crash loop; ask `crash_looping` first."""
    last = one_line(s.failures[-1].message)
    failed = f"{count(len(s.failures), 'task')} failed within {duration(s.policy.crash_loop.within)}"
    return f"it is crash-looping: {failed}" + (f" ({last})" if last else "")


def looping(s: Situation) -> str | None:
    """S24: what crash-loops is not moved about."""
    return crash_loop(s) if s.crash_looping else None


OBJECTIONS: tuple[Callable[[Situation], str | None], ...] = (
    switched_off,
    paused,
    in_maintenance,
    updating,
    just_changed,
    under_way,
)


def first_objection(s: Situation) -> str | None:
    for objection in OBJECTIONS:
        if why := objection(s):
            return why
    return None
