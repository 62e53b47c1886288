# SPDX-License-Identifier: GPL-3.0-or-later
"""Why something is where it is, in sentences that name what holds it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from swarmherd.explain import Explanation, explain
from swarmherd.model import (
    Arrangement,
    Availability,
    ClusterView,
    Following,
    NodeState,
    NodeUse,
    Reading,
    Role,
    TaskState,
    TaskUse,
    UpdateState,
)
from swarmherd.policy import parse_policy

from tests.controller.described import NOW, view_of

POLICY = parse_policy({}, "f.yml")
NODES = {"n1": "ready", "n2": "ready", "n3": "ready"}


def cluster(
    tasks: dict[str, int] | None = None, nodes: dict[str, dict[str, Any]] | None = None, **service: Any
) -> ClusterView:
    tasks = tasks or {"running@n1": 2, "running@n2": 1}
    view = view_of({"nodes": NODES, "services": {"web": {"replicas": sum(tasks.values()), "tasks": tasks}}})
    (web,) = view.services
    changed = {name: {**more, "id": f"id-{name}"} for name, more in (nodes or {}).items()}
    there = tuple(replace(node, **changed.get(node.id, {"id": f"id-{node.id}"})) for node in view.nodes)
    on = tuple(replace(task, node_id=task.node_id and f"id-{task.node_id}") for task in view.tasks)
    return replace(view, services=(replace(web, **service),), nodes=there, tasks=on)


def about(view: ClusterView, word: str = "web", arrangement: Arrangement | None = None) -> str:
    said = explain(view, POLICY, word, NOW, arrangement)
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in said.sentences), said.sentences
    return "\n".join(said.sentences)


def test_a_service_says_where_it_runs_and_where_it_could() -> None:
    said = about(cluster(nodes={"n3": {"availability": Availability.DRAIN}}))
    assert "web runs 3 tasks, 3 wanted: 2 on n1 and 1 on n2." in said
    assert "Another task of it fits on n2 and n1; the others do not take it: 1 node draining." in said


def test_what_has_no_count_says_how_many_tasks_there_are_to_be() -> None:
    assert "web runs 3 tasks, it has a task on every node that fits: 2 on n1" in about(cluster(replicas=None))
    job = about(cluster(replicas=None, job=True))
    assert "web runs 3 tasks, it is a job, whose tasks end by themselves: 2 on n1 and 1 on n2." in job


def test_a_constraint_is_told_with_the_nodes_that_it_leaves() -> None:
    view = cluster(nodes={"n2": {"labels": {"disk": "ssd"}}}, constraints=("node.labels.disk == ssd",))
    assert "Its constraint node.labels.disk==ssd must hold: that leaves n2." in about(view)
    nowhere = cluster(constraints=("node.labels.disk==ssd",))
    assert "must hold: no node that is up satisfies it." in about(nowhere)


def test_a_service_that_is_bound_to_a_host_fits_there() -> None:
    said = about(cluster(constraints=("node.hostname==n1",)))
    assert "Its constraint node.hostname==n1 must hold: that leaves n1." in said
    assert "Another task of it fits on n1; the others do not take it: constraint not satisfied" in said


def test_where_only_our_filters_refuse_a_node_it_is_said_that_swarm_would_take_it() -> None:
    """Else it read as if no replica more could be had, while one was being added there."""
    full = {f"id-{name}": NodeUse(memory=Reading(0.95, NOW, "")) for name in ("n1", "n2", "n3")}
    there = {"nodes": {"n3": {"availability": Availability.DRAIN}}, "constraints": ("node.hostname!=n2",)}
    said = about(replace(cluster(**there), node_use=full))
    assert "By its filters no node takes another task of it: " in said
    assert "; too busy on 1 node. Swarm itself looks at less, and may start it on n1." in said
    said = about(replace(cluster(nodes=there["nodes"]), node_use={"id-n1": full["id-n1"]}))
    assert (
        "Another task of it fits on n2; the others do not take it: 1 node draining; too busy on 1 node. Swarm" in said
    )
    assert "Swarm itself" not in about(cluster(**there))


def test_an_anchor_and_what_follows_it_are_told_on_both_sides() -> None:
    label = {"swarmherd.anchor.db": "yes"}
    view = cluster(nodes={"n1": {"labels": label}}, constraints=("node.labels.swarmherd.anchor.db == yes",))
    db = replace(view.services[0], id="id-db", name="db", constraints=())
    both = replace(view, services=(*view.services, db))
    assert "It follows db, by the constraint node.labels.swarmherd.anchor.db==yes: that leaves n1." in about(both)
    assert "It is the anchor of web: its label is on n1." in about(both, "db")
    assert "It has the label of the anchor db: what follows that runs here." in about(both, "n1")


def test_a_task_that_waits_is_told_in_swarms_words_and_in_ours() -> None:
    view = cluster({"running@n1": 1, "pending": 1}, constraints=("node.labels.disk==ssd",))
    waiting = tuple(
        replace(t, node_id="", message="no suitable node (scheduling constraints not satisfied on 3 nodes)")
        if t.state is TaskState.PENDING
        else t
        for t in view.tasks
    )
    said = about(replace(view, tasks=waiting))
    assert (
        "web.2 (web.2) has waited for a node for 10 min; Swarm says: "
        "no suitable node (scheduling constraints not satisfied on 3 nodes)." in said
    )
    assert "By its filters no node takes web.2 (web.2): " in said
    assert "constraint not satisfied (node.labels.disk==ssd) on 3 nodes." in said
    assert about(replace(view, tasks=waiting), "web.2").startswith("web.2 (web.2) has waited for a node")


def test_a_task_that_starts_says_where() -> None:
    view = cluster({"running@n1": 1, "preparing@n2": 1})
    assert "web.2 (web.2) was given to n2 10 min ago and is preparing." in about(view)


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ({"local_data": True}, "It has a volume or path of its node"),
        ({"max_per_node": 2}, "A node takes at most 2 of its tasks."),
        ({"host_ports": frozenset({443, 80})}, "It takes the port 80 and 443 of its node"),
        (
            {"cpu_reservation": 0.5, "memory_reservation_bytes": 256 * 2**20},
            "Each task reserves 0.5 CPU and 256 MiB.",
        ),
        (
            {"update_state": UpdateState.ROLLBACK_PAUSED},
            "Its update is rollback paused: until that is over, nothing of ours but healing touches it.",
        ),
    ],
)
def test_whatever_else_holds_a_service_is_told(service: dict[str, Any], said: str) -> None:
    assert said in about(cluster(**service))


def test_what_a_move_left_behind_is_told_at_service_and_node() -> None:
    marks = {"swarmherd.paused": "web.1772366400"}
    view = cluster(nodes={"n1": {"labels": marks, "availability": Availability.PAUSE}})
    assert "A move of it is under way, or was cut short: it has set the pause of n1." in about(view)
    assert "because a move of web, under way or cut short, paused it." in about(view, "n1")
    by_hand = cluster(nodes={"n1": {"availability": Availability.PAUSE}})
    assert "because somebody paused it." in about(by_hand, "n1")


def test_why_it_is_not_moved_is_told_as_it_was_decided() -> None:
    arrangement = Arrangement(
        following=(Following("db", ("web",), ("hold the label, because db is starting",)),),
        stays={"web": "its priority is 80 or more"},
    )
    said = about(cluster(), arrangement=arrangement)
    assert "Of the anchor db: hold the label, because db is starting." in said
    assert "None of its tasks is moved to even out the load, because its priority is 80 or more." in said


def test_a_node_says_what_it_is_and_has() -> None:
    use = NodeUse(
        cpu=Reading(0.41, NOW, "q"),
        memory=Reading(None, NOW, "q", "no series"),
        response=Reading(0.035, NOW, "q"),
    )
    more = {"cpus": 4.0, "memory_bytes": 8 * 2**30, "address": "10.0.0.1", "role": Role.MANAGER, "leader": True}
    view = replace(
        cluster(nodes={"n1": more}, cpu_reservation=0.5, memory_reservation_bytes=2**30), node_use={"id-n1": use}
    )
    said = about(view, "n1")
    assert "n1 (id-n1) is a manager at 10.0.0.1, and leads the managers; it is ready, with the availability" in said
    assert "Swarm wants 2 tasks there: 2 of web." in said
    assert "They reserve 1 of 4 CPUs and 2 GiB of 8 GiB." in said
    assert "Really used: cpu 41 %, memory unknown (no series)." in said
    assert "It answers in 35 ms." in said


def test_a_node_that_is_down_and_its_twin_are_told() -> None:
    view = cluster(nodes={"n3": {"hostname": "n1", "state": NodeState.DOWN}})
    with pytest.raises(ValueError, match="n1 may be the node n1"):
        about(view, "n1")
    said = about(view, "id-n3")
    assert "It takes no tasks, because it is down" in said
    assert "Another entry has its hostname: id-n1 (ready)." in said


def test_a_task_says_since_when_why_there_and_what_was_before_it() -> None:
    view = cluster()
    failed = replace(
        view.tasks[0],
        id="old",
        node_id="id-n2",
        state=TaskState.FAILED,
        desired=TaskState.SHUTDOWN,
        created_at=NOW - timedelta(hours=3),
        state_at=NOW - timedelta(hours=2),
        message="task: non-zero exit (1)",
    )
    use = TaskUse(memory=Reading(300 * 2.0**20, NOW, "q"), cpu=Reading(None, NOW, "q", "no series"))
    said = about(replace(view, tasks=(*view.tasks, failed), task_use={"web.1": use}), "web.1")
    assert "web.1 (web.1) runs on n1 since 10 min ago." in said
    assert "does not look again at where a task runs" in said
    assert "Before it, old was failed on n2 2 h ago: task: non-zero exit (1)." in said
    assert "It really uses 300 MiB of memory." in said
    assert "How much CPU it uses is unknown: no series." in said


def named(view: ClusterView, word: str) -> Explanation:
    return explain(view, POLICY, word, NOW)


def test_a_task_is_meant_by_its_id_the_beginning_of_it_or_its_slot() -> None:
    view = cluster()
    tasks = tuple(replace(t, id=f"abcdef{number}") for number, t in enumerate(view.tasks))
    view = replace(view, tasks=tasks)
    assert named(view, "abcdef1").id == named(view, "web.2").id == "abcdef1"
    with pytest.raises(ValueError, match="abcdef may be the task abcdef0"):
        named(view, "abcdef")
    with pytest.raises(LookupError, match="there is no service, node or task abc in"):
        named(view, "abc")


def test_a_word_for_two_things_is_ambiguous_and_an_unknown_one_is_guessed_at() -> None:
    view = cluster(nodes={"n1": {"hostname": "web"}})
    with pytest.raises(ValueError, match=r"web may be the service web .* and the node web"):
        named(view, "web")
    with pytest.raises(LookupError, match="did you mean web"):
        named(cluster(), "weeb")


def test_a_task_on_a_node_that_is_down_is_not_believed() -> None:
    said = about(cluster(nodes={"n2": {"state": NodeState.DOWN}}), "web.3")
    assert "n2 is down: what is said of its tasks is what it said last." in said
