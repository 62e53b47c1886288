# SPDX-License-Identifier: GPL-3.0-or-later
"""What has landed, what is missing and what is to be set back, told from a view alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from swarmherd.enact.goals import UnknownKindError, goal_of, onward
from swarmherd.model import (
    Action,
    Availability,
    ClusterView,
    Node,
    NodeState,
    Outcome,
    Role,
    Service,
    Task,
    TaskState,
    UpdateState,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def node(name: str, **more: Any) -> Node:
    return replace(Node(f"id-{name}", name, Role.WORKER, NodeState.READY, Availability.ACTIVE), **more)


def task(slot: int, on: str, name: str = "", **more: Any) -> Task:
    running = TaskState.RUNNING
    return replace(Task(name or f"t{slot}", "web", slot, on and f"id-{on}", running, running, NOW, NOW), **more)


def ended(one: Task) -> Task:
    return replace(one, state=TaskState.SHUTDOWN, desired=TaskState.SHUTDOWN)


def view(*tasks: Task, nodes: tuple[Node, ...] = (), replicas: int = 2, **service: Any) -> ClusterView:
    web = replace(Service("id-web", "web", 7, replicas, NOW), **service)
    return ClusterView("shop", NOW, nodes or (node("n1"), node("n2"), node("n3")), (web,), tasks)


def action(kind: str, undo: dict[str, Any] | None = None, **parameters: Any) -> Action:
    said = {f"swarmherd_{name}": value for name, value in parameters.items()}
    back = {f"swarmherd_{name}": value for name, value in (undo or {}).items()}
    return Action("a1", kind, "shop", "web", said, back, "a test")


def move(**parameters: Any) -> Action:
    return action("move", **{"service": "web", "node": "id-n1", "task": "", **parameters})


BEFORE = view(task(1, "n1"), task(2, "n2"))


@pytest.mark.parametrize("source", ["id-n1", "n1"])
def test_a_move_has_landed_when_the_slot_runs_elsewhere(source: str) -> None:
    goal = goal_of(move(node=source), BEFORE)
    after = view(ended(task(1, "n1")), task(1, "n3", "new"), task(2, "n2"))
    assert not goal.landed(BEFORE)
    assert goal.landed(after)
    assert goal.achieved(after) == "web.1 runs on n3 as new, before as t1"
    assert goal.undo(after, Outcome.DONE) is None


def test_a_move_has_not_landed_while_the_new_task_only_starts() -> None:
    starting = task(1, "n3", "new", state=TaskState.STARTING)
    goal = goal_of(move(), BEFORE)
    assert not goal.landed(view(ended(task(1, "n1")), starting, task(2, "n2")))


def test_nor_while_another_task_of_the_service_is_down() -> None:
    after = view(task(1, "n3", "new"), task(2, "n2", state=TaskState.PENDING))
    assert not goal_of(move(), BEFORE).landed(after)


def test_a_task_that_went_where_it_was_not_to_go_has_not_landed() -> None:
    goal = goal_of(move(allowed_nodes=["id-n2"]), BEFORE)
    after = view(ended(task(1, "n1")), task(1, "n3", "new"), task(2, "n2"))
    assert not goal.landed(after)
    assert goal.shortfall(after) == "2 of 2 replicas run, web.1 went to n3, where it was not to go"
    assert goal.undo(after, Outcome.GIVEN_UP) is None, "nothing is left to clear, and a task that moved stays"


def test_a_task_that_came_back_to_the_node_it_left_has_not_landed() -> None:
    goal = goal_of(move(task="t1"), BEFORE)
    assert not goal.landed(view(ended(task(1, "n1")), task(1, "n1", "new"), task(2, "n2")))


def test_only_the_one_task_must_go_where_one_is_named() -> None:
    both = view(task(1, "n1"), task(2, "n1"))
    goal = goal_of(move(task="t1"), both)
    assert goal.landed(view(ended(task(1, "n1")), task(1, "n2", "new"), task(2, "n1")))


def test_a_target_that_vanished_is_told() -> None:
    goal = goal_of(move(allowed_nodes=["id-n9"]), BEFORE)
    assert "no longer in the Swarm: id-n9" in goal.shortfall(BEFORE)


def test_a_source_that_vanished_has_nothing_on_it_any_more() -> None:
    goal = goal_of(move(), BEFORE)
    assert goal.landed(view(task(1, "n3", "new"), task(2, "n2"), nodes=(node("n2"), node("n3"))))


def test_a_service_that_is_gone_has_not_landed() -> None:
    gone = replace(BEFORE, services=(), tasks=())
    goal = goal_of(move(), BEFORE)
    assert not goal.landed(gone)
    assert goal.shortfall(gone) == "web is gone"


@pytest.mark.parametrize(
    ("marks", "mine"),
    [
        ({"swarmherd.deny.web": "yes"}, True),
        ({"swarmherd.deny-until.web": "1772366400"}, True),
        ({"swarmherd.paused": "web.1772366400"}, True),
        ({"swarmherd.paused": "web.api.1772366400"}, False),
        ({"swarmherd.deny.web.api": "yes"}, False),
        ({"zone": "a"}, False),
    ],
)
def test_what_a_move_left_is_cleared_and_nothing_of_another_service(marks: dict[str, str], mine: bool) -> None:
    goal = goal_of(replace(move(expected_version=7), undo={"swarmherd_state": "cleared"}), BEFORE)
    left = view(task(1, "n1"), task(2, "n2"), nodes=(node("n1", labels=marks), node("n2")))
    variables = goal.undo(left, Outcome.GIVEN_UP)
    assert (variables is not None) == mine
    if variables is not None:
        assert variables["swarmherd_state"] == "cleared"
        assert "swarmherd_expected_version" not in variables, "our own write has changed it"
        assert not goal_of(replace(move(), parameters=variables)).landed(left)


# ---------------------------------------------------------------- counts


def scale(**parameters: Any) -> Action:
    said = {"service": "web", "replicas": 4, "expected_replicas": 2, **parameters}
    return action("scale", {"service": "web", "replicas": 2}, **said)


PENDING = task(3, "", state=TaskState.PENDING, message="no suitable node")


@pytest.mark.parametrize(
    ("fourth", "will_do", "back_to"),
    [
        (replace(PENDING, slot=4), "4 replicas are wanted, of which 2 wait for a node", None),
        (task(4, "n3"), "4 replicas are wanted, of which 1 waits for a node", None),
        (task(4, "n3", state=TaskState.PREPARING), "", 3),
        (task(4, "n3", state=TaskState.REJECTED, desired=TaskState.SHUTDOWN), "", 3),
    ],
)
def test_replicas_that_are_to_wait_for_a_node_stay_and_are_no_failure(
    fourth: Task, will_do: str, back_to: int | None
) -> None:
    seen = view(task(1, "n1"), task(2, "n2"), PENDING, fourth, replicas=4)
    waiting = goal_of(scale(capacity="ignore"))
    assert (waiting.landed(seen), waiting.will_do(seen)) == (False, will_do)
    back = waiting.undo(seen, Outcome.GIVEN_UP)
    assert (back and back["swarmherd_replicas"]) == back_to
    checked = goal_of(scale())
    assert checked.will_do(seen) == ""
    back = checked.undo(seen, Outcome.GIVEN_UP)
    assert back is not None
    assert back["swarmherd_replicas"] == len(seen.running("web"))


def test_where_nothing_was_written_nobody_waits_for_a_node() -> None:
    assert goal_of(scale(capacity="ignore")).will_do(view(task(1, "n1"), PENDING)) == ""


def test_replicas_that_only_start_are_told_with_the_key_that_gives_them_longer() -> None:
    starting = [task(slot, "n3", state=TaskState.PREPARING) for slot in (3, 4)]
    seen = view(task(1, "n1"), task(2, "n2"), *starting, replicas=4)
    assert goal_of(scale()).shortfall(seen) == (
        "2 of 4 replicas run, 2 still start (if they need longer, raise swarmherd_cluster.playbook_timeout_seconds)"
    )


# ---------------------------------------------------------------- anchors


LABEL = {"swarmherd.anchor.db": "yes"}
BESIDE = "node.labels.swarmherd.anchor.db == yes"
RELABEL = action(
    "relabel",
    anchor="db",
    node="id-n2",
    old_nodes=["id-n1"],
    dependents=[{"name": "web", "expected_version": 7}],
)


def anchored(on: str, labelled: tuple[str, ...], constraints: tuple[str, ...] = (BESIDE,), **n1: Any) -> ClusterView:
    nodes = tuple(node(name, labels=LABEL if name in labelled else {}) for name in ("n1", "n2"))
    return view(task(1, on), task(2, on), nodes=(replace(nodes[0], **n1), nodes[1]), constraints=constraints)


def test_an_anchor_has_arrived_when_label_constraint_and_dependents_are_there() -> None:
    goal = goal_of(RELABEL)
    assert goal.landed(anchored("n2", ("n2",)))
    assert not goal.landed(anchored("n2", ("n1", "n2"))), "the old node still has the label"
    assert not goal.landed(anchored("n1", ("n2",))), "the dependents run elsewhere"
    assert not goal.landed(anchored("n2", ("n2",), constraints=())), "nothing holds them there"


@pytest.mark.parametrize(
    ("changes", "versions"),
    [
        ({"update_state": UpdateState.COMPLETED, "has_previous": True}, {"web": 9}),
        ({"image": "web:2"}, {}),
        ({"labels": {"swarmherd.scale.max": "9"}}, {}),
        ({"constraints": ()}, {}),
    ],
    ids=["Swarm followed", "somebody deployed", "somebody labelled", "not bound"],
)
def test_a_version_is_ours_where_the_bond_is_all_that_changed(
    changes: dict[str, Any], versions: dict[str, int]
) -> None:
    """S6: what others write is theirs."""
    before, after = anchored("n1", (), constraints=()), anchored("n2", ("n2",))
    bound = replace(after.services[0], version=9, updated_at=NOW + timedelta(seconds=20), **changes)
    after = replace(after, services=(bound,))
    assert goal_of(RELABEL, before).versions(after) == versions
    assert goal_of(RELABEL).versions(after) == {}, "nobody looked before"
    assert goal_of(RELABEL, after).versions(after) == {}, "it was bound before"


def test_a_label_goes_back_with_the_versions_that_are_there_now() -> None:
    variables = goal_of(RELABEL).undo(anchored("n1", ("n2",)), Outcome.GIVEN_UP)
    assert variables is not None
    assert (variables["swarmherd_node"], variables["swarmherd_old_nodes"]) == ("id-n1", ["id-n2"])
    assert variables["swarmherd_dependents"] == [{"name": "web", "expected_version": 7}]


def test_no_label_goes_back_to_a_node_that_is_down() -> None:
    """Its dependents could run nowhere (S4)."""
    down = anchored("n1", ("n2",), state=NodeState.DOWN)
    assert goal_of(RELABEL).undo(down, Outcome.GIVEN_UP) is None


def test_where_no_node_had_the_label_before_it_stays() -> None:
    first = replace(RELABEL, parameters={**RELABEL.parameters, "swarmherd_old_nodes": []})
    assert goal_of(first).undo(anchored("n1", ("n2",)), Outcome.GIVEN_UP) is None


def with_anchor(seen: ClusterView, *tasks: Task) -> ClusterView:
    """`seen`, and in it the anchor with these tasks."""
    db = Service("id-db", "db", 3, 1, NOW)
    own = tuple(replace(one, id=f"db-{one.id}", service="db") for one in tasks)
    return replace(seen, services=(*seen.services, db), tasks=(*seen.tasks, *own))


def test_a_label_cut_short_is_gone_on_with_where_its_anchor_still_runs_there() -> None:
    variables = onward(goal_of(RELABEL), with_anchor(anchored("n1", ("n1", "n2")), task(1, "n2")))
    assert variables is not None
    assert (variables["swarmherd_node"], variables["swarmherd_old_nodes"]) == ("id-n2", ["id-n1"])
    assert variables["swarmherd_dependents"] == [{"name": "web", "expected_version": 7}]


def test_it_is_also_gone_on_with_where_no_node_had_the_label_before() -> None:
    first = replace(RELABEL, parameters={**RELABEL.parameters, "swarmherd_old_nodes": []})
    assert onward(goal_of(first), with_anchor(anchored("n1", ("n2",)), task(1, "n2"))) is not None


def test_a_label_that_landed_or_lies_nowhere_yet_is_not_gone_on_with() -> None:
    assert onward(goal_of(RELABEL), with_anchor(anchored("n2", ("n2",)), task(1, "n2"))) is None
    assert onward(goal_of(RELABEL), with_anchor(anchored("n1", ("n1",)), task(1, "n2"))) is None


@pytest.mark.parametrize(
    "tasks",
    [
        pytest.param((), id="it has no task"),
        pytest.param((task(1, "n1"),), id="it runs elsewhere"),
        pytest.param((task(1, "n1"), task(2, "n2")), id="it runs on two nodes"),
        pytest.param((task(1, "n2", state=TaskState.STARTING),), id="it is starting"),
        pytest.param((task(1, "n1", desired=TaskState.SHUTDOWN), task(2, "n2")), id="it is still stopping elsewhere"),
    ],
)
def test_without_its_anchor_for_certain_there_a_label_goes_back(tasks: tuple[Task, ...]) -> None:
    """S4."""
    assert onward(goal_of(RELABEL), with_anchor(anchored("n1", ("n1", "n2")), *tasks)) is None


@pytest.mark.parametrize("n2", [{"state": NodeState.DOWN}, {"availability": Availability.DRAIN}])
def test_a_label_is_not_gone_on_with_on_a_node_that_takes_no_work(n2: dict[str, Any]) -> None:
    seen = with_anchor(anchored("n1", ("n1", "n2")), task(1, "n2"))
    assert onward(goal_of(RELABEL), replace(seen, nodes=(seen.nodes[0], replace(seen.nodes[1], **n2)))) is None


def test_a_dependent_that_somebody_else_changed_is_bound_only_by_a_new_decision() -> None:
    """S17; a constraint that lies already is our own write."""
    for constraints, gone_on in (((), False), ((BESIDE,), True)):
        seen = with_anchor(anchored("n1", ("n1", "n2"), constraints), task(1, "n2"))
        web = replace(seen.services[0], version=8)
        assert (onward(goal_of(RELABEL), replace(seen, services=(web, seen.services[1]))) is not None) is gone_on


def test_nothing_else_is_gone_on_with() -> None:
    assert onward(goal_of(move()), BEFORE) is None


RELEASE = action(
    "release", anchor="db", dependents=[{"name": "web", "expected_version": 7}], old_nodes=["id-n1", "gone"]
)


def test_who_is_let_go_has_no_constraint_and_then_the_node_no_label() -> None:
    goal = goal_of(RELEASE)
    assert goal.landed(anchored("n1", (), constraints=()))
    assert goal.shortfall(anchored("n1", ("n1",))) == (
        "web is still held to db; n1 still has the label swarmherd.anchor.db"
    )
    assert goal.achieved(anchored("n1", (), constraints=())) == "web may run anywhere again and the label of db is gone"


def test_of_a_release_nothing_is_set_back_and_the_rest_is_decided_again() -> None:
    half = anchored("n1", ("n1",), constraints=())
    assert goal_of(RELEASE).undo(half, Outcome.GIVEN_UP) is None
    assert goal_of(RELEASE).cut_short(half) == (
        Outcome.UNDONE,
        "n1 still has the label swarmherd.anchor.db; it is decided again",
    )


# ---------------------------------------------------------------- drains


def drain(availability: str = "drain") -> Action:
    return action("drain", {"availability": "active"}, node="n1", availability=availability)


def drained(*tasks: Task, availability: Availability = Availability.DRAIN) -> ClusterView:
    return view(*tasks, nodes=(node("n1", availability=availability), node("n2")))


def test_a_drained_node_has_landed_when_its_last_container_is_gone() -> None:
    stopping = task(1, "n1", desired=TaskState.SHUTDOWN)
    goal = goal_of(drain())
    assert not goal.landed(drained(stopping, task(1, "n2", "new")))
    assert goal.shortfall(drained(stopping)) == "n1 still has web.1 t1 (running)"
    assert goal.landed(drained(ended(stopping), task(1, "n2", "new")))


def test_tasks_that_found_no_other_node_are_told() -> None:
    homeless = task(1, "", state=TaskState.PENDING, message="no suitable node")
    said = goal_of(drain()).achieved(drained(homeless))
    assert said == "n1 is drained and empty, but 1 task has no node (1 x pending: no suitable node)"


def test_an_availability_that_somebody_else_set_meanwhile_stays() -> None:
    paused = drained(task(1, "n1"), availability=Availability.PAUSE)
    assert goal_of(drain()).undo(paused, Outcome.GIVEN_UP) is None
    assert goal_of(drain()).undo(drained(task(1, "n1")), Outcome.GIVEN_UP) is not None


def test_a_kind_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UnknownKindError, match="teleport"):
        goal_of(action("teleport"))


def restart(**parameters: Any) -> Action:
    return action("restart", **{"service": "web", "node": "id-n1", "task": "t1", **parameters})


def test_a_restart_has_landed_when_another_task_runs_in_the_slot_wherever() -> None:
    goal = goal_of(restart(), BEFORE)
    assert not goal.landed(BEFORE)
    for where in ("n1", "n3"):
        after = view(ended(task(1, "n1")), task(1, where, "new"), task(2, "n2"))
        assert goal.landed(after)
        assert goal.achieved(after) == f"web.1 runs on {where} as new, before as t1"
        assert goal.undo(after, Outcome.DONE) is None
    starting = task(1, "n1", "new", state=TaskState.STARTING)
    assert not goal.landed(view(ended(task(1, "n1")), starting, task(2, "n2")))


def test_a_restart_of_what_has_data_has_landed_on_its_own_node_only() -> None:
    goal = goal_of(restart(allowed_nodes=["id-n1"]), BEFORE)
    assert goal.landed(view(ended(task(1, "n1")), task(1, "n1", "new"), task(2, "n2")))
    astray = view(ended(task(1, "n1")), task(1, "n3", "new"), task(2, "n2"))
    assert not goal.landed(astray)
    assert goal.shortfall(astray) == "2 of 2 replicas run, web.1 went to n3, where it was not to go"


def test_the_pauses_of_a_restart_are_cleared() -> None:
    paused = node("n2", labels={"swarmherd.paused": "web.1772366400"}, availability=Availability.PAUSE)
    left = view(task(1, "n1"), task(2, "n2"), nodes=(node("n1"), paused))
    variables = goal_of(restart(), BEFORE).undo(left, Outcome.GIVEN_UP)
    assert variables is not None
    assert variables["swarmherd_state"] == "cleared"
    clearing = replace(restart(), parameters=variables)
    assert not goal_of(clearing).landed(left)
    assert goal_of(clearing).landed(BEFORE)


BACK = action("rollback", service="web", expected_version=6)


@pytest.mark.parametrize(
    ("state", "version", "running", "landed"),
    [
        (UpdateState.ROLLBACK_COMPLETED, 7, 2, True),
        (UpdateState.COMPLETED, 7, 2, True),
        (UpdateState.NONE, 7, 2, True),
        (UpdateState.ROLLBACK_COMPLETED, 6, 2, False),
        (UpdateState.ROLLBACK_COMPLETED, 7, 1, False),
        (UpdateState.ROLLBACK_STARTED, 7, 2, False),
        (UpdateState.ROLLBACK_PAUSED, 7, 2, False),
        (UpdateState.PAUSED, 7, 2, False),
    ],
)
def test_a_rollback_has_landed_when_it_is_over_and_all_tasks_run(
    state: UpdateState, version: int, running: int, landed: bool
) -> None:
    tasks = [task(1, "n1"), task(2, "n2", state=TaskState.RUNNING if running == 2 else TaskState.PENDING)]
    seen = view(*tasks, update_state=state, version=version)
    goal = goal_of(BACK)
    assert goal.landed(seen) is landed
    assert goal.undo(seen, Outcome.GIVEN_UP) is None, "to roll back twice is to go forward"


def test_what_is_missing_of_a_rollback_is_told() -> None:
    broken = task(2, "n2", state=TaskState.REJECTED, message="No such image")
    seen = view(task(1, "n1"), broken, update_state=UpdateState.ROLLBACK_PAUSED)
    assert goal_of(BACK).shortfall(seen) == (
        "its update is rollback paused, 1 of 2 replicas run (1 x rejected: No such image)"
    )
    assert goal_of(BACK).shortfall(replace(seen, services=(), tasks=())) == "web is gone"


@pytest.mark.parametrize(
    ("state", "version", "outcome"),
    [
        (UpdateState.PAUSED, 6, Outcome.UNDONE),
        (UpdateState.ROLLBACK_STARTED, 7, Outcome.DONE),
        (UpdateState.ROLLBACK_PAUSED, 7, Outcome.GIVEN_UP),
    ],
)
def test_a_rollback_cut_short_is_closed_by_what_docker_shows(
    state: UpdateState, version: int, outcome: Outcome
) -> None:
    seen = view(task(1, "n1"), task(2, "n2"), update_state=state, version=version)
    assert goal_of(BACK).cut_short(seen)[0] is outcome


# ------------------------------------------------------------ resources

SIZED = replace(
    action(
        "resources",
        service="web",
        expected_version=6,
        reservations={"cpus": 0.25, "memory": "1048576"},
        limits={"memory": "2097152"},
    ),
    undo={"swarmherd_reservations": {"cpus": 0.0, "memory": "0"}, "swarmherd_limits": {"memory": "0"}},
)
SET = {"cpu_reservation": 0.25, "memory_reservation_bytes": 1048576, "memory_limit_bytes": 2097152}
BOTH = (task(1, "n1"), task(2, "n2"))
WAITING = task(2, "n2", state=TaskState.PENDING, message="no suitable node")


@pytest.mark.parametrize(
    ("state", "version", "running", "amounts", "landed"),
    [
        (UpdateState.COMPLETED, 7, 2, SET, True),
        (UpdateState.COMPLETED, 7, 2, {**SET, "cpu_limit": 9.0}, True),
        (UpdateState.COMPLETED, 6, 2, SET, False),
        (UpdateState.NONE, 7, 2, SET, False),
        (UpdateState.UPDATING, 7, 2, SET, False),
        (UpdateState.ROLLBACK_COMPLETED, 7, 2, {}, False),
        (UpdateState.COMPLETED, 7, 2, {**SET, "cpu_reservation": 0.26}, False),
        (UpdateState.COMPLETED, 7, 1, SET, False),
    ],
)
def test_resources_have_landed_when_they_are_set_the_update_is_over_and_all_tasks_run(
    state: UpdateState, version: int, running: int, amounts: dict[str, Any], landed: bool
) -> None:
    tasks = BOTH if running == 2 else (task(1, "n1"), WAITING)
    assert goal_of(SIZED).landed(view(*tasks, update_state=state, version=version, **amounts)) is landed


def test_a_service_of_no_tasks_has_its_resources_at_once() -> None:
    assert goal_of(SIZED).landed(view(version=7, replicas=0, **SET))


@pytest.mark.parametrize("state", [UpdateState.PAUSED, UpdateState.UPDATING])
def test_resources_whose_tasks_find_no_place_are_set_back_to_what_was_there(state: UpdateState) -> None:
    seen = view(task(1, "n1"), WAITING, update_state=state, version=8, **SET)
    back = goal_of(SIZED).undo(seen, Outcome.GIVEN_UP)
    assert back == {**SIZED.undo, "swarmherd_service": "web", "swarmherd_expected_version": 8}
    undone = view(*BOTH, update_state=UpdateState.COMPLETED, version=9)
    assert goal_of(replace(SIZED, parameters=back)).landed(undone)


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        (view(*BOTH, update_state=UpdateState.UPDATING, version=8, **SET), Outcome.GIVEN_UP),
        (
            view(task(1, "n1"), replace(WAITING, message=""), update_state=UpdateState.UPDATING, version=8, **SET),
            Outcome.GIVEN_UP,
        ),
        (view(task(1, "n1"), WAITING, update_state=UpdateState.ROLLBACK_STARTED, version=8), Outcome.GIVEN_UP),
        (view(task(1, "n1"), WAITING, update_state=UpdateState.PAUSED, version=8, **SET), Outcome.STARTED),
        (view(*BOTH, update_state=UpdateState.COMPLETED, version=8, **SET), Outcome.DONE),
    ],
)
def test_resources_stay_where_swarm_still_works_on_them_or_took_them_back(seen: ClusterView, outcome: Outcome) -> None:
    assert goal_of(SIZED).undo(seen, outcome) is None


@pytest.mark.parametrize(
    ("amounts", "outcome"),
    [(SET, Outcome.DONE), ({}, Outcome.UNDONE), ({"cpu_reservation": 3.0}, Outcome.GIVEN_UP)],
)
def test_resources_cut_short_are_closed_by_what_docker_shows(amounts: dict[str, Any], outcome: Outcome) -> None:
    assert goal_of(SIZED).cut_short(view(*BOTH, version=7, **amounts))[0] is outcome


def test_what_is_missing_of_resources_is_told() -> None:
    seen = view(task(1, "n1"), WAITING, update_state=UpdateState.ROLLBACK_PAUSED, version=7)
    assert goal_of(SIZED).shortfall(seen) == (
        "its reservations and limits are others, its update is rollback paused, 1 of 2 replicas run "
        "(1 x pending: no suitable node)"
    )
    assert goal_of(SIZED).shortfall(replace(seen, services=(), tasks=())) == "web is gone"


# ------------------------------------------------------------ bootstrap


def test_a_full_pass_has_landed_when_every_node_of_the_inventory_is_ready_and_bears_its_labels() -> None:
    wanted = {"n1": {"zone": "a"}, "n2": {}}
    goal = goal_of(action("bootstrap", nodes=wanted))
    labelled = node("n1", labels={"zone": "a", "other": "x"})
    assert goal.landed(view(nodes=(labelled, node("n2"), node("n3"))))
    assert not goal.landed(view(nodes=(labelled,)))
    down = view(nodes=(node("n1"), node("n2", state=NodeState.DOWN)))
    assert not goal.landed(down)
    assert goal.shortfall(down) == "n1 lacks zone=a, n2 is not ready in the Swarm"
    assert goal.undo(down, Outcome.GIVEN_UP) is None
    assert goal.cut_short(down) == (Outcome.GIVEN_UP, goal.shortfall(down))


def test_of_a_host_that_joined_anew_the_entry_that_it_left_behind_does_not_count() -> None:
    both = (node("n1", id="old", state=NodeState.DOWN), node("n1", labels={"zone": "a"}))
    assert goal_of(action("bootstrap", nodes={"n1": {"zone": "a"}})).landed(view(nodes=both))
