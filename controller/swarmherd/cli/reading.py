# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that change nothing: validate, plan, status, doctor, schema."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Group
from rich.markup import escape

from swarmherd.cli import advice, documents, fencing, tables
from swarmherd.cli.base import AsJson, app, console, inventories, one_sentence, print_json
from swarmherd.cli.doctor import State, examine
from swarmherd.cli.pausing import documents_of, in_force, kept_of, leader, lines
from swarmherd.decide.windows import standing
from swarmherd.decide.words import count
from swarmherd.model import ClusterView, Plan
from swarmherd.observe.errors import ObserveError
from swarmherd.observe.inventory import read_inventory
from swarmherd.plan import conclude
from swarmherd.policy import json_schema
from swarmherd.service import Cluster, checked, clock, new_id, open_cluster

Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, the newest first.")]


@app.command(epilog="Example: swarmherd -i inventories/lab validate")
@one_sentence
def validate(context: typer.Context) -> None:
    """Check the inventory's settings and policy. Offline: nothing is connected."""
    for path in inventories(context):
        settings, policy = checked(read_inventory(path))
        services = count(len(policy.services), "service")
        typer.echo(f"{path}: cluster {settings.name}, mode {policy.mode.value}, {services}: valid")


@app.command(epilog="Example: swarmherd -i inventories/lab plan --json")
@one_sentence
def plan(context: typer.Context, as_json: AsJson = False) -> None:
    """Say what would be done now, and why. Nothing is done and nothing is remembered."""
    found = []
    for path in inventories(context):
        with open_cluster(path) as cluster:
            windows = list(standing(cluster.policy, clock()))
            planned, view = _plan(cluster)
            advised = advice.standing_advice(cluster, view)
            found.append((cluster.policy.mode, planned, in_force(cluster, clock()), windows, advised))
    if as_json:
        print_json(
            [
                documents.plan(mode, one)
                | {"pauses": documents_of(pauses), "windows": windows}
                | {"reservations": [advice.document(two) for two in advised]}
                for mode, one, pauses, windows, advised in found
            ]
        )
        return
    for mode, one, pauses, windows, advised in found:
        said = (escape(f"window: {text}") for text in windows)
        console.print(Group(tables.plan(mode, one), *advice.brief(advised), *said, *lines(pauses)))


def _plan(cluster: Cluster) -> tuple[Plan, ClusterView]:
    now = clock()
    memory = cluster.store.memory().at(now)
    cluster.be_patient()
    view = cluster.observer.observe(cluster.policy, now)
    planned, _memory = conclude(view, cluster.policy, memory, now, new_id)
    return planned, view


@app.command(epilog="Example: swarmherd -i inventories/lab status")
@one_sentence
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show nodes, services with their replicas, and what was decided last. Exits 1 if Docker cannot be read."""
    found = []
    for path in inventories(context):
        with open_cluster(path) as cluster:
            found.append((_status(cluster), cluster.store.memory().at(clock()), cluster.store.lease()))
    if as_json:
        print_json(
            [
                one.document() | kept_of(memory.pauses, lease) | {"fences": fencing.documents_of(memory, one.view)}
                for one, memory, lease in found
            ]
        )
    else:
        for one, memory, lease in found:
            fences = map(escape, fencing.sentences(memory, one.view))
            console.print(Group(tables.status(one), *lines(memory.pauses), *fences, leader(lease)))
    if any(one.problem for one, _memory, _lease in found):
        raise typer.Exit(1)


def _status(cluster: Cluster) -> documents.Status:
    last, cycle = cluster.store.last_decisions(), cluster.store.last_cycle()
    name, mode = cluster.settings.name, cluster.policy.mode
    try:
        return documents.Status(name, mode, cluster.view(), last, cycle)
    except ObserveError as error:
        return documents.Status(name, mode, None, last, cycle, str(error))


@app.command(epilog="Example: swarmherd -i inventories/lab doctor")
@one_sentence
def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Check everything that must be there, and say the remedy for what is not. Exits 1 if a check fails."""
    checks = [check for path in inventories(context) for check in examine(path)]
    if as_json:
        print_json([check.document() for check in checks])
    else:
        console.print(tables.checks(checks))
    if any(check.state is State.FAIL for check in checks):
        raise typer.Exit(1)


@app.command(epilog="Example: swarmherd schema > swarmherd.schema.json")
def schema() -> None:
    """Print the JSON Schema of swarmherd_cluster and swarmherd_policy, for editors."""
    print_json(json_schema())
