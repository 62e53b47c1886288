# SPDX-License-Identifier: GPL-3.0-or-later
"""Evening out the nodes' load, and filling a node that joined or came back: few moves, each one foretold.

Swarm never looks at a task again once it is placed. A cycle moves only as many tasks as the budget allows, and the
next one looks anew: so what is decided here is the beginning of the shortest way, not the whole of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from swarmherd.decide.loads import WINDOWS, Load, Step, best_move, fewest_moves, improving
from swarmherd.decide.measured import CPU, MEMORY, Loads, Measure, measured, percent
from swarmherd.decide.protect import budgets, lever, resting
from swarmherd.decide.scene import Scene
from swarmherd.decide.units import Targets, Unit, foretold, node_ids, units
from swarmherd.decide.words import count, duration
from swarmherd.model import Balance, Cause, Evidence, Lever, Move
from swarmherd.policy import LoadBy

TRIES = 20
"""So many moves are looked at that Swarm would not make as wanted, before a cycle gives up."""
PAIRS = 30_000_000
"""So many pairs of a task and a node, counted anew in each window, may a cycle's searches look at (S25); the first one
is made however many there are. On 200 nodes with 2,000 tasks that is three searches, of a second or two each."""


@dataclass(frozen=True, slots=True)
class _Aim:
    """What moves are looked for."""

    cause: Cause
    loads: Loads
    most: int
    """Moves in this cycle."""
    wanted: str
    """Why tasks are to be moved at all."""
    choose: Callable[[Sequence[Load]], Sequence[Step]]
    windows: int = 1
    """In so many `choose` looks at every pair."""
    only: frozenset[str] | None = None
    """Ids of the nodes that are to get something; None for any."""


def balance(scene: Scene, stays: Mapping[str, str]) -> tuple[Balance, ...]:
    """What is made of the nodes' loads: refilling first, then memory, then CPU; one of them moves in a cycle."""
    found: list[Balance] = []
    for one in (*_refills(scene, stays), *_rebalances(scene, stays)):
        if one.moves and any(earlier.moves for earlier in found):
            first = next(earlier for earlier in found if earlier.moves)
            name = "refilling" if first.cause is Cause.REFILL else first.measure
            found.append(
                Balance(one.cause, one.measure, (*one.reasons, f"wait, because {name} comes first"), (), one.evidence)
            )
        else:
            found.append(one)
    return tuple(found)


def _rebalances(scene: Scene, stays: Mapping[str, str]) -> Iterator[Balance]:
    keys = scene.policy.rebalance
    if keys is None:
        return
    for measure, rule in ((MEMORY, keys.memory), (CPU, keys.cpu)):
        if rule is not None:
            yield _rebalance(scene, stays, measure, rule.spread, keys.by)


def _rebalance(scene: Scene, stays: Mapping[str, str], measure: Measure, spread: float, by: LoadBy) -> Balance:
    loads = measured(scene, measure, by)
    if isinstance(loads, str):
        return _nothing(Cause.REBALANCE, measure, loads)
    apart = f"{measure.name} is {percent(loads.spread)} apart ({loads.words()})"
    if loads.spread <= spread:
        return _nothing(Cause.REBALANCE, measure, f"{apart}, within {percent(spread)}", loads)
    keys, limit = budgets(scene), _limit(scene, measure)
    if why := resting(scene, keys.cooldown):
        return _nothing(Cause.REBALANCE, measure, f"{apart}, over {percent(spread)}, but {why}", loads)

    def choose(things: Sequence[Load]) -> Sequence[Step]:
        return fewest_moves(loads.loads, loads.capacities, things, spread, keys.improvement, limit)

    wanted = f"{apart}, over {percent(spread)}"
    return _moving(scene, stays, _Aim(Cause.REBALANCE, loads, keys.moves_at_once, wanted, choose, WINDOWS))


