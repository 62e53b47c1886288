# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node is, what it has, and why it takes tasks or not. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from swarmherd.decide.marks import denied, is_cordoned, paused_for
from swarmherd.decide.place.seen import nodes as seen_nodes
from swarmherd.decide.words import number
from swarmherd.explain.service import ANCHOR
from swarmherd.explain.words import amount, listed, percent, seconds
from swarmherd.model import Availability, ClusterView, Node, NodeState, Rescue, TaskState

USES = ("cpu", "memory", "disk", "network")


def about_node(view: ClusterView, node: Node, rescue: Rescue | None = None) -> Iterator[str]:
    """Sentences, the most telling first. `rescue` is what is decided now about nodes that fail, where anybody did."""
    leads = ", and leads the managers" if node.leader else ""
    address = f" at {node.address}" if node.address else ""
    yield (
        f"{node.hostname} ({node.id}) is a {node.role.value}{address}{leads}; "
        f"it is {node.state.value}, with the availability {node.availability.value}."
    )
    yield from _standing(node, rescue or Rescue())
    yield from _why_no_tasks(view, node)
    for service in denied(node):
        yield f"A move of {service}, under way or cut short, keeps the tasks of {service} off it."
    for label in sorted(node.labels):
        if label.startswith(ANCHOR) and node.labels[label].casefold() == "yes":
            yield f"It has the label of the anchor {label.removeprefix(ANCHOR)}: what follows that runs here."
    yield _tasks(view, node)
    yield from _reserved(view, node)
    use = view.node_use.get(node.id)
    said = [f"{name} {percent(reading)}" for name in USES if (reading := getattr(use, name, None)) is not None]
    if said:
        yield f"Really used: {', '.join(said)}."
    if use is not None and use.response is not None:
        yield f"It answers in {seconds(use.response)}."


def _standing(node: Node, rescue: Rescue) -> Iterator[str]:
    """What the two witnesses say, and what is made of that."""
    if (found := rescue.of(node.id)) is not None:
        yield f"Its standing is {found.standing.value}{': ' + found.because if found.reasons else ''}."
    yield from (f"The brake is on: {why}." for why in rescue.brake)
    yield from (f"Of cordons: {one.because}." for one in rescue.cordons if one.node == node.id)
    yield from (f"Of what it held: {one.because}." for one in rescue.recreations if one.node == node.id)


def _why_no_tasks(view: ClusterView, node: Node) -> Iterator[str]:
    if node.state is not NodeState.READY:
        yield f"It takes no tasks, because it is {node.state.value}; its old ones stay listed for a day."
    if node.availability is Availability.DRAIN:
        yield "It takes no tasks, because somebody drained it; activate lets it take tasks again."
    if node.availability is Availability.PAUSE:
        service = paused_for(node)
        by = f"a move of {service}, under way or cut short," if service else "somebody"
        by = "a cordon of ours" if is_cordoned(node) else by
        yield f"It takes no new tasks, because {by} paused it."
    twins = [other for other in view.nodes if other.hostname == node.hostname and other.id != node.id]
    if twins:
        ids = listed(f"{other.id} ({other.state.value})" for other in twins)
        yield f"Another entry has its hostname: {ids}. A host that joins anew leaves its old one behind; remove that."


def _tasks(view: ClusterView, node: Node) -> str:
    there = [t for t in view.tasks if t.node_id == node.id and t.desired is TaskState.RUNNING]
    counted = Counter(task.service for task in there)
    if not there:
        return "Swarm wants no tasks there."
    said = listed(f"{many} of {name}" for name, many in sorted(counted.items(), key=lambda one: (-one[1], one[0])))
    return f"Swarm wants {len(there)} tasks there: {said}."


def _reserved(view: ClusterView, node: Node) -> Iterator[str]:
    seen = {one.id: one for one in seen_nodes(view)}[node.id]
    if node.cpus and node.memory_bytes:
        cpu, memory = number(seen.reserved.cpu), amount(seen.reserved.memory_bytes)
        yield f"They reserve {cpu} of {number(node.cpus)} CPUs and {memory} of {amount(node.memory_bytes)}."
