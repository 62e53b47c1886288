# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands by which a person says that a node's host is off: fence and unfence (S10)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from swarmherd.by_hand import find_node
from swarmherd.cli.base import AsJson, InputError, app, one_sentence, print_json, single
from swarmherd.cli.pausing import user
from swarmherd.model import ClusterView, Fence, Memory, NodeState
from swarmherd.service import Cluster, clock, open_cluster

NodeName = Annotated[str, typer.Argument(metavar="NODE", help="The node's hostname or id.")]


@app.command(epilog="Example: swarmherd -i inventories/lab fence worker2 --why 'its power is cut'")
@one_sentence
def fence(
    context: typer.Context,
    node: NodeName,
    why: Annotated[str, typer.Option("--why", help="How you know; it is kept, and said with what is then done.")],
    who: Annotated[str, typer.Option("--who", help="Who says so; you, unless told.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say that the host of NODE is off and stays off: what only it could run may then be brought up elsewhere.

    A host that is not off may go on writing where its successor writes. The word ends when the node is seen ready.
    """
    if not why.strip():
        raise InputError("a fence needs to say how you know that the host is off: data may depend on it")
    with open_cluster(single(context)) as cluster:
        view = cluster.view()
        node_id, name = _named(view, node)
        seen = view.node(node_id)
        if seen is not None and seen.state is NodeState.READY:
            raise InputError(f"Swarm has {name} ready, so its host is not off; wait until it is seen down")
        word = Fence(who.strip() or user(), why.strip(), clock())
        before = cluster.store.memory()
        cluster.store.remember(before, replace(before, fences={**before.fences, node_id: word}))
        _show(cluster, view, as_json)


@app.command(epilog="Example: swarmherd -i inventories/lab unfence worker2")
@one_sentence
def unfence(context: typer.Context, node: NodeName, as_json: AsJson = False) -> None:
    """Take back that the host of NODE is off. What was brought up elsewhere stays there."""
    with open_cluster(single(context)) as cluster:
        view, before = cluster.view(), cluster.store.memory()
        node_id = node if node in before.fences else _named(view, node)[0]
        if node_id not in before.fences:
            there = "; ".join(sentences(before, view)) or "nobody has said that of any node"
            raise InputError(f"{cluster.settings.name}: nobody has said that the host of {node} is off; {there}")
        after = {name: one for name, one in before.fences.items() if name != node_id}
        cluster.store.remember(before, replace(before, fences=after))
        _show(cluster, view, as_json)


def sentences(memory: Memory, view: ClusterView | None) -> list[str]:
    """`ana says that the host of worker2 is off, since 2026-03-01 14:00:00 UTC: its power is cut`"""
    return [
        f"{one.who} says that the host of {_called(view, node_id)} is off, "
        f"since {one.at:%Y-%m-%d %H:%M:%S} UTC: {one.why}"
        for node_id, one in sorted(memory.fences.items())
    ]


def documents_of(memory: Memory, view: ClusterView | None) -> list[dict[str, Any]]:
    return [
        {"node": node_id, "name": _called(view, node_id), "who": one.who, "why": one.why, "at": one.at.isoformat()}
        for node_id, one in sorted(memory.fences.items())
    ]


def _named(view: ClusterView, name: str) -> tuple[str, str]:
    """The node's id and hostname. Of several with one hostname, the only one that is not ready."""
    gone = [one for one in view.nodes if one.hostname == name and one.state is not NodeState.READY]
    if len(gone) == 1:
        return gone[0].id, gone[0].hostname
    try:
        found = find_node(view, name)
    except LookupError as error:
        raise InputError(str(error)) from error
    return found.id, found.hostname


def _called(view: ClusterView | None, node_id: str) -> str:
    node = view.node(node_id) if view is not None else None
    return node_id if node is None else node.hostname


def _show(cluster: Cluster, view: ClusterView, as_json: bool) -> None:
    memory, name = cluster.store.memory(), cluster.settings.name
    if as_json:
        print_json({"cluster": name, "fences": documents_of(memory, view)})
        return
    for said in sentences(memory, view) or ["no host is said to be off"]:
        typer.echo(f"{name}: {said}")
