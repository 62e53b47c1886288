# SPDX-License-Identifier: GPL-3.0-or-later
"""What was observed becomes what placing knows of nodes and tasks, with Swarm's own way of counting."""

from __future__ import annotations

from dataclasses import replace

import pytest
from swarmherd.decide.place import Amount, Neighbour, Placer, Readings, parse_affinity, parse_constraint
from swarmherd.decide.place.seen import nodes, shape
from swarmherd.model import (
    Availability,
    ClusterView,
    Node,
    NodeState,
    NodeUse,
    Probe,
    Reading,
    Role,
    Service,
    Task,
    TaskNeeds,
    TaskState,
    UpdateState,
)

from tests.controller.described import NOW, ago

GIB = 2**30
N1 = Node(
    "id1",
    "n1",
    Role.MANAGER,
    NodeState.READY,
    Availability.PAUSE,
    address="10.0.0.1",
    labels={"zone": "a"},
    cpus=4.0,
    memory_bytes=8 * GIB,
    os="linux",
    arch="x86_64",
    engine_labels={"rack": "r1"},
    plugins=frozenset({"nfs"}),
)
N2 = Node("id2", "n2", Role.WORKER, NodeState.DOWN, Availability.ACTIVE)
WEB = Service(
    "s1",
    "web",
    7,
    2,
    ago(3600),
    image="shop:1",
    cpu_reservation=0.5,
    memory_reservation_bytes=GIB,
    host_ports=frozenset({80}),
)


def task(state: str, desired: str = "running", node: str = "id1", service: str = "web", **more: object) -> Task:
    name = f"{service}-{state}-{desired}-{node}"
    return Task(name, service, 1, node, TaskState(state), TaskState(desired), ago(60), ago(60), **more)  # type: ignore[arg-type]


def view(*tasks: Task, services: tuple[Service, ...] = (WEB,), **more: object) -> ClusterView:
    return ClusterView("shop", NOW, (N1, N2), services, tasks, **more)  # type: ignore[arg-type]


def test_a_node_is_seen_with_all_that_filters_ask_of_it() -> None:
    one, other = nodes(view())
    assert (one.name, one.id, one.role, one.state, one.availability) == (
        *("n1", "id1", Role.MANAGER, NodeState.READY),
        Availability.PAUSE,
    )
    assert (one.address, one.os, one.arch, one.plugins) == ("10.0.0.1", "linux", "x86_64", {"nfs"})
    assert (one.labels, one.engine_labels) == ({"zone": "a"}, {"rack": "r1"})
    assert (one.cpu, one.memory_bytes, one.disk_bytes, one.gpu) == (4.0, 8 * GIB, None, None)
    assert (other.name, other.state, other.cpu, other.memory_bytes) == ("n2", NodeState.DOWN, None, None)


@pytest.mark.parametrize(
    ("state", "desired", "held", "among"),
    [
        ("pending", "running", False, False),
        ("assigned", "running", True, True),
        ("preparing", "running", True, True),
        ("ready", "ready", True, True),
        ("running", "running", True, True),
        ("running", "complete", True, True),
        ("running", "shutdown", True, False),
        ("running", "remove", True, False),
        ("complete", "shutdown", False, False),
        ("failed", "running", False, False),
        ("rejected", "running", False, False),
        ("orphaned", "shutdown", False, False),
    ],
)
def test_a_task_holds_its_place_until_it_has_stopped_and_counts_while_it_is_wanted(
    state: str, desired: str, held: bool, among: bool
) -> None:
    one, _n2 = nodes(view(task(state, desired)))
    assert one.reserved == (Amount(0.5, GIB) if held else Amount())
    assert one.ports == ({80} if held else set())
    assert one.tasks == ({"web": 1} if among else {})


def test_reservations_add_up_and_each_task_reserves_what_its_own_specification_says() -> None:
    old = task("running", needs=TaskNeeds(2.0, 3 * GIB))
    one, two = nodes(view(old, task("starting"), task("running", node="id2"), task("pending", node="")))
    assert one.reserved == Amount(2.5, 4 * GIB)
    assert one.tasks == {"web": 2}
    assert two.reserved == Amount(0.5, GIB)


