# SPDX-License-Identifier: GPL-3.0-or-later
"""The foretold sets are exactly what Swarm, played by hand in every order, may do."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from swarmherd.decide.choice import Candidate, one_of, some_of
from swarmherd.decide.foretell import ORDERED, PASS, victims
from swarmherd.model import ClusterView, Service, Task, TaskState

from tests.controller.decide.swarm_by_hand import Slot, may_get_one, stopped
from tests.controller.described import NOW, ago

few = st.integers(0, 3)


@st.composite
def candidates(draw: st.DrawFn, most: int, levels: int) -> list[Candidate]:
    found = []
    for number in range(draw(st.integers(1, most))):
        own = draw(few)
        branch = tuple(draw(st.sampled_from("ab")) for _level in range(levels))
        found.append(Candidate(f"n{number}", own, own + draw(few), draw(st.sampled_from([0, 1, 1, 2, 9])), branch))
    return found


@given(st.integers(0, 2).flatmap(lambda levels: candidates(5, levels)))
def test_a_single_task_may_land_exactly_where_some_order_of_nodes_puts_it(nodes: list[Candidate]) -> None:
    assert one_of(nodes) == may_get_one(nodes, 1)


@given(candidates(4, 0), st.integers(1, 5))
def test_several_tasks_land_where_it_was_foretold_in_every_order_and_however_they_are_grouped(
    nodes: list[Candidate], tasks: int
) -> None:
    assert may_get_one(nodes, tasks) <= some_of(nodes, tasks)


@given(st.lists(st.integers(1, 2), min_size=1, max_size=5), st.integers(1, 5))
def test_among_equal_nodes_several_tasks_may_land_anywhere(rooms: list[int], tasks: int) -> None:
    nodes = [Candidate(f"n{number}", 1, 2, room) for number, room in enumerate(rooms)]
    assert some_of(nodes, tasks) == may_get_one(nodes, tasks) == {one.node for one in nodes}


@given(candidates(5, 0))
def test_without_preferences_one_of_one_is_the_same(nodes: list[Candidate]) -> None:
    assert one_of(nodes) == some_of(nodes, 1)


@given(candidates(6, 0), st.integers(1, 6))
def test_more_tasks_never_reach_fewer_nodes(nodes: list[Candidate], tasks: int) -> None:
    assert some_of(nodes, tasks) <= some_of(nodes, tasks + 1)


@st.composite
def filled(draw: st.DrawFn) -> list[Slot]:
    nodes = st.sampled_from(["a", "b", "c"])
    tasks = st.one_of(st.tuples(nodes), st.tuples(nodes), st.tuples(nodes), st.tuples(nodes, nodes), st.just(()))
    return [
        Slot(number, draw(tasks), draw(st.sampled_from([True, True, True, False])))
        for number in draw(st.permutations(range(1, 1 + draw(st.integers(1, 15)))))
    ]


def foretold(slots: list[Slot], fewer: int) -> tuple[set[int], bool]:
    """The slots of the tasks that are foretold to be stopped, and whether that is certain."""
    tasks = [
        Task(f"{slot.number}.{k}", "web", slot.number, node, _state(slot), TaskState.RUNNING, ago(60), ago(60))
        for slot in slots
        for k, node in enumerate(slot.nodes or ("",))
    ]
    service = Service("s", "web", 1, len(slots), ago(3600))
    found = victims(ClusterView("shop", NOW, (), (service,), tuple(tasks)), service, fewer)
    assert not found.unsure
    return {int(task.partition(".")[0]) for task in found.tasks}, found.certain


def scaled_down(slots: list[Slot], fewer: int) -> set[int]:
    return foretold(slots, fewer)[0]


def _state(slot: Slot) -> TaskState:
    return TaskState.RUNNING if slot.runs else TaskState.STARTING


@given(filled(), st.integers(1, 4), st.integers(0, 2**16))
def test_the_slots_that_are_stopped_are_foretold_whatever_the_sort_does_among_equals(
    slots: list[Slot], fewer: int, seed: int
) -> None:
    def shuffle(some: list[Slot]) -> list[Slot]:
        return Random(seed).sample(some, len(some)) if len(some) > ORDERED else some  # noqa: S311 a test's own chance

    assert stopped(slots, fewer, shuffle) <= scaled_down(slots, fewer)


@given(filled(), st.integers(1, 4))
def test_of_a_few_slots_exactly_those_that_are_stopped_are_foretold(slots: list[Slot], fewer: int) -> None:
    few_slots = slots[:ORDERED]
    ways = [stopped(few_slots, fewer), stopped(few_slots, fewer, old=True)]
    assert foretold(few_slots, fewer) == (ways[0] | ways[1], ways[0] == ways[1])
    if len(few_slots) <= PASS:
        assert ways[0] == ways[1]


def test_of_many_equal_slots_each_may_be_the_one() -> None:
    slots = [Slot(number, (node,)) for number, node in enumerate("abcdefghijklm", 1)]
    ways = [stopped(slots, 1, lambda some, by=by: some[by:] + some[:by]) for by in range(13)]  # type: ignore[misc]
    assert (set().union(*ways), False) == foretold(slots, 1) == (set(range(1, 14)), False)
