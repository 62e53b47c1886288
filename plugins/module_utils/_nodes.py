# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes as the managers list them: finding one, ghosts, the managers' majority. Pure."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ._errors import NotFoundError, SwarmError

Document = Mapping[str, Any]


def hostname(node: Document) -> str:
    """The id of a node that has none: let in, its engine has not told the managers of itself yet, or died before."""
    return (node.get("Description") or {}).get("Hostname") or node["ID"]


def role(node: Document) -> str:
    return node["Spec"]["Role"]


def is_up(node: Document) -> bool:
    return node["Status"]["State"] == "ready"


def is_down(node: Document) -> bool:
    """Seen down by the managers. A node of unknown state is not down."""
    return node["Status"]["State"] == "down"


def address(node: Document) -> str:
    """Where the node is reached. Some engines say 0.0.0.0 of a manager; its Raft address is the true one."""
    manager = (node.get("ManagerStatus") or {}).get("Addr", "")
    return manager.rpartition(":")[0].strip("[]") if manager else node["Status"].get("Addr", "")


def find(nodes: Sequence[Document], name: str) -> Document:
    """The node with that id or hostname. Of several with one hostname, the only one that is not down.

    Raises NotFoundError, or SwarmError where the name means several nodes.
    """
    found = named(nodes, name)
    living = [node for node in found if not is_down(node)]
    if len(found) > 1 and len(living) == 1:
        found = living
    if not found:
        known = ", ".join(sorted({hostname(node) for node in nodes}))
        raise NotFoundError(f"the Swarm has no node {name}; it has {known}")
    if len(found) > 1:
        ids = ", ".join(sorted(node["ID"] for node in found))
        raise SwarmError(f"several nodes are called {name}; give the id of one: {ids}")
    return found[0]


def named(nodes: Sequence[Document], name: str) -> list[Document]:
    """The node with that id, or all of that hostname, the one that joined last at the end."""
    exact = [node for node in nodes if node["ID"] == name]
    return exact or sorted((node for node in nodes if hostname(node) == name), key=lambda node: node["CreatedAt"])


def ghosts(nodes: Sequence[Document], node: Document) -> list[Document]:
    """Entries that `node` left behind when its host joined before: same hostname, down, and older than it."""
    return [
        other
        for other in nodes
        if other["ID"] != node["ID"]
        and hostname(other) == hostname(node)
        and is_down(other)
        and other["CreatedAt"] < node["CreatedAt"]
    ]


def majority_problem(nodes: Sequence[Document], without: Document) -> str:
    """Why the managers cannot do without that node (S23), or an empty string where they can.

    They agree only while more than half of them are reachable, counted after it has gone.
    """
    if role(without) != "manager":
        return ""
    left = [node for node in nodes if role(node) == "manager" and node["ID"] != without["ID"]]
    if not left:
        return f"{hostname(without)} is the last manager, and without it there is no Swarm"
    reachable = [node for node in left if (node.get("ManagerStatus") or {}).get("Reachability") == "reachable"]
    if 2 * len(reachable) > len(left):
        return ""
    return (
        f"without {hostname(without)} only {len(reachable)} of {len(left)} managers would be reachable,"
        " and they would lose their majority; bring the others back or remove them first"
    )


def told(node: Document) -> dict[str, Any]:
    """A node in the words of a module's result."""
    description, manager = node.get("Description") or {}, node.get("ManagerStatus") or {}
    resources = description.get("Resources") or {}
    return {
        "id": node["ID"],
        "hostname": hostname(node),
        "role": role(node),
        "state": node["Status"]["State"],
        "availability": node["Spec"].get("Availability", "active"),
        "address": address(node),
        "labels": dict(node["Spec"].get("Labels") or {}),
        "engine_labels": dict((description.get("Engine") or {}).get("Labels") or {}),
        "cpus": resources.get("NanoCPUs", 0) / 1e9,
        "memory_bytes": resources.get("MemoryBytes", 0),
        "engine_version": (description.get("Engine") or {}).get("EngineVersion", ""),
        "leader": bool(manager.get("Leader")),
        "reachability": manager.get("Reachability", ""),
        "version": node["Version"]["Index"],
    }


def labels_after(
    held: Mapping[str, str], wanted: Mapping[str, str], remove: Sequence[str], exact: bool
) -> dict[str, str]:
    """A node's labels once `wanted` are set and `remove` are gone; with `exact` nothing else remains."""
    both = sorted(set(wanted) & set(remove))
    if both:
        raise SwarmError(f"remove: {', '.join(both)} stands in labels as well; name a key in one of them")
    after = {} if exact else {key: value for key, value in held.items() if key not in remove}
    after.update(wanted)
    return after


def only(nodes: Sequence[Document], node_id: str) -> Document | None:
    return next((node for node in nodes if node["ID"] == node_id), None)
