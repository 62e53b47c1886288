# SPDX-License-Identifier: GPL-3.0-or-later
"""`failover.yml`, `rollback.yml` and `restart.yml` in the simulated cluster."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from swarmherd.decide.marks import CORDONED, is_cordoned
from swarmherd.model import Availability, Node, UpdateState
from swarmherd.simulate.cluster.api import Api
from swarmherd.simulate.cluster.errors import ModuleFailedError
from swarmherd.simulate.cluster.moving import STOP, cleared, move
from swarmherd.simulate.cluster.steps import (
    ANSIBLE_SECONDS,
    AT_REST,
    Step,
    Steps,
    Variables,
    converged,
    patience,
    waited,
)

Writing = Generator[Step, None, None]
Spec = tuple[Mapping[str, str], Availability]
BACK_ALREADY = (UpdateState.ROLLBACK_STARTED, UpdateState.ROLLBACK_COMPLETED)


def restart(api: Api, variables: Variables) -> Steps:
    """The steps of a move that may come back to where it was."""
    return (yield from move(api, {**variables, "swarmherd_method": STOP}))


def rollback(api: Api, variables: Variables) -> Steps:
    """One write, which carries what it was decided on, and a wait."""
    name, expected = variables["swarmherd_service"], variables.get("swarmherd_expected_version")
    yield Step("playbook started", ANSIBLE_SECONDS)
    service = api.service(name)
    api.refuse_unexpected(service, expected)
    if service.update_state not in BACK_ALREADY:
        api.roll_back(name, expected)
        yield Step("previous specification in force")
    over = f"{name} to be rolled back"
    yield from waited(
        api, lambda: converged(api, name) and api.service(name).update_state in AT_REST, patience(variables), over
    )
    yield Step("replicas run")
    return {"version": api.service(name).version}


def failover(api: Api, variables: Variables) -> Steps:
    """One of the four measures."""
    yield Step("playbook started", ANSIBLE_SECONDS)
    measure = variables["swarmherd_measure"]
    if measure == "cordon":
        yield from _cordon(api, variables)
    elif measure == "uncordon":
        api.update_node(variables["swarmherd_node"], _opened, variables.get("swarmherd_expected_version"))
        yield Step("cordon ended")
    elif measure == "clear":
        yield from cleared(api, variables["swarmherd_service"])
    else:
        yield from _recreate(api, variables)
    return {}


def _cordon(api: Api, variables: Variables) -> Writing:
    """A node that somebody paused or drained meanwhile is left to him."""
    node = api.node(variables["swarmherd_node"])
    if node.availability is not Availability.ACTIVE and not is_cordoned(node):
        raise ModuleFailedError(f"conflict: {node.hostname} is on {node.availability.value}", conflict=True)
    mark = {CORDONED: str(variables["swarmherd_cordon_until"])}
    expected = variables.get("swarmherd_expected_version")
    api.update_node(node.id, lambda now: ({**now.labels, **mark}, Availability.PAUSE), expected)
    yield Step("node cordoned")


def _opened(node: Node) -> Spec | None:
    labels = {key: value for key, value in node.labels.items() if key != CORDONED}
    return None if CORDONED not in node.labels else (labels, _after_cordon(node))


def _after_cordon(node: Node) -> Availability:
    return Availability.ACTIVE if is_cordoned(node) else node.availability


def _recreate(api: Api, variables: Variables) -> Writing:
    """The fence first; then other constraints, or with none a forced update."""
    name, expected = variables["swarmherd_service"], variables.get("swarmherd_expected_version")
    if variables.get("swarmherd_fence_hook"):
        yield Step("host confirmed off")
    add = tuple(variables.get("swarmherd_constraints") or ())
    remove = tuple(variables.get("swarmherd_remove_constraints") or ())
    if add or remove:
        held = [text for text in api.service(name).constraints if text not in remove]
        api.update_service(name, expected, constraints=(*held, *(text for text in add if text not in held)))
        yield Step("service bound elsewhere")
    else:
        api.renew(name, expected)
        yield Step("tasks made anew")
    if variables.get("swarmherd_wait", True):
        yield from waited(api, lambda: converged(api, name), patience(variables), name)
        yield Step("service runs")
