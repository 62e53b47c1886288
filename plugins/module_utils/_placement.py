# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a service may run: from what a task wants to its spec, to labels of nodes, and to what is evicted. Pure.

A service that follows another one bears a constraint on the label that the node of the other one, its anchor, carries.
"""

from __future__ import annotations

import copy
from typing import Any, Dict, Iterable, Mapping, Sequence

from . import _constraints, _nodes
from ._errors import SwarmError
from ._service_fields import preferences
from ._service_spec import value_at
from ._tasks import takes_tasks
from ._values import label_text, stripped

Document = Mapping[str, Any]
Labels = Dict[str, Dict[str, str]]
"""Labels to set, by node id."""

ANCHOR = "swarmherd.anchor."
PLACEMENT = ("TaskTemplate", "Placement")


def anchor_constraint(anchor: str) -> str:
    return f"node.labels.{ANCHOR}{anchor} == yes"


def desired_spec(held: Document, params: Mapping[str, Any]) -> dict[str, Any]:
    """The whole spec to write: `held` with what the task names, and nothing else touched."""
    before = dict(value_at(held, PLACEMENT) or {})
    after = dict(before)
    constraints = before.get("Constraints") or []
    add, remove = list(params["constraints"]), list(params["remove_constraints"])
    if params["follows"] is not None:
        remove += _other_anchors(constraints, params["follows"])
        add += [anchor_constraint(params["follows"])] if params["follows"] else []
    after["Constraints"] = _constraints.with_and_without(constraints, add, remove)
    if params["preferences"] is not None:
        _refuse_bad_preferences(params["preferences"])
        after["Preferences"] = preferences(params["preferences"], before.get("Preferences"))
    if params["max_replicas_per_node"] is not None:
        if params["max_replicas_per_node"] < 0:
            raise SwarmError(f"max_replicas_per_node: {params['max_replicas_per_node']} is less than none")
        after["MaxReplicas"] = params["max_replicas_per_node"]
    if stripped(after) == stripped(before):
        return dict(held)
    spec = copy.deepcopy(dict(held))
    spec["TaskTemplate"]["Placement"] = {key: value for key, value in after.items() if value not in (None, 0, [])}
    return spec


def _other_anchors(constraints: Iterable[str], anchor: str) -> list[str]:
    """A service has one anchor at most."""
    wanted = _constraints.meaning(anchor_constraint(anchor)) if anchor else None
    found = [text for text in constraints if _anchor_of(text)]
    return [text for text in found if _constraints.meaning(text) != wanted]


def _anchor_of(text: str) -> str:
    meaning = _constraints.meaning(text)
    prefix = "node.labels." + ANCHOR
    return meaning[0][len(prefix) :] if meaning and meaning[0].startswith(prefix) and not meaning[1] else ""


def anchor(spec: Document) -> str:
    """The service that this one follows, or an empty string."""
    found = (_anchor_of(text) for text in value_at(spec, (*PLACEMENT, "Constraints")) or [])
    return next((name for name in found if name), "")


def _refuse_bad_preferences(wanted: Sequence[str]) -> None:
    for key in wanted:
        if not any(key.startswith(prefix) and len(key) > len(prefix) for prefix in _constraints.LABELS):
            raise SwarmError(
                f"preferences: {key!r} is nothing to spread over; write node.labels.NAME or engine.labels.NAME"
            )


# ---------------------------------------------------------------- labels of nodes, before any constraint


def labels_to_set(nodes: Sequence[Document], wanted: Mapping[str, Any]) -> Labels:
    """What `node_labels` asks for, by node id. Raises where a node is not there or a value is no text."""
    found: Labels = {}
    for name, labels in wanted.items():
        if not isinstance(labels, Mapping):
            raise SwarmError(f"node_labels.{name}: give the node a dictionary of labels")
        texts = {str(key): label_text(value, f"node_labels.{name}.{key}") for key, value in labels.items()}
        found.setdefault(_nodes.find(nodes, str(name))["ID"], {}).update(texts)
    return found


def anchor_label(
    anchor_service: Document, tasks: Iterable[Document], nodes: Sequence[Document], labels: Labels
) -> Labels:
    """The label that the anchor's node lacks. Nothing where a node has it already: moving it is for `relabel`.

    It is put only where the anchor is seen running, on exactly one node (S4).
    """
    name = anchor_service["Spec"]["Name"]
    key = ANCHOR + name
    if any((node["Spec"].get("Labels") or {}).get(key, "").lower() == "yes" for node in with_labels(nodes, labels)):
        return {}
    up = {node["ID"]: _nodes.hostname(node) for node in nodes if _nodes.is_up(node)}
    where = {task["NodeID"] for task in tasks if task["Status"]["State"] == "running" and task.get("NodeID") in up}
    if not where:
        raise SwarmError(f"follows: {name} is seen running nowhere: there is no node to follow it to; start it first")
    if len(where) > 1:
        hosts = ", ".join(sorted(up[node_id] for node_id in where))
        raise SwarmError(
            f"follows: {name} runs on several nodes ({hosts}), and a service follows one; label the right one with"
            f" {key}=yes first"
        )
    return {where.pop(): {key: "yes"}}


def with_labels(nodes: Sequence[Document], labels: Labels) -> list[Document]:
    """The nodes as they are once those labels are set."""
    return [labelled(node, labels.get(node["ID"], {})) for node in nodes]


def labelled(node: Document, labels: Mapping[str, str]) -> Document:
    held = node["Spec"].get("Labels") or {}
    return {**node, "Spec": {**node["Spec"], "Labels": {**held, **labels}}} if {**held, **labels} != held else node


# ---------------------------------------------------------------- what it does to tasks


def refuse_homeless(spec: Document, nodes: Sequence[Document]) -> None:
    """Raises a SwarmError where no node would be left to the service."""
    constraints = value_at(spec, (*PLACEMENT, "Constraints")) or []
    if any(takes_tasks(node, constraints) for node in nodes):
        return
    why = "; ".join(_why_not(node, constraints) for node in nodes)
    raise SwarmError(f"refused: no node would be left to {spec['Name']}: {why}; force: true sets it all the same")


def _why_not(node: Document, constraints: Iterable[str]) -> str:
    unmatched = [text for text in constraints if not _constraints.matches(node, text)]
    state = node["Status"]["State"] if not _nodes.is_up(node) else node["Spec"].get("Availability", "active")
    return f"{_nodes.hostname(node)} " + (f"does not match {', '.join(unmatched)}" if unmatched else f"is {state}")


def evicted(spec: Document, tasks: Iterable[Document], nodes: Sequence[Document]) -> list[str]:
    """Ids of the running tasks whose node will not match any more: Swarm replaces them on another."""
    constraints = value_at(spec, (*PLACEMENT, "Constraints")) or []
    unfit = {
        node["ID"] for node in nodes if not all(_constraints.matches(node, constraint) for constraint in constraints)
    }
    return [task["ID"] for task in tasks if task["DesiredState"] == "running" and task.get("NodeID") in unfit]


def shown(spec: Document, nodes: Iterable[Document], labels: Labels) -> dict[str, Any]:
    """A placement for diff mode and results."""
    placement = value_at(spec, PLACEMENT) or {}
    return {
        "constraints": list(placement.get("Constraints") or []),
        "preferences": [one["Spread"]["SpreadDescriptor"] for one in placement.get("Preferences") or []],
        "max_replicas_per_node": placement.get("MaxReplicas", 0),
        "follows": anchor(spec),
        "node_labels": {
            _nodes.hostname(node): {
                key: value for key, value in (node["Spec"].get("Labels") or {}).items() if key in labels[node["ID"]]
            }
            for node in nodes
            if node["ID"] in labels
        },
    }
