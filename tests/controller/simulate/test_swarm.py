# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated Swarm does what Swarm was measured and read to do, each rule a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from swarmherd.decide.foretell import landing, victims
from swarmherd.decide.situation import Index
from swarmherd.model import Availability, NodeState, Task, TaskState, UpdateState
from swarmherd.simulate.cluster.building import node, policy, service
from swarmherd.simulate.cluster.errors import OutOfSequenceError
from swarmherd.simulate.cluster.faults import Fault, Kind
from swarmherd.simulate.cluster.habits import Habits
from swarmherd.simulate.cluster.simulation import Layout, Simulation

BOUND_SECONDS = 120.0


def cluster(replicas: int = 6, nodes: int = 5, seed: int = 1, heartbeat: float = 5.0, **habits: Any) -> Simulation:
    """`web` on so many nodes, settled, with nobody to look after it."""
    layout = Layout(
        [node(n) for n in range(1, nodes + 1)],
        [(service("web", replicas), Habits(**habits))],
        policy(),
        heartbeat_seconds=heartbeat,
    )
    simulation = Simulation(layout, seed, controlled=False)
    simulation.run_for(10.0)
    return simulation


def where(simulation: Simulation) -> Counter[str]:
    return Counter(task.node_id for task in simulation.swarm.kept("web"))


def took(simulation: Simulation, there: Callable[[], bool]) -> float:
    """Simulated seconds until it is so."""
    begin = simulation.timeline.seconds
    while not there():
        assert simulation.timeline.seconds - begin < BOUND_SECONDS, "it never came to be so"
        simulation.timeline.advance(0.1)
    return simulation.timeline.seconds - begin


def happen(simulation: Simulation, kind: Kind, about: str = "", seconds: float | None = None) -> None:
    Fault(kind, simulation.timeline.seconds, seconds, about).plan(simulation)


def changed(simulation: Simulation, **changes: Any) -> None:
    simulation.swarm.update_service("web", simulation.swarm.services["web"].version, **changes)


def marked(simulation: Simulation, name: str, labels: dict[str, str], availability: str = "active") -> None:
    host = simulation.swarm.hosts[name]
    simulation.swarm.update_node(name, host.version, labels, Availability(availability))


def test_tasks_are_spread_over_the_nodes() -> None:
    assert sorted(where(cluster(replicas=7)).values()) == [1, 1, 1, 2, 2]


def test_a_write_with_an_old_version_is_refused() -> None:
    simulation = cluster()
    old = simulation.swarm.services["web"].version
    changed(simulation, replicas=3)
    with pytest.raises(OutOfSequenceError):
        simulation.swarm.update_service("web", old, replicas=9)
    assert simulation.swarm.services["web"].replicas == 3


@pytest.mark.parametrize("seed", range(5))
def test_what_is_added_and_what_goes_is_what_was_foretold(seed: int) -> None:
    simulation = cluster(seed=seed)
    view, web = simulation.swarm.view(), simulation.swarm.services["web"]
    before = {task.id for task in simulation.swarm.kept("web")}
    changed(simulation, replicas=7)
    simulation.timeline.advance(5.0)
    (new,) = (task for task in simulation.swarm.kept("web") if task.id not in before)
    assert new.node_id in landing(view, web).nodes
    going = victims(simulation.swarm.view(), simulation.swarm.services["web"]).tasks
    changed(simulation, replicas=6)
    simulation.timeline.advance(5.0)
    assert {*before, new.id} - {task.id for task in simulation.swarm.kept("web")} <= going


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("heartbeat", "delay", "seen", "running"), [(5.0, 5.0, (10, 15), 21), (1.0, 0.0, (2, 3), 4)])
def test_a_killed_node_is_seen_and_its_tasks_run_elsewhere_as_soon_as_measured(
    seed: int, heartbeat: float, delay: float, seen: tuple[float, float], running: float
) -> None:
    """Measured: seen after 10.9 s and all running after 17.2 s with the defaults; 1.6 s and 2.6 s with 1 s and none."""
    simulation = cluster(seed=seed, heartbeat=heartbeat, restart_delay_seconds=delay, startup_seconds=0.5)
    happen(simulation, Kind.NODE_DIES, "n5")
    down = took(simulation, lambda: simulation.swarm.hosts["n5"].node.state is NodeState.DOWN)
    assert seen[0] <= down + 0.1
    assert down <= seen[1] + 0.1
    all_run = down + took(simulation, lambda: simulation.swarm.serving("web") == 6)
    assert all_run <= running


