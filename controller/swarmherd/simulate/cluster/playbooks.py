# SPDX-License-Identifier: GPL-3.0-or-later
"""`playbooks/enact/` in the simulated cluster: each kind of action in the steps that its playbook really takes.

A playbook is a generator. What it does between two `yield`s happens at one instant; the step that it yields names what
has just been done, and says how long the next one takes. A playbook that is killed goes no further, and tidies nothing
up. One that fails does what its `always` and `rescue` do, and raises ModuleFailedError.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from swarmherd.enact.goals.drain import present
from swarmherd.model import Availability, Node, TaskState
from swarmherd.policy import anchor_constraint, anchor_label
from swarmherd.simulate.cluster.api import Api
from swarmherd.simulate.cluster.errors import ModuleFailedError

ANSIBLE_SECONDS = 1.5
"""From its start to its first module's first reading."""
MODULE_SECONDS = 0.5
LOOK_SECONDS = 0.5

Result = Mapping[str, Any]
Variables = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """What was just done, and how long the next step takes. Without a name it is a wait: nothing was done."""

    name: str
    seconds: float = MODULE_SECONDS


Steps = Generator[Step, None, Result]
Play = Callable[[Api, Variables], Steps]
WAIT = Step("", LOOK_SECONDS)


def waited(api: Api, there: Callable[[], bool], seconds: float, what: str) -> Generator[Step, None, None]:
    """Fails when it is not there after so long."""
    deadline = api.swarm.timeline.seconds + seconds
    while not there():
        if api.swarm.timeline.seconds >= deadline:
            raise ModuleFailedError(f"waited {seconds:g} s for {what}")
        yield WAIT


def scale(api: Api, variables: Variables) -> Steps:
    """`scale.yml`: one write, which carries what it was decided on, and a wait."""
    name, replicas = variables["swarmherd_service"], int(variables["swarmherd_replicas"])
    yield Step("playbook started", ANSIBLE_SECONDS)
    service = api.service(name)
    expected = variables.get("swarmherd_expected_replicas")
    if expected is not None and service.replicas != expected:
        found = {"replicas": service.replicas, "version": service.version}
        raise ModuleFailedError(f"conflict: {name} has {service.replicas} replicas", conflict=True, found=found)
    service = api.update_service(name, variables.get("swarmherd_expected_version"), replicas=replicas)
    yield Step("replicas set")
    yield from waited(api, lambda: _converged(api, name), _patience(variables), f"{replicas} replicas of {name}")
    yield Step("replicas run")
    if api.service(name).replicas != replicas:
        raise ModuleFailedError(f"somebody else scaled {name}", conflict=True, found={"version": service.version})
    return {"version": api.service(name).version}


def drain(api: Api, variables: Variables) -> Steps:
    """`drain.yml`: an availability, and a wait until a drained node is empty."""
    node, wanted = variables["swarmherd_node"], Availability(variables["swarmherd_availability"])
    yield Step("playbook started", ANSIBLE_SECONDS)
    api.update_node(node, lambda now: None if now.availability is wanted else (now.labels, wanted))
    yield Step("availability set")
    if wanted is Availability.DRAIN:
        empty = f"{node} to be empty"
        yield from waited(api, lambda: not present(api.view(), api.node(node)), _patience(variables), empty)
        yield Step("node empty")
    return {}


def relabel(api: Api, variables: Variables) -> Steps:
    """`relabel.yml`: the new label first, each dependent's constraint, and the old label last (S4)."""
    anchor, node = variables["swarmherd_anchor"], variables["swarmherd_node"]
    dependents = variables.get("swarmherd_dependents") or ()
    yield Step("playbook started", ANSIBLE_SECONDS)
    api.update_node(node, lambda now: _labelled(now, anchor_label(anchor)))
    yield Step("new node labelled")
    for one in dependents:
        service = api.service(one["name"])
        constraints = _following(service.constraints, anchor)
        api.update_service(one["name"], one.get("expected_version"), constraints=constraints)
        yield Step(f"{one['name']} constrained")
    for old in variables.get("swarmherd_old_nodes") or ():
        if any(old in (known.id, known.hostname) for known in api.view().nodes):
            api.update_node(old, lambda now: _unlabelled(now, anchor_label(anchor)))
        yield Step("old label taken off")
    for one in dependents:
        name = one["name"]
        yield from waited(api, lambda name=name: _converged(api, name), _patience(variables), name)  # type: ignore[misc]
        yield Step(f"{name} runs beside its anchor")
    return {}


def _labelled(node: Node, label: str) -> tuple[Mapping[str, str], Availability] | None:
    return None if node.labels.get(label) == "yes" else ({**node.labels, label: "yes"}, node.availability)


def _unlabelled(node: Node, label: str) -> tuple[Mapping[str, str], Availability] | None:
    kept = {name: value for name, value in node.labels.items() if name != label}
    return None if label not in node.labels else (kept, node.availability)


def _following(constraints: Iterable[str], anchor: str) -> tuple[str, ...]:
    """A service has one anchor at most."""
    others = [text for text in constraints if "swarmherd.anchor." not in text]
    return (*others, anchor_constraint(anchor))


def _converged(api: Api, name: str) -> bool:
    """As many run as are wanted, on nodes that are up and where they may be."""
    service, view = api.service(name), api.view()
    kept = api.swarm.kept(name)
    return len(view.running(name)) == service.replicas == len(kept) and all(
        task.state is TaskState.RUNNING for task in kept
    )


def _patience(variables: Variables) -> float:
    return float(variables.get("swarmherd_wait_timeout") or 60)