def _refills(scene: Scene, stays: Mapping[str, str]) -> Iterator[Balance]:
    """Nothing is said while no node came lately."""
    keys = scene.policy.refill
    rebalance = budgets(scene)
    measure = CPU if rebalance.cpu and not rebalance.memory else MEMORY
    if keys is None or not (came := _came(scene)):
        return
    waits = [node for node, ago in came.items() if ago < keys.stable_for]
    ready = [node for node, ago in came.items() if ago >= keys.stable_for]
    if not ready:
        longest = max(came.values())
        yield _nothing(
            Cause.REFILL,
            measure,
            f"{scene.hostnames(waits)} came {duration(longest)} ago, and is refilled after {duration(keys.stable_for)}",
        )
        return
    loads = measured(scene, measure, rebalance.by)
    if isinstance(loads, str):
        yield _nothing(Cause.REFILL, measure, loads)
        return
    if why := resting(scene, keys.cooldown):
        yield _nothing(Cause.REFILL, measure, f"{scene.hostnames(ready)} came back, but {why}", loads)
        return
    limit = _limit(scene, measure)

    def choose(things: Sequence[Load]) -> Sequence[Step]:
        step = best_move(loads.loads, loads.capacities, things, rebalance.improvement, limit)
        return () if step is None else (step,)

    wanted = f"{scene.hostnames(ready)} came back and is to take its part ({measure.name}: {loads.words()})"
    aim = _Aim(Cause.REFILL, loads, rebalance.moves_at_once, wanted, choose, only=frozenset(ready))
    yield _moving(scene, stays, aim)


def _came(scene: Scene) -> dict[str, float]:
    """By id: seconds since a node that joined or came back takes work, as long as it is to be refilled."""
    keys = scene.policy.refill
    found: dict[str, float] = {}
    for node_id, past in scene.memory.nodes.items():
        if keys is not None and past.returned and past.takes_work_since is not None and node_id in scene.nodes:
            ago = abs((scene.now - past.takes_work_since).total_seconds())
            if ago <= keys.stable_for + keys.within:
                found[node_id] = ago
    return found


def _limit(scene: Scene, measure: Measure) -> float:
    placement = scene.policy.placement
    return placement.memory_limit if measure is MEMORY else placement.cpu_limit


def _nothing(cause: Cause, measure: Measure, why: str, loads: Loads | None = None) -> Balance:
    verb = "refill nothing" if cause is Cause.REFILL else "leave tasks where they are"
    return Balance(cause, measure.name, (f"{verb}, because {why}",), (), loads.evidence if loads else ())


