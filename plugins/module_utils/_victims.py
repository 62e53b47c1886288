# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tasks Swarm stops when a service is scaled down. Pure, over the documents of Docker's API.

The rule is swarmkit's (manager/orchestrator/replicated/services.go): first the slots with several tasks or with none
that has a node, then on each node the copies that are too many, the fourth ones before the third ones; what runs counts
before what does not, a low slot before a high one. Among equals it depends on how the engine's Go sorts: up to twelve
slots there are two ways, beyond that all equals may go.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, Iterable, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

from ._tasks import replicas

Document = Mapping[str, Any]
Slot = Tuple[float, List[Document]]
"""The number of its copy on its node, infinite where it has no single one, and its tasks."""
SORTED_IN_PLACE = 12
"""Up to so many items Go sorts by insertion; before 1.19 after a pass over pairs that are six apart."""
PASS = 6
WANTED = ("new", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running")


class Leaving(NamedTuple):
    """The tasks that may go. `why` says what makes it uncertain, and is empty where exactly these go."""

    tasks: tuple[Document, ...]
    why: str


def leaving(service: Document, tasks: Iterable[Document], after: int) -> Leaving:
    """Which tasks of `service` go when it has `after` replicas."""
    slots: dict[int, list[Document]] = defaultdict(list)
    for task in tasks:
        if task["DesiredState"] in WANTED:
            slots[task.get("Slot", 0)].append(task)
    before = replicas(service)
    if before is None or after >= before:
        return Leaving((), "")
    if len(slots) != before:
        return Leaving(_tasks_of(slots.values()), f"{len(slots)} of its {before} slots are filled")
    ordered = list(_copies(list(slots.values())))
    ways = _last(ordered, before - after)
    gone = {task["ID"] for way in ways for task in _tasks_of(way)}
    equal = "" if len({frozenset(_ids(way)) for way in ways}) == 1 else "Swarm may choose among equals"
    return Leaving(tuple(task for task in _tasks_of(slots.values()) if task["ID"] in gone), equal)


def _copies(slots: list[list[Document]]) -> Iterator[Slot]:
    slots.sort(key=lambda found: (all(_state(task) != "running" for task in found), found[0].get("Slot", 0)))
    copies: Counter[str] = Counter()
    for found in slots:
        node = found[0].get("NodeID", "") if len(found) == 1 else ""
        copies[node] += 1
        yield (copies[node] if node else float("inf")), found


def _last(ordered: Sequence[Slot], fewer: int) -> list[list[list[Document]]]:
    """The slots that go, in each way that Swarm may sort them; two ways with all equals where that is open."""
    if len(ordered) <= SORTED_IN_PLACE:
        passed = list(ordered)
        for index in range(PASS, len(passed)):
            if passed[index][0] < passed[index - PASS][0]:
                passed[index], passed[index - PASS] = passed[index - PASS], passed[index]
        return [[found for _copy, found in _by_copy(one)[-fewer:]] for one in (ordered, passed)]
    least = _by_copy(ordered)[-fewer][0]
    sure = [found for copy, found in ordered if copy > least]
    equals = [found for copy, found in ordered if copy == least]
    return [sure + equals[: fewer - len(sure)], sure + equals]


def _by_copy(slots: Sequence[Slot]) -> list[Slot]:
    return sorted(slots, key=lambda slot: slot[0])


def _tasks_of(slots: Iterable[Iterable[Document]]) -> tuple[Document, ...]:
    return tuple(sorted((task for slot in slots for task in slot), key=lambda task: (task.get("Slot", 0), task["ID"])))


def _ids(slots: Iterable[Iterable[Document]]) -> Iterator[str]:
    return (task["ID"] for slot in slots for task in slot)


def _state(task: Document) -> str:
    return str(task["Status"]["State"])
