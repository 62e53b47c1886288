# SPDX-License-Identifier: GPL-3.0-or-later
"""What an action changes, in as few words as its kind allows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarmherd.decide.advise import Resource, amount
from swarmherd.decide.words import count
from swarmherd.model import Action


def change(action: Action) -> str:
    """`shop_web 2 -> 4`, `shop_web off n1`, `anchor shop_db to n2`, `n1 active -> drain`, `cordon n1`,
    `shop_web task k3xq`, `shop_web to reserve 0.25 cores, 256 MiB`.

    A kind that is not known here is called by its name; a node is named as the action names it.
    """
    said, undo = action.parameters, action.undo
    node = said.get("swarmherd_node")
    match action.kind:
        case "scale":
            return f"{action.service} {undo.get('swarmherd_replicas')} -> {said.get('swarmherd_replicas')}"
        case "move":
            task = said.get("swarmherd_task")
            return f"{action.service}{f' task {task}' if task else ''} off {node}"
        case "relabel":
            return f"anchor {said.get('swarmherd_anchor')} to {node}"
        case "restart":
            return f"{action.service} task {said.get('swarmherd_task')}"
        case "resources" | "rollback":
            return f"{action.service} to {_resources(said) or 'its previous specification'}"
        case "release":
            names = [str(one["name"]) for one in said.get("swarmherd_dependents", ())]
            anchor = said.get("swarmherd_anchor")
            return f"{', '.join(names)} no longer beside {anchor}" if names else f"no label of {anchor}"
        case "drain":
            return f"{node} {undo.get('swarmherd_availability')} -> {said.get('swarmherd_availability')}"
        case "failover":
            return f"{said.get('swarmherd_measure')} {action.service or node}"
        case "bootstrap":
            return f"{count(len(said.get('swarmherd_nodes') or ()), 'node')} to join and to label"
    return f"{action.service} {action.kind}".strip()


def _resources(said: Mapping[str, Any]) -> str:
    words = []
    for verb, kind in (("reserve", "reservations"), ("use at most", "limits")):
        amounts = said.get(f"swarmherd_{kind}") or {}
        both = ((Resource.CPU, amounts.get("cpus")), (Resource.MEMORY, amounts.get("memory")))
        known = [amount(resource, float(value)) for resource, value in both if value is not None]
        words += [f"{verb} {', '.join(known)}"] if known else []
    return " and ".join(words)
