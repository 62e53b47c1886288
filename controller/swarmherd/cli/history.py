# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands about what was done, and why: history and replay. Both work from the store alone."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from swarmherd.cli import documents, tables
from swarmherd.cli.base import AsJson, InputError, app, console, inventories, one_sentence, print_json, single
from swarmherd.cli.times import instant, iso
from swarmherd.decide.words import count
from swarmherd.model import Node, Outcome, Plan
from swarmherd.replay import Difference, Kept
from swarmherd.replay import replay as decide_again
from swarmherd.service import Cluster, clock, open_cluster
from swarmherd.store import Entry, UnreadableError, Wanted

SHORTEST_ID = 4
LAST = "last"
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, the newest first.")]


@app.command(epilog="Example: swarmherd -i inventories/lab history --service shop_web --outcome given_up --since 1d")
@one_sentence
def history(
    context: typer.Context,
    service: Annotated[str | None, typer.Option("--service", help="Only this service.")] = None,
    node: Annotated[str, typer.Option("--node", help="Only what changed this node, or took tasks from it.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="Only this kind: scale, move, …")] = "",
    outcome: Annotated[Outcome | None, typer.Option("--outcome", help="Only what came to this.")] = None,
    since: Annotated[str, typer.Option("--since", help="Not before: 1h, 2d, or 2026-03-01T12:00 (UTC).")] = "",
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List what was done, from the journal, the newest first."""
    begin = instant("--since", since, clock()) if since else None
    found: list[Entry] = []
    for path in inventories(context):
        with open_cluster(path) as cluster:
            nodes = _called(cluster, node) if node else frozenset()
            found += cluster.store.history(limit, service, Wanted(kind, outcome, begin, nodes))
    if as_json:
        print_json([documents.entry(one) for one in found])
    else:
        console.print(tables.history(found))


@app.command(epilog="Example: swarmherd -i inventories/lab replay 3f9c2a1b")
@one_sentence
def replay(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="ID", help="An action's id or its beginning, a cycle's time, or last.")
    ],
    as_json: AsJson = False,
) -> None:
    """Decide again, offline, on what a cycle was decided on. Exits 1 and says what differs, if anything does."""
    with open_cluster(single(context)) as cluster:
        kept = _kept(cluster, name)
    plan, differences = decide_again(kept)
    if as_json:
        print_json(_document(kept, plan, differences))
    else:
        _say(kept, plan, differences)
    if differences:
        raise typer.Exit(1)


def _kept(cluster: Cluster, name: str) -> Kept:
    try:
        found = cluster.store.kept(None if name == LAST else _decided_at(cluster, name))
    except UnreadableError as error:
        raise InputError(str(error)) from error
    if found is None:
        raise InputError(f"{name}: what it was decided on is not kept; a person's own action has none, and old ones go")
    return found


def _decided_at(cluster: Cluster, name: str) -> datetime:
    if (at := iso(name)) is not None:
        return at
    found = cluster.store.entry(name) if len(name) >= SHORTEST_ID else ()
    if len(found) != 1:
        what = "several actions' ids begin so; write more of it" if found else "no action's id begins so; see history"
        raise InputError(f"{name}: {what}")
    return found[0].decided_at


def _called(cluster: Cluster, name: str) -> frozenset[str]:
    """All that the node is called, as far as the last cycle knew."""
    try:
        kept = cluster.store.kept()
    except UnreadableError:
        kept = None
    nodes: tuple[Node, ...] = kept.inputs.view.nodes if kept else ()
    same = [one for one in nodes if name in (one.id, one.hostname)]
    return frozenset({name, *(word for one in same for word in (one.id, one.hostname))})


def _document(kept: Kept, plan: Plan, differences: tuple[Difference, ...]) -> dict[str, Any]:
    return {
        "cluster": plan.cluster,
        "at": plan.at.isoformat(),
        "program": kept.program,
        "same": not differences,
        "differences": [{"where": one.where, "then": one.then, "now": one.now} for one in differences],
        "plan": documents.plan(kept.inputs.policy.mode, plan),
    }


def _say(kept: Kept, plan: Plan, differences: tuple[Difference, ...]) -> None:
    console.print(tables.plan(kept.inputs.policy.mode, plan))
    said = f"{count(len(plan.decisions), 'decision')} and {count(len(plan.actions), 'action')}"
    if not differences:
        typer.echo(f"{plan.cluster}, {plan.at:%Y-%m-%d %H:%M:%S}: the same as then: {said}")
        return
    typer.echo(f"{plan.cluster}, {plan.at:%Y-%m-%d %H:%M:%S}: not as then, by swarmherd {kept.program}:")
    for one in differences:
        typer.echo(f"  {one}")
