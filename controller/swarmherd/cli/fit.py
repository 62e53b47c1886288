# SPDX-License-Identifier: GPL-3.0-or-later
"""`swarmherd fit`: will these tasks fit on these nodes, and where? Offline, from two files."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from swarmherd.cli.base import AsJson, app, console, one_sentence, print_json
from swarmherd.cli.fit_input import FitTask, in_order, read_nodes, read_tasks
from swarmherd.decide.place import NodeCapacity, Placement, Placer, Settings, Strategy

SHOWN = 40
"""Rows of a table for people; --json has all."""

FORMATS = """
[bold]Files[/bold] end in .csv, .json, .yml or .yaml, and .gz after that. JSON and YAML hold a list of mappings, or a
mapping with the key nodes or tasks; their keys are the columns. Any column but name may be missing, any cell empty.

[bold]Nodes[/bold]: name,cpu,memory,gpu,disk,labels. Missing means no limit.

[bold]Tasks[/bold]: name,cpu,memory,gpu,disk,replicas,constraints,affinity,priority. Missing means no need.
With replicas, the tasks are called NAME.1, NAME.2, …; without, there is one, called NAME.

[bold]cpu[/bold] is in cores; [bold]memory[/bold] and [bold]disk[/bold] are in bytes or with a suffix (powers of
1024): 512m, 2g. [bold]labels[/bold]: k=v;k2=v2, or a mapping. [bold]constraints[/bold]:
node.labels.k==v;node.hostname!=n1, or a list, also of {key, operator: In | NotIn | Exists | DoesNotExist, values}.
[bold]affinity[/bold]: node.labels.k==v:WEIGHT;…, or a list. [bold]priority[/bold]: a whole number; the higher ones
are placed first.

Exits 0 when it could be computed, whether or not all tasks have a place; 2 when the input is wrong.

Example: swarmherd fit --nodes nodes.csv --tasks tasks.csv --strategy pack
"""


@dataclass(frozen=True, slots=True)
class Fit:
    """Where everything goes; `placements` are in the order of the file."""

    nodes: list[NodeCapacity]
    tasks: list[FitTask]
    placements: list[Placement]
    seconds: float
    imbalance: float

    @property
    def placed(self) -> int:
        return sum(len(placement.nodes) for placement in self.placements)

    @property
    def nodes_used(self) -> int:
        return len({row for placement in self.placements for row in placement.nodes})

    def unplaced(self) -> list[dict[str, str]]:
        return [
            {"name": task.name(number), "explanation": placement.explanation}
            for task, placement in zip(self.tasks, self.placements, strict=True)
            for number in range(len(placement.nodes) + 1, task.shape.replicas + 1)
        ]

    def assignments(self) -> list[dict[str, str]]:
        return [
            {"task": task.name(number), "node": self.nodes[row].name}
            for task, placement in zip(self.tasks, self.placements, strict=True)
            for number, row in enumerate(placement.nodes, 1)
        ]

    def document(self, assignments: bool) -> dict[str, Any]:
        rate = self.placed / self.seconds if self.seconds else 0.0
        return {
            "placed": self.placed,
            "unplaced": self.unplaced(),
            **({"assignments": self.assignments()} if assignments else {}),
            "nodes_used": self.nodes_used,
            "seconds": round(self.seconds, 6),
            "placements_per_second": round(rate, 1),
            "imbalance": round(self.imbalance, 6),
        }


def compute(nodes: list[NodeCapacity], tasks: list[FitTask], strategy: Strategy) -> Fit:
    """Places everything. `seconds` is deciding alone: reading the files and printing are not in it."""
    started = time.perf_counter()
    placer = Placer(nodes, Settings(strategy=strategy))
    order = in_order(tasks, nodes)
    found = dict(zip(order, placer.place(tasks[number].shape for number in order), strict=True))
    seconds = time.perf_counter() - started
    return Fit(nodes, tasks, [found[number] for number in range(len(tasks))], seconds, placer.imbalance())


@app.command(epilog=FORMATS)
@one_sentence
def fit(
    nodes: Annotated[Path, typer.Option("--nodes", metavar="FILE", help="The nodes.")],
    tasks: Annotated[Path, typer.Option("--tasks", metavar="FILE", help="The tasks.")],
    as_json: AsJson = False,
    assignments: Annotated[bool, typer.Option("--assignments", help="List the node of each task.")] = False,
    strategy: Annotated[Strategy, typer.Option("--strategy", help="Even load, or few nodes.")] = Strategy.SPREAD,
) -> None:
    """Say whether tasks fit on nodes, and where. Offline: it needs two files, and no inventory."""
    found = compute(read_nodes(nodes), read_tasks(tasks), strategy)
    if as_json:
        print_json(found.document(assignments))
    else:
        console.print(_shown(found, assignments))


def _shown(found: Fit, assignments: bool) -> RenderableType:
    parts: list[RenderableType] = [_loads(found)]
    if assignments:
        parts.append(_pairs(found))
    if found.placed < sum(task.shape.replicas for task in found.tasks):
        parts.append(_refusals(found))
    total = sum(task.shape.replicas for task in found.tasks)
    words = f"{found.placed} of {total} tasks placed on {found.nodes_used} of {len(found.nodes)} nodes"
    parts.append(f"{words}, imbalance {found.imbalance:.3f}, in {found.seconds:.3f} s")
    return Group(*parts)


def _loads(found: Fit) -> Table:
    """The nodes with most tasks first."""
    table = Table("node", "tasks", "cpu", "memory", "disk", "gpu")
    counts: Counter[int] = Counter()
    used: dict[int, list[float]] = {}
    for placement in found.placements:
        each = placement.shape.need.each()
        for row, count in Counter(placement.nodes).items():
            counts[row] += count
            before = used.get(row, [0.0] * 4)
            used[row] = [sum_ + count * need for sum_, need in zip(before, each, strict=True)]
    for row, count in counts.most_common(SHOWN):
        node = found.nodes[row]
        shares = (_share(amount, limit) for amount, limit in zip(used[row], node.limits(), strict=True))
        table.add_row(escape(node.name), str(count), *shares)
    if len(counts) > SHOWN:
        table.add_row(f"… {len(counts) - SHOWN} more", "", "", "", "", "")
    return table


def _share(amount: float, limit: float | None) -> str:
    return "-" if not limit else f"{amount / limit:.0%}"


def _pairs(found: Fit) -> Table:
    table = Table("task", "node")
    for pair in found.assignments():
        table.add_row(escape(pair["task"]), escape(pair["node"]))
    return table


def _refusals(found: Fit) -> Table:
    table = Table("not placed", "tasks", "because")
    refused = [placement for placement in found.placements if placement.unplaced]
    for placement in refused[:SHOWN]:
        table.add_row(escape(placement.shape.service), str(placement.unplaced), escape(placement.explanation))
    if len(refused) > SHOWN:
        table.add_row(f"… {len(refused) - SHOWN} more", str(sum(one.unplaced for one in refused[SHOWN:])), "")
    return table
