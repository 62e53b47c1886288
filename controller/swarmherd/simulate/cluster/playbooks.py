# SPDX-License-Identifier: GPL-3.0-or-later
"""`playbooks/enact/` in the simulated cluster: each kind of action in the steps that its playbook really takes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping

from swarmherd.enact.goals.drain import present
from swarmherd.model import Availability, Node
from swarmherd.policy import anchor_constraint, anchor_label
from swarmherd.simulate.cluster.api import Api
from swarmherd.simulate.cluster.balancing import backend_of, drained, leaving, used_again
from swarmherd.simulate.cluster.errors import ModuleFailedError
from swarmherd.simulate.cluster.steps import ANSIBLE_SECONDS, Step, Steps, Variables, converged, patience, waited


def scale(api: Api, variables: Variables) -> Steps:
    """`scale.yml`: one write, which carries what it was decided on, and a wait; behind a load balancer, what goes is
    drained there first and its servers are used again afterwards, whatever came of it."""
    backend = backend_of(variables)
    yield Step("playbook started", ANSIBLE_SECONDS)
    if backend and variables.get("swarmherd_state") == "cleared":
        yield from used_again(api, backend)
        return {}
    if not backend:
        return (yield from _scaled(api, variables))
    first = leaving(api, api.service(variables["swarmherd_service"]), int(variables["swarmherd_replicas"]), variables)
    yield from drained(api, backend, first)
    try:
        result = yield from _scaled(api, variables)
    except ModuleFailedError:
        yield from used_again(api, backend, first)
        raise
    yield from used_again(api, backend, first)
    return result


def _scaled(api: Api, variables: Variables) -> Steps:
    name, replicas = variables["swarmherd_service"], int(variables["swarmherd_replicas"])
    service = api.service(name)
    expected = variables.get("swarmherd_expected_replicas")
    if expected is not None and service.replicas != expected:
        found = {"replicas": service.replicas, "version": service.version}
        raise ModuleFailedError(f"conflict: {name} has {service.replicas} replicas", conflict=True, found=found)
    service = api.update_service(name, variables.get("swarmherd_expected_version"), replicas=replicas)
    yield Step("replicas set")
    yield from waited(api, lambda: converged(api, name), patience(variables), f"{replicas} replicas of {name}")
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
        yield from waited(api, lambda: not present(api.view(), api.node(node)), patience(variables), empty)
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
    yield from _taken_off(api, variables)
    for one in dependents:
        name = one["name"]
        yield from waited(api, lambda name=name: converged(api, name), patience(variables), name)  # type: ignore[misc]
        yield Step(f"{name} runs beside its anchor")
    return {}


def release(api: Api, variables: Variables) -> Steps:
    """`release.yml`: each constraint first, and the label last; no task restarts."""
    anchor = variables["swarmherd_anchor"]
    yield Step("playbook started", ANSIBLE_SECONDS)
    for one in variables.get("swarmherd_dependents") or ():
        held = api.service(one["name"]).constraints
        kept = tuple(text for text in held if text != anchor_constraint(anchor))
        api.update_service(one["name"], one.get("expected_version"), constraints=kept)
        yield Step(f"{one['name']} let go")
    yield from _taken_off(api, variables)
    return {}


def _taken_off(api: Api, variables: Variables) -> Generator[Step, None, None]:
    """Of a node that has gone nothing needs to be taken."""
    label = anchor_label(variables["swarmherd_anchor"])
    for old in variables.get("swarmherd_old_nodes") or ():
        if any(old in (known.id, known.hostname) for known in api.view().nodes):
            api.update_node(old, lambda now: _unlabelled(now, label))
        yield Step("old label taken off")


def _labelled(node: Node, label: str) -> tuple[Mapping[str, str], Availability] | None:
    return None if node.labels.get(label) == "yes" else ({**node.labels, label: "yes"}, node.availability)


def _unlabelled(node: Node, label: str) -> tuple[Mapping[str, str], Availability] | None:
    kept = {name: value for name, value in node.labels.items() if name != label}
    return None if label not in node.labels else (kept, node.availability)


def _following(constraints: Iterable[str], anchor: str) -> tuple[str, ...]:
    """A service has one anchor at most."""
    others = [text for text in constraints if "swarmherd.anchor." not in text]
    return (*others, anchor_constraint(anchor))
