# SPDX-License-Identifier: GPL-3.0-or-later
"""The command explain: why a service, a node or a task is where it is."""

from __future__ import annotations

from typing import Annotated

import typer

from swarmherd.cli import tables
from swarmherd.cli.base import AsJson, InputError, app, console, one_sentence, print_json, single
from swarmherd.cli.documents import Explained
from swarmherd.explain import Explanation
from swarmherd.explain import explain as explanation
from swarmherd.observe.errors import ObserveError
from swarmherd.plan.conclude import conclude
from swarmherd.service import Cluster, clock, new_id, open_cluster
from swarmherd.store import Entry

LOOKED_THROUGH = 500
"""Entries of the journal, the newest first, that are looked through for what concerns a node."""


@app.command(
    epilog="Example: swarmherd -i inventories/lab explain shop_web\n\n"
    "Example: swarmherd -i inventories/lab explain worker2\n\n"
    "Example: swarmherd -i inventories/lab explain shop_web.3"
)
@one_sentence
def explain(
    context: typer.Context,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="SERVICE|NODE|TASK",
            help="A service's or node's name or id; a task's id, the beginning of it, or SERVICE.SLOT.",
        ),
    ],
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, help="How many decisions and actions, the newest first.")
    ] = 5,
    as_json: AsJson = False,
) -> None:
    """Say in sentences why something is where it is: what holds it, why it waits or stays, what was decided and done.

    Exits 1 where Docker cannot be read, with what is stored.
    """
    with open_cluster(single(context)) as cluster:
        found = _explained(cluster, subject, limit)
    if as_json:
        print_json(found.document())
    else:
        console.print(tables.explained(found))
    if found.problem:
        raise typer.Exit(1)


def _explained(cluster: Cluster, word: str, limit: int) -> Explained:
    now = clock()
    try:
        view = cluster.observer.observe(cluster.policy, now)
    except ObserveError as error:
        return _stored(cluster, word, limit, f"Docker cannot be read: {error}", str(error))
    try:
        planned, _memory = conclude(view, cluster.policy, cluster.store.memory().at(now), now, new_id)
        said = explanation(view, cluster.policy, word, now, planned.arrangement, planned.decisions)
    except LookupError as error:
        gone = f"There is no service {word} any more; this is what is stored of it."
        found = _stored(cluster, word, limit, gone)
        if not (found.decisions or found.actions):
            raise InputError(str(error)) from error
        return found
    except ValueError as error:
        raise InputError(str(error)) from error
    decisions = cluster.store.decisions_of(said.service, limit) if said.service else ()
    actions = _actions(cluster, said, limit)
    return Explained(cluster.settings.name, said.kind, said.name, said.id, said.sentences, decisions, actions)


def _stored(cluster: Cluster, service: str, limit: int, sentence: str, problem: str = "") -> Explained:
    decisions, actions = cluster.store.decisions_of(service, limit), cluster.store.history(limit, service)
    return Explained(cluster.settings.name, "service", service, "", (sentence,), decisions, actions, problem)


def _actions(cluster: Cluster, said: Explanation, limit: int) -> tuple[Entry, ...]:
    """Those about its service, or that name the node."""
    if said.service:
        return cluster.store.history(limit, said.service)
    found = (one for one in cluster.store.history(LOOKED_THROUGH) if _names(one, (said.id, said.name)))
    return tuple(found)[:limit]


def _names(entry: Entry, node: tuple[str, str]) -> bool:
    said = entry.action.parameters
    old = said.get("swarmherd_old_nodes") or ()
    return said.get("swarmherd_node") in node or any(name in node for name in old)
