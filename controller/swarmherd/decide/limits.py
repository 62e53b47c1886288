# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between a wish and a decision.

Each limit takes the count so far and answers the count that it lets through, with its sentence where it bites. None
ever moves a count further than it was, nor to the other side of what there is now.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from swarmherd.decide.memory import watched
from swarmherd.decide.objections import BEFORE_RUNNING, crash_loop, waiting_for_nodes
from swarmherd.decide.situation import Situation
from swarmherd.decide.words import count, duration, one_line
from swarmherd.model import Direction

Limit = Callable[[Situation, int], tuple[int, str]]
"""(situation, count so far) -> (count let through, why it is another one; empty where it is the same)."""


def stabilization(s: Situation, then: int) -> tuple[int, str]:
    """S5: down no further than the highest wish of the window, up no further than the lowest."""
    windows = s.scale.stabilization
    window, longest = windows.up if then > s.replicas else windows.down, max(windows.up, windows.down)
    earlier = watched(s.memory.recommendations, s.replicas, s.now, timedelta(seconds=longest))
    since = s.now - timedelta(seconds=window)
    seen = [r.replicas for r in earlier if since < r.at <= s.now]
    if then > s.replicas:
        steady = max(s.replicas, min([then, *seen]))
        return steady, f"the lowest wish of the last {duration(window)} is {min([then, *seen])}"
    steady = min(s.replicas, max([then, *seen]))
    return steady, f"the highest wish of the last {duration(window)} is {max([then, *seen])}"


def cooldown(s: Situation, then: int) -> tuple[int, str]:
    """S5: up waits after an up; down waits after either."""
    up = then > s.replicas
    period = s.scale.cooldown.up if up else s.scale.cooldown.down
    moves = (("up", s.memory.last_up_at), ("down", None if up else s.memory.last_down_at))
    recent = min(((s.ago(at), word) for word, at in moves if at is not None), default=None)
    if recent is None or recent[0] >= period:
        return then, ""
    return s.replicas, f"it was scaled {recent[1]} {duration(recent[0])} ago (cooldown {duration(period)})"


def paused_direction(s: Situation, then: int) -> tuple[int, str]:
    """S19: a kill switch for one direction."""
    direction = Direction.UP if then > s.replicas else Direction.DOWN
    for pause in s.pauses:
        if pause.direction is direction:
            return s.replicas, f"{one_line(pause.who)} paused scaling {direction}: {one_line(pause.why)}"
    return then, ""


def crash_loops(s: Situation, then: int) -> tuple[int, str]:
    """S24: more of what crashes helps nobody."""
    return (s.replicas, crash_loop(s)) if then > s.replicas and s.crash_looping else (then, "")


def without_node(s: Situation, then: int) -> tuple[int, str]:
    """S6: while replicas wait for a node, no more are asked for; of fewer they alone go, and Swarm takes them first."""
    if not (waiting := waiting_for_nodes(s)):
        return then, ""
    said = f"{waiting} of its {count(s.replicas, 'task')} {'waits' if waiting == 1 else 'wait'} for a node"
    if then > s.replicas:
        return s.replicas, said
    return max(then, s.replicas - waiting), f"{said}, and first {'that' if waiting == 1 else 'those'} alone may go"


def step(s: Situation, then: int) -> tuple[int, str]:
    """S5: so many at once."""
    limit = s.scale.step.up if then > s.replicas else s.scale.step.down
    most = limit.allows(s.replicas)
    if abs(then - s.replicas) <= most:
        return then, ""
    up = then > s.replicas
    return s.replicas + (most if up else -most), f"at most {most} {'more' if up else 'fewer'} at once ({limit})"


def bounds(s: Situation, then: int) -> tuple[int, str]:
    """Never below min, never above max."""
    now = s.bounds
    if then > now.max:
        return now.max, f"max is {now.max}{now.why_max}"
    return (now.min, f"min is {now.min}{now.why_min}") if then < now.min else (then, "")


def still_starting(s: Situation, then: int) -> tuple[int, str]:
    """S6: nothing is taken away while replicas are on their way (only what looks ahead comes here with such)."""
    if then > s.replicas or len(s.running) == len(s.tasks) or waiting_for_nodes(s):
        return then, ""
    waiting = sum(task.state in BEFORE_RUNNING for task in s.tasks)
    return (s.replicas, f"{waiting} of its {len(s.tasks)} tasks are not running yet") if waiting else (then, "")


VETOES: tuple[Limit, ...] = (paused_direction, crash_loops, without_node)
UNWISHED: tuple[Limit, ...] = (*VETOES, still_starting, cooldown, step, bounds)
"""For a count that no metric wished, as a fallback's: earlier wishes do not stand against it."""
FORETOLD: tuple[Limit, ...] = (*VETOES, still_starting, step, bounds)
"""For what was foretold: it has room on both sides, and waiting is what it is there to avoid."""
WISHED: tuple[Limit, ...] = (stabilization, *UNWISHED)


def limited(s: Situation, then: int, limits: tuple[Limit, ...]) -> tuple[int, tuple[str, ...]]:
    """`then` after each of `limits` in order, with the sentences of those that bit."""
    said: list[str] = []
    for limit in limits:
        if then == s.replicas:
            break
        allowed, why = limit(s, then)
        if allowed != then:
            said.append(why)
        then = allowed
    return then, tuple(said)
