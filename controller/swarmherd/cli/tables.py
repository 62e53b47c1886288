# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands print for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Column, Table

from swarmherd.cli.before_after import BeforeAfter
from swarmherd.cli.doctor import Check, State
from swarmherd.cli.documents import Explained, Status
from swarmherd.decide.changes import change
from swarmherd.model import (
    Arrangement,
    ClusterView,
    Decision,
    Direction,
    Evidence,
    Move,
    Node,
    NodeState,
    Outcome,
    Plan,
    Rescue,
    Task,
)
from swarmherd.policy import Mode
from swarmherd.store import Entry, Recorded

MOST_SCORED = 20
"""Rows of a table of scores."""
COLOURS = {
    State.OK: "green",
    State.WARN: "yellow",
    State.FAIL: "red",
    Outcome.DONE: "green",
    Outcome.GIVEN_UP: "red",
    Outcome.UNDONE: "yellow",
    Outcome.CONFLICT: "yellow",
    Outcome.STARTED: "cyan",
}


def plan(mode: Mode, planned: Plan) -> RenderableType:
    table = _table("service", "now -> then", "reason", "evidence", title=f"{planned.cluster}: what would be done now")
    for decision in planned.decisions:
        table.add_row(escape(decision.service), _change(decision), _reasons(decision), _evidence(decision.evidence))
    arranged = [*_rescued(planned.arrangement.rescue), *_arranged(planned.arrangement)]
    if not planned.decisions and not arranged:
        return f"{planned.cluster}: nothing is opted in; name a service in the policy or give it swarmherd.scale labels"
    count = len(planned.actions)
    footer = f"{count} action{'' if count == 1 else 's'}; mode {mode.value}"
    parts = [table, *arranged] if planned.decisions else arranged
    return Group(*parts, footer + (", so run would do nothing" if mode is Mode.OBSERVE and count else ""))


def _arranged(arrangement: Arrangement) -> Iterator[RenderableType]:
    """Anchors and loads, where there is anything to say; and for each move how the nodes score."""
    rows = [(f"anchor {one.anchor}", one.reasons, one.evidence) for one in arrangement.following]
    rows += [(f"health of {one.place or one.service}", one.reasons, one.evidence) for one in arrangement.healing]
    for one in arrangement.balances:
        rows.append((f"{one.cause.value} by {one.measure}", one.reasons, one.evidence))
        rows += [(f"move {move.service}", move.reasons, move.evidence) for move in one.moves]
    if rows:
        table = _table("about", "reason", "evidence", title="where tasks run")
        for about, reasons, evidence in rows:
            table.add_row(escape(about), escape("\n".join(reasons)), _evidence(evidence))
        yield table
    yield from (_scores(move) for one in arrangement.balances for move in one.moves if move.ranking)


def _rescued(rescue: Rescue) -> Iterator[RenderableType]:
    """The brake, the nodes that are not well, and what is made of what they leave."""
    yield from (f"[bold red]the brake is on[/]: {escape(why)}" for why in rescue.brake)
    known = {one.node: one.name for one in rescue.standings}
    rows = [(f"node {one.name}: {one.standing.value}", one.reasons) for one in rescue.standings if one.bad]
    rows += [(f"waiting {one.service}", one.reasons) for one in rescue.findings]
    rows += [(f"cordon {known.get(one.node, one.node)}", one.reasons) for one in rescue.cordons]
    rows += [(f"bring up {one.service}", one.reasons) for one in rescue.recreations]
    if rows:
        table = _table("about", "reason", title="nodes that fail")
        for about, reasons in rows:
            table.add_row(escape(about), escape("\n".join(reasons)))
        yield table


def _scores(move: Move) -> Table:
    names = list(move.ranking[0].scores)
    table = _table("node", "total", *names, title=escape(f"nodes for {move.service}, the best first"))
    for one in move.ranking[:MOST_SCORED]:
        table.add_row(escape(one.name or one.node), f"{one.total:.2f}", *(f"{one.scores[name]:.2f}" for name in names))
    return table