def test_tasks_of_a_dead_node_go_on_saying_that_they_run() -> None:
    simulation = cluster()
    happen(simulation, Kind.NODE_DIES, "n5")
    took(simulation, lambda: simulation.swarm.hosts["n5"].node.state is NodeState.DOWN)
    left = [task for task in simulation.swarm.tasks.values() if task.node_id == "n5"]
    assert {(task.state, task.desired) for task in left} == {(TaskState.RUNNING, TaskState.SHUTDOWN)}


def test_swarm_moves_nothing_back_to_a_node_that_returned() -> None:
    simulation = cluster()
    happen(simulation, Kind.NODE_DIES, "n5", 60.0)
    simulation.timeline.advance(100.0)
    assert simulation.swarm.hosts["n5"].node.state is NodeState.READY
    assert "n5" not in where(simulation)


def test_a_freeze_that_is_over_before_three_heartbeats_are_missed_moves_nothing() -> None:
    simulation = cluster()
    before = {task.id for task in simulation.swarm.kept("web")}
    happen(simulation, Kind.NODE_FREEZES, "n5", 5.0)
    simulation.timeline.advance(60.0)
    assert {task.id for task in simulation.swarm.kept("web")} == before


def test_a_deny_label_sends_that_services_tasks_away_and_restarts_nothing_else() -> None:
    simulation = cluster(replicas=5)
    stays = {task.id for task in simulation.swarm.kept("web") if task.node_id != "n2"}
    changed(simulation, constraints=("node.labels.swarmherd.deny.web != yes",))
    simulation.timeline.advance(5.0)
    assert len(simulation.swarm.tasks) == 5, "a missing label matches: the constraint alone restarts nothing"
    marked(simulation, "n2", {"swarmherd.deny.web": "yes"})
    took(simulation, lambda: simulation.swarm.serving("web") == 5 and "n2" not in where(simulation))
    assert stays < {task.id for task in simulation.swarm.kept("web")}


def test_from_a_paused_node_a_label_takes_nothing_away() -> None:
    simulation = cluster(replicas=5)
    changed(simulation, constraints=("node.labels.swarmherd.deny.web != yes",))
    marked(simulation, "n2", {"swarmherd.deny.web": "yes"}, "pause")
    simulation.timeline.advance(30.0)
    assert where(simulation)["n2"] == 1


def test_a_paused_node_gets_no_new_task_and_a_drained_one_keeps_none() -> None:
    simulation = cluster(replicas=5)
    marked(simulation, "n1", {}, "pause")
    marked(simulation, "n2", {}, "drain")
    took(simulation, lambda: simulation.swarm.serving("web") == 5 and "n2" not in where(simulation))
    changed(simulation, replicas=8)
    took(simulation, lambda: simulation.swarm.serving("web") == 8)
    assert where(simulation)["n1"] == 1


def test_a_task_that_no_node_takes_waits_until_one_does() -> None:
    simulation = cluster(replicas=1)
    changed(simulation, constraints=("node.labels.disk == ssd",))
    took(simulation, lambda: any(t.state is TaskState.PENDING for t in simulation.swarm.kept("web")))
    marked(simulation, "n3", {"disk": "ssd"})
    took(simulation, lambda: simulation.swarm.serving("web") == 1)
    assert set(where(simulation)) == {"n3"}