def test_a_task_of_a_service_that_is_not_in_the_view_counts_with_what_it_tells_itself() -> None:
    telling, silent = task("running", service="old", needs=TaskNeeds(1.0, GIB)), task("starting", service="old")
    one, _n2 = nodes(view(telling, silent))
    assert (one.tasks, one.reserved, one.ports) == ({"old": 2}, Amount(1.0, GIB), set())


def test_what_is_attached_to_a_network_by_hand_counts_as_tasks_of_no_service() -> None:
    with_two = replace(view(task("running")), nodes=(replace(N1, attached=2), N2))
    assert [node.tasks for node in nodes(with_two)] == [{"web": 1, "": 2}, {}]


def test_tasks_that_are_taken_to_be_gone_are_not_there() -> None:
    leaving, staying = task("running"), task("starting")
    one, _n2 = nodes(view(leaving, staying), without=[leaving.id])
    assert (one.tasks, one.reserved) == ({"web": 1}, Amount(0.5, GIB))


def test_the_image_of_a_task_is_there_once_it_is_ready_and_while_the_service_has_only_one() -> None:
    assert nodes(view(task("ready")))[0].images == {"shop:1"}
    assert nodes(view(task("preparing")))[0].images == set()
    updating = replace(WEB, update_state=UpdateState.UPDATING)
    assert nodes(view(task("running"), services=(updating,)))[0].images == set()


def test_readings_are_what_was_measured_and_unknown_stays_unknown() -> None:
    known, unknown = Reading(0.4, NOW, "q"), Reading(None, NOW, "q", "stale")
    use = {"id1": NodeUse(cpu=known, memory=unknown, network=known, response=known)}
    one, other = nodes(view(node_use=use))
    assert one.readings == Readings(cpu=0.4, network=0.4, response_seconds=0.4)
    assert other.readings == Readings()


def test_a_node_is_unhealthy_whose_last_probe_was_not_answered() -> None:
    probes = {"id2": Probe(NOW, misses=1, silent_since=NOW)}
    assert [node.healthy for node in nodes(replace(view(), probes=probes))] == [True, False]
    assert all(node.healthy for node in nodes(replace(view(), probes={"id2": Probe(NOW)})))


def test_a_service_becomes_a_shape_of_as_many_tasks_as_are_asked_for() -> None:
    service = replace(
        WEB,
        constraints=("node.labels.disk==ssd",),
        platforms=(("linux", "amd64"),),
        plugins=frozenset({"nfs"}),
        max_per_node=2,
    )
    seen = shape(service, 3).shape
    assert (seen.service, seen.replicas, seen.need, seen.image) == ("web", 3, Amount(0.5, GIB), "shop:1")
    assert seen.constraints == (parse_constraint("node.labels.disk==ssd"),)
    assert (seen.platforms, seen.plugins, seen.ports, seen.max_per_node) == ((("linux", "amd64"),), {"nfs"}, {80}, 2)


def test_what_the_policy_wishes_is_taken_along() -> None:
    wish = parse_affinity("node.labels.zone==a:5")
    seen = shape(WEB, affinity=[wish], near=[Neighbour("db")], apart_from=[Neighbour("batch", 2.0)], priority=90).shape
    assert (seen.affinity, seen.near, seen.apart_from) == ((wish,), (Neighbour("db"),), (Neighbour("batch", 2.0),))
    assert seen.priority == 90


def test_a_constraint_that_does_not_parse_is_told_and_never_raised() -> None:
    service = replace(WEB, constraints=("node.labels.disk==ssd", "node.colour==red", "nonsense"))
    seen = shape(service)
    assert seen.shape.constraints == (parse_constraint("node.labels.disk==ssd"),)
    assert len(seen.problems) == 2
    assert all(problem.startswith("web: ") for problem in seen.problems)
    assert "node.colour" in seen.problems[0]
    assert "nonsense" in seen.problems[1]


def test_what_is_seen_can_be_placed() -> None:
    ready = replace(N1, availability=Availability.ACTIVE, cpus=1.0)
    seen = nodes(ClusterView("shop", NOW, (ready, N2), (WEB,), (task("running"),)))
    one_more = replace(WEB, host_ports=frozenset())
    (placed,) = Placer(seen).place([shape(one_more, 2).shape])
    assert (placed.nodes, placed.explanation) == ((0,), "1 node not ready; insufficient CPU on 1 node")