def status(one: Status) -> RenderableType:
    parts: list[RenderableType] = [f"[bold]{escape(one.cluster)}[/bold], mode {one.mode.value}"]
    if one.cycle is not None:
        parts.append(f"{_time(one.cycle.at)}: {escape(one.cycle.sentence)}")
    if one.view is None:
        return Group(*parts, f"[red]{escape(one.problem)}[/red]")
    nodes = _table("node", "role", "state", "availability", "engine")
    for node in sorted(one.view.nodes, key=lambda n: n.hostname):
        nodes.add_row(escape(node.hostname), _role(node), _state(node), node.availability.value, node.engine_version)
    services = _table("service", "replicas", "last decision")
    for service in sorted(one.view.services, key=lambda s: s.name):
        last = one.decisions.get(service.name)
        said = f"{_time(last.at)}: {escape(last.decision.reasons[-1])}" if last and last.decision.reasons else ""
        services.add_row(
            escape(service.name), f"{len(one.view.running(service.name))}/{_count(service.replicas)}", said
        )
    return Group(*parts, nodes, services)


def history(entries: Sequence[Entry]) -> RenderableType:
    if not entries:
        return "the journal is empty"
    table = _table("id", "started", "kind", "change", "outcome", "seconds", "detail", "reason")
    for one in entries:
        seconds = f"{(one.finished_at - one.started_at).total_seconds():.1f}" if one.finished_at else ""
        outcome = f"[{COLOURS[one.outcome]}]{one.outcome.value}[/]"
        words = (escape(one.detail), escape(one.action.reason))
        what = (one.action.id[:8], _time(one.started_at), one.action.kind, escape(change(one.action)))
        table.add_row(*what, outcome, seconds, *words)
    return table


def explained(said: Explained) -> RenderableType:
    """Sentences, and below them what was decided and done."""
    parts: list[RenderableType] = [f"[bold]{escape(said.name)}[/bold], a {said.kind} of {escape(said.cluster)}"]
    parts += [escape(f"  {sentence}") for sentence in said.sentences]
    if said.decisions:
        parts.append(_decisions(said.decisions))
    if said.actions:
        parts.append(history(said.actions))
    return Group(*parts)


def _decisions(found: Iterable[Recorded]) -> RenderableType:
    table = _table("at", "now -> then", "reasons", "evidence", title="last decisions")
    for one in found:
        decision = one.decision
        table.add_row(_time(one.at), _change(decision), _reasons(decision), _evidence(decision.evidence))
    return table


def before_after(seen: BeforeAfter) -> RenderableType:
    """The tasks that are other ones now, and how many are the same."""
    if seen.after is None:
        return "Docker cannot be read now, so which tasks changed is not known"
    if not (replaced := seen.replaced()):
        return f"no task changed; {seen.unchanged()} are as they were"
    table = _table("task", "before", "on", "after", "on", "state")
    for one in replaced:
        told = (*_told(one.before, seen.before), *_told(one.after, seen.after))
        table.add_row(escape(one.name), *told, one.after.state.value if one.after else "")
    return Group(table, f"{seen.unchanged()} other tasks are as they were")


def _told(task: Task | None, view: ClusterView) -> tuple[str, str]:
    if task is None:
        return "-", "-"
    node = view.node(task.node_id)
    return task.id, escape(node.hostname if node else task.node_id or "-")


def checks(found: Iterable[Check]) -> RenderableType:
    table = _table("", "check", "seen", "remedy")
    for check in found:
        state = f"[{COLOURS[check.state]}]{check.state.value}[/]"
        table.add_row(state, escape(check.name), escape(check.seen), escape(check.remedy))
    return table


def _table(*columns: str, title: str | None = None) -> Table:
    """Words that are too long for their column go on in the next line: nothing is cut off."""
    return Table(*(Column(column, overflow="fold") for column in columns), title=title)


def _reasons(decision: Decision) -> str:
    return escape("\n".join(decision.reasons))


def _evidence(evidence: Iterable[Evidence]) -> str:
    lines = []
    for one in evidence:
        value = one.reading.problem or "unknown" if one.reading.value is None else f"{one.reading.value:.4g}"
        lines.append(f"{one.metric}: {value} ({one.target})")
    return escape("\n".join(lines))


def _change(decision: Decision) -> str:
    text = f"{_count(decision.now)} -> {_count(decision.then)}"
    return text if decision.direction is Direction.NONE else f"[bold]{text}[/bold]"


def _count(replicas: int | None) -> str:
    return "-" if replicas is None else str(replicas)


def _state(node: Node) -> str:
    return f"[{'green' if node.state is NodeState.READY else 'red'}]{node.state.value}[/]"


def _role(node: Node) -> str:
    return "leader" if node.leader else node.role.value


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")