def _moving(scene: Scene, stays: Mapping[str, str], aim: _Aim) -> Balance:
    """The moves of this cycle, each one such that Swarm can only do what is wanted; or why there are none."""
    targets, movable = Targets(scene, aim.loads), list(units(scene, aim.loads, stays))
    things = [_thing(scene, aim, targets, unit) for unit in movable]
    moves: list[Move] = []
    refused: list[str] = []
    searches = max(1, PAIRS // max(1, len(things) * len(aim.loads.nodes) * aim.windows))
    while searches and len(moves) < aim.most and len(refused) < TRIES and (steps := aim.choose(things)):
        searches, before = searches - 1, len(refused)
        for index in (step.load for step in steps):
            if len(moves) >= aim.most or len(refused) >= TRIES:
                break
            if not things[index].targets:
                continue
            unit, whole = movable[index], len(refused) == before
            made = _move(scene, aim, targets, unit, things[index], len(steps) if whole else 0)
            if isinstance(made, str):
                refused.append(f"{unit.name} stays on {scene.hostname(unit.task.node_id)}, because {made}")
                alike = [_alike(unit, things[index], *one) for one in zip(movable, things, strict=True)]
                things = [replace(t, targets=()) if same else t for t, same in zip(things, alike, strict=True)]
            else:
                moves.append(made)
                things = [_apart(aim.loads, made, thing, unit) for thing, unit in zip(things, movable, strict=True)]
    if moves:
        return Balance(
            aim.cause,
            aim.loads.measure.name,
            (*refused, *(m.reasons[0] for m in moves)),
            tuple(moves),
            aim.loads.evidence,
        )
    cut = any(thing.targets for thing in things) and (not searches or len(refused) >= TRIES)
    why = _why_none(cut) if movable else _all_stay(stays)
    nothing = _nothing(aim.cause, aim.loads.measure, f"{aim.wanted}, but {why}", aim.loads)
    return Balance(nothing.cause, nothing.measure, (*refused, *nothing.reasons), (), nothing.evidence)


def _why_none(cut: bool) -> str:
    """`cut`: there was more to look at than a cycle has time for (S25)."""
    if cut:
        return "none of the moves that were looked at may be made, and a cycle looks no further"
    return "no move that may be made would better both of its nodes"


def _all_stay(stays: Mapping[str, str]) -> str:
    first = next(iter(stays.items()), None)
    return f"nothing may be moved: {first[0]}, for one, stays because {first[1]}" if first else "nothing may be moved"


def _thing(scene: Scene, aim: _Aim, targets: Targets, unit: Unit) -> Load:
    """The unit with the nodes that may get it: those alone are looked at closely that a move would better."""
    # A node that came back is to have what is fair among those that may bear it: a manager that none of it may run on
    # would only make that look like less.
    mean = targets.mean(unit.service.name) if aim.cause is Cause.REFILL else None
    everywhere = Load(unit.row, unit.size, tuple(range(len(aim.loads.nodes))), mean)
    rows = _improving(scene, aim.loads, everywhere)
    if aim.only is not None:
        rows = tuple(row for row in rows if aim.loads.nodes[row].id in aim.only)
    return replace(everywhere, targets=targets.of(unit, rows) if rows else ())


def _improving(scene: Scene, loads: Loads, thing: Load) -> tuple[int, ...]:
    limit = _limit(scene, loads.measure)
    return improving(loads.loads, loads.capacities, thing, budgets(scene).improvement, limit)


def _apart(loads: Loads, made: Move, thing: Load, unit: Unit) -> Load:
    """A further move in the same cycle must touch neither the service nor a node of one already made."""
    touched = {made.source, *made.allowed, *made.avoid}
    rows = tuple(row for row in thing.targets if loads.nodes[row].id not in touched)
    taken = unit.service.name == made.service or unit.task.node_id in touched
    return replace(thing, targets=() if taken else rows)


def _alike(refused: Unit, its: Load, unit: Unit, thing: Load) -> bool:
    """Swarm would do the same with any task of the service on that node; only one that may go to more nodes is worth
    another look."""
    there = (unit.service.name, unit.row) == (refused.service.name, refused.row)
    return there and set(thing.targets) <= set(its.targets)


def _move(scene: Scene, aim: _Aim, targets: Targets, unit: Unit, thing: Load, steps: int) -> Move | str:
    loads = aim.loads
    good = node_ids(loads, _improving(scene, loads, thing))
    seen = foretold(scene, unit, good)
    if seen.why_not:
        return seen.why_not
    how = lever(scene, unit.service, unit.task.node_id)
    touched = {unit.task.node_id, *seen.nodes}
    whole = how is Lever.DENY_LABEL
    return Move(
        cause=aim.cause,
        service=unit.service.name,
        task="" if whole else unit.task.id,
        source=unit.task.node_id,
        lever=how,
        allowed=seen.nodes,
        reasons=(_because(scene, aim, unit, seen.nodes, steps), _landing(scene, seen.nodes, seen.avoid)),
        avoid=seen.avoid,
        followers=scene.followers(unit.service.name),
        ranking=targets.ranking(unit.service.name),
        evidence=tuple(_evidence(loads, touched, thing.mean)),
        version=unit.service.version,
    )


def _evidence(loads: Loads, touched: set[str], mean: float | None) -> Iterator[Evidence]:
    for evidence, node in zip(loads.evidence, loads.nodes, strict=True):
        if node.id in touched:
            yield evidence if mean is None else replace(evidence, target=f"mean {percent(mean)}")


def _because(scene: Scene, aim: _Aim, unit: Unit, nodes: Sequence[str], steps: int) -> str:
    what = f"{unit.name}" + (
        f" and what follows it ({', '.join(scene.followers(unit.service.name))})" if unit.followers else ""
    )
    where = f"move {what} from {scene.hostname(unit.task.node_id)} to {' or '.join(map(scene.hostname, nodes))}"
    more = f"; {count(steps, 'move')} in all would even it out" if steps and aim.cause is Cause.REBALANCE else ""
    return f"{where}, because {aim.wanted}{more}"


def _landing(scene: Scene, nodes: Sequence[str], avoid: Sequence[str]) -> str:
    paused = f" while {scene.hostnames(avoid)} {'is' if len(avoid) == 1 else 'are'} paused" if avoid else ""
    choice = scene.hostname(nodes[0]) if len(nodes) == 1 else f"one of {scene.hostnames(nodes)}"
    return f"Swarm will choose {choice}{paused}"
