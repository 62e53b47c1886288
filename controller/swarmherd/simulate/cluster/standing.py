# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a simulated cluster stands as it should: nothing missing, nothing left behind, nothing half done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from swarmherd.decide.marks import CORDONED, denied, is_cordoned, paused_for
from swarmherd.model import Availability, TaskState, UpdateState
from swarmherd.policy import anchor_label
from swarmherd.policy.labels import scale_policies
from swarmherd.policy.wishes import service_wishes
from swarmherd.simulate.cluster.simulation import Simulation

AT_REST = (UpdateState.NONE, UpdateState.COMPLETED, UpdateState.ROLLBACK_COMPLETED)


def problems(simulation: Simulation) -> tuple[str, ...]:
    """Everything that is not as it should be; empty where all is well."""
    return (
        *switched_off(simulation),
        *unserved(simulation),
        *out_of_bounds(simulation),
        *leftovers(simulation),
        *apart(simulation),
    )


def switched_off(simulation: Simulation) -> Iterator[str]:
    """What a policy or a label tells us not to do."""
    policy = simulation.layout.policy
    if not policy.enabled:
        yield "the policy is switched off (swarmherd_policy.enabled)"
    for name, scale in scale_policies(policy, simulation.swarm.services.values()).by_service.items():
        if not scale.enabled:
            yield f"the scaling of {name} is switched off (scale.enabled)"


def unserved(simulation: Simulation) -> Iterator[str]:
    """Replicas that do not serve, slots that are filled twice, updates that stopped half way."""
    swarm = simulation.swarm
    for service in swarm.services.values():
        serving, kept = swarm.serving(service.name), swarm.kept(service.name)
        if serving != service.replicas:
            yield f"{serving} of {service.replicas} replicas of {service.name} serve"
        if twice := [slot for slot, many in Counter(task.slot for task in kept).items() if many > 1]:
            yield f"{service.name}.{twice[0]} is there twice"
        if service.update_state not in AT_REST:
            yield f"the update of {service.name} is {service.update_state.value}"
        if any(t.state is TaskState.RUNNING and images_differ(simulation, t.id, service.image) for t in kept):
            yield f"{service.name} runs of two images"


def images_differ(simulation: Simulation, task: str, image: str) -> bool:
    return simulation.swarm.images.get(task, image) != image


def out_of_bounds(simulation: Simulation) -> Iterator[str]:
    there = simulation.swarm.services
    for name, scale in scale_policies(simulation.layout.policy, there.values()).by_service.items():
        replicas = there[name].replicas if name in there else None
        if replicas is not None and scale.enabled and not scale.min <= replicas <= scale.max:
            yield f"{name} has {replicas} replicas, not {scale.min} to {scale.max}"


def leftovers(simulation: Simulation) -> Iterator[str]:
    """Marks and pauses of moves, drains of nodes and servers, and entries of the journal that nobody closed."""
    for host in simulation.swarm.hosts.values():
        node = host.node
        if denied(node):
            yield f"{node.hostname} denies {', '.join(denied(node))}"
        if (service := paused_for(node)) is not None:
            yield f"{node.hostname} bears the mark of a pause for {service}"
        if CORDONED in node.labels and not is_cordoned(node):
            yield f"{node.hostname} bears the label of a cordon that is over"
        if node.availability is not Availability.ACTIVE:
            yield f"{node.hostname} is on {node.availability.value}"
    for backend, servers in simulation.api.drained.items():
        yield from (f"{task} is drained at {backend}" for task in sorted(servers))
    for entry in simulation.store.unfinished():
        yield f"the entry {entry.action.id} ({entry.action.kind} of {entry.action.service}) is open"
    if running := [name for name, one in simulation.hands.running.items() if one.run is None]:
        yield f"the playbook of {running[0]} still runs"
    if simulation.hands.most_at_once > 1:
        yield "two playbooks ran for the same thing at the same time"


def apart(simulation: Simulation) -> Iterator[str]:
    """Anchors without their label, labels without their anchor, and dependents elsewhere."""
    swarm = simulation.swarm
    follows = service_wishes(simulation.layout.policy, swarm.services.values()).follows
    for dependent, anchor in follows.items():
        where = {task.node_id for task in swarm.kept(anchor)}
        labelled = {h.node.id for h in swarm.hosts.values() if h.node.labels.get(anchor_label(anchor)) == "yes"}
        if labelled != where:
            yield f"{anchor} and its label are on different nodes"
        if {task.node_id for task in swarm.kept(dependent)} - where:
            yield f"{dependent} does not run beside {anchor}"