def test_reservations_are_a_filter_and_real_use_is_none() -> None:
    simulation = cluster(replicas=1, nodes=2, memory_bytes=3.9 * 2**30)
    full = simulation.swarm.kept("web")[0].node_id
    reserving = replace(service("big", 2), memory_reservation_bytes=3 * 2**30)
    simulation.swarm.create(reserving, Habits())
    simulation.timeline.advance(10.0)
    assert full in {task.node_id for task in simulation.swarm.kept("big")}
    changed_big = simulation.swarm.services["big"]
    simulation.swarm.update_service("big", changed_big.version, replicas=3)
    simulation.timeline.advance(10.0)
    assert [t.state for t in simulation.swarm.kept("big") if not t.node_id] == [TaskState.PENDING]


def test_a_deploy_replaces_one_task_after_the_other() -> None:
    simulation = cluster(replicas=4)
    happen(simulation, Kind.DEPLOY, "web")
    least = 4
    while simulation.swarm.services["web"].update_state is not UpdateState.COMPLETED:
        simulation.timeline.advance(0.1)
        least = min(least, simulation.swarm.serving("web"))
        assert simulation.timeline.seconds < BOUND_SECONDS
    assert least == 3
    assert {simulation.swarm.images[t.id] for t in simulation.swarm.kept("web")} == {
        simulation.swarm.services["web"].image
    }


def test_a_deploy_of_an_image_that_is_not_there_pauses_at_the_first_task() -> None:
    simulation = cluster(replicas=4)
    happen(simulation, Kind.IMAGE_MISSING, "web")
    took(simulation, lambda: simulation.swarm.services["web"].update_state is UpdateState.PAUSED)
    rejected = [task for task in simulation.swarm.tasks.values() if task.state is TaskState.REJECTED]
    assert {task.message for task in rejected} == {"No such image: web:missing-10"}
    assert simulation.swarm.serving("web") == 3


def test_once_a_bad_deploy_is_rolled_back_what_failed_of_it_is_of_the_past() -> None:
    simulation = cluster(replicas=4)
    happen(simulation, Kind.IMAGE_MISSING, "web")
    took(simulation, lambda: len(Index.of(simulation.swarm.view()).failed.get("web", ())) >= 3)
    simulation.api.roll_back("web", simulation.swarm.services["web"].version)
    took(simulation, lambda: simulation.swarm.services["web"].update_state is UpdateState.ROLLBACK_COMPLETED)
    assert any(task.state is TaskState.REJECTED for task in simulation.swarm.tasks.values())
    assert Index.of(simulation.swarm.view()).failed == {}


def test_managers_without_a_majority_do_nothing_and_answer_nothing() -> None:
    simulation = cluster(replicas=5)
    for name in ("n1", "n2"):
        happen(simulation, Kind.NODE_CUT_OFF, name, 60.0)
    simulation.timeline.advance(40.0)
    assert simulation.api.look(None) is None
    assert all(host.ready for host in simulation.swarm.hosts.values()), "nobody is there to see it"
    simulation.timeline.advance(60.0)
    assert simulation.api.look(None) is not None


def test_a_host_that_does_not_answer_is_silent_after_two_misses() -> None:
    simulation = cluster()
    begin = simulation.timeline.now
    happen(simulation, Kind.NODE_CUT_OFF, "n5", 30.0)
    simulation.timeline.advance(1.5)
    assert simulation.api.probes()["n5"].silent_since is None
    simulation.timeline.advance(1.0)
    probe = simulation.api.probes()["n5"]
    assert (probe.misses, probe.silent_since, probe.tcp) == (2, begin, False)
    assert simulation.api.probes()["n4"].silent_since is None
    simulation.timeline.advance(40.0)
    assert simulation.api.probes()["n5"].silent_since is None


def test_the_same_seed_gives_the_same_and_another_one_something_else() -> None:
    def course(seed: int) -> list[Task]:
        simulation = cluster(seed=seed)
        happen(simulation, Kind.NODE_DIES, "n5", 30.0)
        simulation.timeline.advance(100.0)
        return list(simulation.swarm.tasks.values())

    assert course(3) == course(3)
    assert course(3) != course(4)
