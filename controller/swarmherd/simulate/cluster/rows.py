# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the crash-point matrix: a small cluster for each kind of action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from swarmherd.by_hand import manual_availability
from swarmherd.model import EMPTY, Action, Availability, ClusterView, Memory
from swarmherd.policy import Policy, anchor_constraint, anchor_label
from swarmherd.simulate.cluster.building import MEBIBYTE, node, policy, service
from swarmherd.simulate.cluster.crashes import Row
from swarmherd.simulate.cluster.habits import Habits
from swarmherd.simulate.cluster.rows_mending import MENDING
from swarmherd.simulate.cluster.simulation import Layout, Simulation
from swarmherd.simulate.cluster.standing import apart


def _scaled(before: float, after: float, replicas: int, nodes: int = 4, **keys: Any) -> Layout:
    """Demand changes after a minute and a half. A gauge tells of it at once, where a rate would rise in steps: there
    is to be one action."""
    asked = {"query": 'demand{service="$service"}', "target": 40}
    scale = {"min": 1, "max": 10, "metrics": [asked], "stabilization": 0, "cooldown": 30}
    web = Habits(demand=lambda seconds: before if seconds < 90 else after)
    there = [node(n) for n in range(1, nodes + 1)]
    return Layout(there, [(service("web", replicas), web)], policy(services={"web": {"scale": scale, **keys}}))


def _uneven(heavy: int, nodes: int, balancer: Mapping[str, str] = EMPTY, **consent: Any) -> Layout:
    """As many nodes as there are heavy tasks take any at first, so that one of them lies beside the rock."""
    rebalance = {"memory": "15%", "cooldown": "1m", "min_task_age": "1m"}
    services = [
        (service("big", heavy), Habits(memory_bytes=900 * MEBIBYTE)),
        (service("rock", 1), Habits(memory_bytes=1000 * MEBIBYTE)),
    ]
    big = {"move": consent, **balancer}
    wanted = policy(rebalance=rebalance, services={"big": big, "rock": {"move": {"do_not_disturb": True}}})
    there = [
        replace(node(n), availability=Availability.ACTIVE if n <= heavy else Availability.PAUSE)
        for n in range(1, nodes + 1)
    ]
    return Layout(there, services, wanted)


def _opened(simulation: Simulation) -> None:
    """The nodes that took no tasks at first do from now on: Swarm moves nothing there by itself."""

    def open_them() -> None:
        for host in simulation.swarm.hosts.values():
            simulation.swarm.update_node(host.node.id, host.version, availability=Availability.ACTIVE)

    simulation.timeline.at(10.0, open_them)


def _anchored() -> Layout:
    """The anchor runs on n1, and the label lies on n2, where it ran once."""
    db = service("db", 1, constraints=("node.hostname==n1",))
    api = service("api", 2, constraints=(anchor_constraint("db"),))
    nodes = [node(1), node(2, {anchor_label("db"): "yes"}), node(3), node(4)]
    return Layout(nodes, [(db, Habits()), (api, Habits())], policy(services={"api": {"follows": "db"}}))


def _plain() -> Layout:
    return Layout([node(n) for n in range(1, 5)], [(service("web", 4), Habits())], policy(services={}))


def _drained(simulation: Simulation) -> None:
    simulation.timeline.at(44.0, lambda: simulation.errand(_drain))


def _drain(view: ClusterView, wanted: Policy, memory: Memory, new_id: Callable[[], str]) -> Action:  # noqa: ARG001  (an errand's)
    return manual_availability(view, "n2", Availability.DRAIN, "the host gets new memory", new_id)


def _replicas(wanted: int) -> Callable[[Simulation], bool]:
    return lambda simulation: simulation.swarm.serving("web") == wanted


def _evened(simulation: Simulation) -> bool:
    """Nothing heavy lies beside a rock any more."""
    where = {name: {task.node_id for task in simulation.swarm.kept(name)} for name in ("big", "rock")}
    return not where["big"] & where["rock"]


def _empty(simulation: Simulation) -> bool:
    swarm = simulation.swarm
    drained = swarm.hosts["n2"].node.availability is Availability.DRAIN
    return drained and not any(task.node_id == "n2" for name in swarm.services for task in swarm.kept(name))


BALANCED = {"balancer": "shop"}
ROWS: tuple[Row, ...] = (
    Row("scale up", "scale", lambda: _scaled(60, 150, 2), _replicas(4)),
    Row("scale down", "scale", lambda: _scaled(150, 60, 4), _replicas(2)),
    Row("scale down behind a balancer", "scale", lambda: _scaled(150, 60, 4, nodes=1, **BALANCED), _replicas(2)),
    Row("move by deny label", "move", lambda: _uneven(2, 4), _evened, False, prepare=_opened),
    Row("move by pause and stop", "move", lambda: _uneven(1, 3, singles=True), _evened, False, prepare=_opened),
    Row("move behind a balancer", "move", lambda: _uneven(2, 4, BALANCED), _evened, False, prepare=_opened),
    Row("relabel", "relabel", _anchored, lambda simulation: not tuple(apart(simulation))),
    Row("drain", "drain", _plain, _empty, False, closes=True, prepare=_drained),
    *MENDING,
)
