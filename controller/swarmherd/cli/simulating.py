# SPDX-License-Identifier: GPL-3.0-or-later
"""`swarmherd simulate`: a cluster in memory, the same decisions and recovery, faults, and what comes of it. Offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from swarmherd.cli.base import AsJson, app, console, one_sentence, print_json
from swarmherd.cli.files import check_page, read_keys, write_page
from swarmherd.simulate.cluster.simulation import BEGIN
from swarmherd.simulate.picture import clock
from swarmherd.simulate.story import Told, document, read_scenario, tell
from swarmherd.simulate.story_page import page

SHOWN_ACTIONS = 20

EXAMPLES = """
[bold]The scenario[/bold]: YAML with nodes, services with their traffic, swarmherd_policy as an inventory has it, and
faults, for example

nodes: 5

services: {shop_web: {replicas: 2, capacity: 50, traffic: {steps: {0s: 60, 5m: 200}}}}

swarmherd_policy: {services: {shop_web: {scale: {min: 2, max: 8, metrics: [{requests_per_replica: 40}]}}}}

faults: [{at: 8m, fault: node_dies, node: n3, lasts: 5m}]

Exits 0 when it could be simulated; 2 when the input is wrong.

Examples:

swarmherd simulate shop.yml

swarmherd simulate shop.yml --html shop.html

swarmherd simulate shop.yml --json
"""


@app.command(name="simulate", epilog=EXAMPLES)
@one_sentence
def simulate_command(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO.yml", help="Nodes, services, policy, faults.")],
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE.html", help="Write pictures here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what would happen: a cluster in memory with the very same controller. Offline: it needs one file."""
    keys = read_keys(scenario, "write nodes: and services: at least")
    wanted, policy = read_scenario(keys, str(scenario))
    if html is not None:
        traces = (service.traffic.trace for service in wanted.services.values())
        check_page("--html", html, [scenario, *(scenario.parent / trace for trace in traces if trace)])
    told = tell(wanted, policy, scenario.parent, str(scenario))
    if html is not None:
        write_page("--html", html, page(scenario.name, told))
    if as_json:
        print_json(document(told))
    else:
        console.print(_shown(told))


def _shown(told: Told) -> RenderableType:
    table = Table("service", "replicas", "serve", "requests", "lost", "without us", "replica hours")
    for name, tally in told.tallies.items():
        replicas, serving = tally.course[-1][3:] if tally.course else (0, 0)
        alone = told.without[name]
        lost, without = (f"{one.lost / one.asked:.3%}" if one.asked else "-" for one in (tally, alone))
        hours = f"{tally.replica_seconds / 3600:.1f}"
        table.add_row(escape(name), str(replicas), str(serving), f"{tally.asked:.0f}", lost, without, hours)
    done = Table("at", "action", "what came of it, and why")
    for entry in told.entries[-SHOWN_ACTIONS:]:
        about = f"{entry.action.kind} {entry.action.service}".strip()
        said = f"{entry.outcome.value.replace('_', ' ')}: {entry.detail}; {entry.action.reason}"
        done.add_row(clock((entry.started_at - BEGIN).total_seconds()), escape(about), escape(said))
    parts: list[RenderableType] = [table, done]
    parts += [f"At {clock(fault.at)}: {escape(str(fault))}." for fault in told.faults]
    ended = "; ".join(told.problems) if told.problems else "all is as it should be"
    parts.append(f"{told.cycles} cycles, {told.abandoned} abandoned. In the end {escape(ended)}.")
    return Group(*parts)
