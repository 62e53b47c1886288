# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the crash-point matrix that put something right: tasks that are ill, updates, nodes that fail, bonds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from swarmherd.decide.marks import CORDONED, DENY, DENY_UNTIL, denied, is_cordoned
from swarmherd.model import AnchorMemory, Availability, UpdateState
from swarmherd.policy import anchor_constraint, anchor_label
from swarmherd.simulate.cluster.building import node, policy, service
from swarmherd.simulate.cluster.crashes import Row
from swarmherd.simulate.cluster.faults import Fault, Kind
from swarmherd.simulate.cluster.habits import Habits
from swarmherd.simulate.cluster.rollout import Rollout
from swarmherd.simulate.cluster.simulation import Layout, Simulation

AT_SECOND = 40.0
"""When what is to be mended happens."""
Wanted = Callable[[Simulation], bool]


def _serving(name: str, replicas: int) -> Wanted:
    return lambda simulation: simulation.swarm.serving(name) == replicas


# ---------------------------------------------------------------- tasks that are ill, updates that are stuck


def _healed(*steps: str, **keys: Any) -> Layout:
    """A service whose health Prometheus tells."""
    check = {"query": "web_is_well", "start_period": 0}
    heal = {"after": 15, "recheck": 15, "cooldown": 0, "steps": list(steps)}
    web = {"health": check, "heal": heal, **keys}
    return Layout([node(n) for n in range(1, 5)], [(service("web", 3), Habits())], policy(services={"web": web}))


def _one_ill(simulation: Simulation) -> None:
    swarm = simulation.swarm
    simulation.timeline.at(AT_SECOND, lambda: swarm.ill.add(min(task.id for task in swarm.kept("web"))))


def _updated() -> Layout:
    web = {"heal": {"stuck_updates": "rollback", "recheck": 15}}
    return Layout([node(n) for n in range(1, 5)], [(service("web", 3), Habits())], policy(services={"web": web}))


def _bad_deploy(simulation: Simulation) -> None:
    """Of an image that is nowhere: Swarm pauses it at the first task."""
    simulation.swarm.missing_images.add("web:2")
    simulation.timeline.at(AT_SECOND, lambda: Rollout(simulation.orchestrator, "web").begin("web:2"))


def _rolled_back(simulation: Simulation) -> bool:
    web = simulation.swarm.services["web"]
    return web.image == "web:1" and web.update_state is UpdateState.ROLLBACK_COMPLETED


# ---------------------------------------------------------------- nodes that fail


def _failing(**keys: Any) -> Mapping[str, Any]:
    return {"failover": {"pending_after": 10, "flapping": {"falls": 2, "pause": "1h"}}, **keys}


def _flapping() -> Layout:
    services = [(service("web", 3), Habits())]
    return Layout([node(n) for n in range(1, 6)], services, policy(**_failing(services={"web": {}})))


def _falls_twice(simulation: Simulation) -> None:
    for at in (AT_SECOND, AT_SECOND + 45.0):
        Fault(Kind.NODE_DIES, at, 25.0, "n4").plan(simulation)


def _cordoned(simulation: Simulation) -> bool:
    return is_cordoned(simulation.swarm.hosts["n4"].node)


def _still_cordoned() -> Layout:
    """By a cordon whose time is over."""
    nodes = [node(n) for n in range(1, 5)]
    nodes[3] = replace(nodes[3], labels={CORDONED: "1"}, availability=Availability.PAUSE)
    return Layout(nodes, [(service("web", 3), Habits())], policy(**_failing(services={"web": {}})))


def _open_again(simulation: Simulation) -> bool:
    now = simulation.swarm.hosts["n4"].node
    return now.availability is Availability.ACTIVE and CORDONED not in now.labels


def _single(**more: Any) -> Layout:
    """Nothing but its node could run it."""
    wanted = policy(**_failing(services={"db": {"failover": {"fencing": "none"}}}))
    return Layout([node(n) for n in range(1, 6)], [(service("db", 1, **more), Habits())], wanted)


def _its_node_dies(simulation: Simulation) -> None:
    def die() -> None:
        where = simulation.swarm.kept("db")[0].node_id
        Fault(Kind.NODE_DIES, 0.0, None, where).plan(simulation)

    simulation.timeline.at(AT_SECOND, die)


def _denied_everywhere() -> Layout:
    """Marks of moves that nobody is behind any more."""
    marks = {DENY + "web": "yes", DENY_UNTIL + "web": "1"}
    web = service("web", 2, constraints=(f"node.labels.{DENY}web != yes",))
    nodes = [node(n, marks) for n in range(1, 5)]
    return Layout(nodes, [(web, Habits())], policy(**_failing(services={"web": {}})))


def _admitted(simulation: Simulation) -> bool:
    marked = any(denied(host.node) for host in simulation.swarm.hosts.values())
    return simulation.swarm.serving("web") == 2 and not marked


# ---------------------------------------------------------------- bonds


def _bound() -> Layout:
    """The policy says no longer that it follows."""
    nodes = [node(1, {anchor_label("db"): "yes"}), node(2), node(3), node(4)]
    db = service("db", 1, constraints=("node.hostname==n1",))
    api = service("api", 2, constraints=(anchor_constraint("db"),))
    return Layout(nodes, [(db, Habits()), (api, Habits())], policy(services={"api": {}}))


def _bound_by_us(simulation: Simulation) -> None:
    before = simulation.store.memory()
    simulation.store.remember(before, replace(before, anchors={"db": AnchorMemory(("api",))}))


def _let_go(simulation: Simulation) -> bool:
    labelled = any(anchor_label("db") in host.node.labels for host in simulation.swarm.hosts.values())
    return not simulation.swarm.services["api"].constraints and not labelled


TWICE = ("restart", "restart")
MENDING: tuple[Row, ...] = (
    Row("restart", "restart", lambda: _healed(*TWICE), _serving("web", 3), prepare=_one_ill),
    Row(
        "restart behind a balancer",
        "restart",
        lambda: _healed(*TWICE, balancer="shop"),
        _serving("web", 3),
        prepare=_one_ill,
    ),
    Row("move of what is ill", "move", lambda: _healed("move", "move"), _serving("web", 3), prepare=_one_ill),
    Row("rollback", "rollback", _updated, _rolled_back, prepare=_bad_deploy),
    Row("cordon", "failover", _flapping, _cordoned, closes=True, prepare=_falls_twice),
    Row("end of a cordon", "failover", _still_cordoned, _open_again),
    Row(
        "bound elsewhere",
        "failover",
        lambda: _single(constraints=("node.hostname==n4",)),
        _serving("db", 1),
        prepare=_its_node_dies,
    ),
    Row("made anew", "failover", lambda: _single(restarts=False), _serving("db", 1), prepare=_its_node_dies),
    Row("marks cleared", "failover", _denied_everywhere, _admitted),
    Row("release", "release", _bound, _let_go, prepare=_bound_by_us),
)
