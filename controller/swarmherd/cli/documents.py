# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands print with --json. Keys are stable; new ones may come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from swarmherd.model import (
    EMPTY,
    Action,
    Balance,
    ClusterView,
    Decision,
    Evidence,
    Following,
    Healing,
    Move,
    Plan,
    Rescue,
    Result,
)
from swarmherd.policy import Mode
from swarmherd.store import Cycle, Entry, Recorded


def plan(mode: Mode, planned: Plan) -> dict[str, Any]:
    return {
        "cluster": planned.cluster,
        "at": planned.at.isoformat(),
        "mode": mode.value,
        "actions": [action(one) for one in planned.actions],
        "decisions": [decision(one) for one in planned.decisions],
        "anchors": [following(one) for one in planned.arrangement.following],
        "balances": [balance(one) for one in planned.arrangement.balances],
        "stays": dict(planned.arrangement.stays),
        "rescue": rescue(planned.arrangement.rescue),
        "healing": [healing(one) for one in planned.arrangement.healing],
    }


def rescue(one: Rescue) -> dict[str, Any]:
    return {
        "brake": list(one.brake),
        "nodes": [
            {"node": n.node, "name": n.name, "standing": n.standing.value, "reasons": list(n.reasons)}
            for n in one.standings
        ],
        "waiting": [
            {
                "service": f.service,
                "tasks": list(f.waiting),
                "since": f.since.isoformat(),
                "clear": f.clear,
                "reasons": list(f.reasons),
            }
            for f in one.findings
        ],
        "recreations": [
            {
                "service": r.service,
                "node": r.node,
                "recreate": r.recreate,
                "target": r.target or None,
                "reasons": list(r.reasons),
            }
            for r in one.recreations
        ],
        "cordons": [
            {"node": c.node, "cordon": c.cordon, "until": _moment(c.until), "reasons": list(c.reasons)}
            for c in one.cordons
        ],
    }


def following(one: Following) -> dict[str, Any]:
    return {
        "anchor": one.anchor,
        "dependents": list(one.dependents),
        "node": one.node or None,
        "labelled": list(one.labelled),
        "relabel": one.relabel,
        "release": one.release,
        "freed": sorted(one.freed),
        "unlabelled": list(one.unlabelled),
        "reasons": list(one.reasons),
        "evidence": [evidence(e) for e in one.evidence],
    }


def balance(one: Balance) -> dict[str, Any]:
    return {
        "cause": one.cause.value,
        "measure": one.measure,
        "reasons": list(one.reasons),
        "evidence": [evidence(e) for e in one.evidence],
        "moves": [move(two) for two in one.moves],
    }


def move(one: Move) -> dict[str, Any]:
    return {
        "service": one.service,
        "task": one.task or None,
        "from": one.source,
        "allowed": list(one.allowed),
        "avoid": list(one.avoid),
        "lever": one.lever.value,
        "held": one.held,
        "reasons": list(one.reasons),
        "ranking": [{"node": n.node, "name": n.name, "total": n.total, "scores": dict(n.scores)} for n in one.ranking],
    }


def healing(one: Healing) -> dict[str, Any]:
    return {
        "service": one.service,
        "task": one.task or None,
        "place": one.place or None,
        "node": one.node or None,
        "remedy": one.remedy.value,
        "tries": one.tries,
        "reasons": list(one.reasons),
        "evidence": [evidence(e) for e in one.evidence],
    }


def decision(one: Decision) -> dict[str, Any]:
    return {
        "service": one.service,
        "now": one.now,
        "then": one.then,
        "wish": one.wish,
        "direction": one.direction.value,
        "blind": one.blind,
        "reasons": list(one.reasons),
        "evidence": [evidence(e) for e in one.evidence],
        "version": one.version,
    }


def evidence(one: Evidence) -> dict[str, Any]:
    reading = one.reading
    return {
        "metric": one.metric,
        "value": reading.value,
        "problem": reading.problem,
        "at": reading.at.isoformat(),
        "source": reading.source,
        "target": one.target,
        "wish": one.wish,
    }


def action(one: Action) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "service": one.service,
        "parameters": dict(one.parameters),
        "undo": dict(one.undo),
        "reason": one.reason,
    }


def result(done: Action, one: Result) -> dict[str, Any]:
    return action(done) | {
        "outcome": one.outcome.value,
        "detail": one.detail,
        "started_at": one.started_at.isoformat(),
        "finished_at": one.finished_at.isoformat(),
        "running_at": _moment(one.running_at),
    }


def entry(one: Entry) -> dict[str, Any]:
    return action(one.action) | {
        "cluster": one.action.cluster,
        "evidence": [evidence(e) for e in one.action.evidence],
        "outcome": one.outcome.value,
        "detail": one.detail,
        "decided_at": one.decided_at.isoformat(),
        "started_at": one.started_at.isoformat(),
        "finished_at": _moment(one.finished_at),
        "running_at": _moment(one.running_at),
    }


def recorded(one: Recorded) -> dict[str, Any]:
    return decision(one.decision) | {"at": one.at.isoformat()}


@dataclass(frozen=True, slots=True)
class Status:
    """One cluster as it stands: what Docker shows now, and what was decided last."""

    cluster: str
    mode: Mode
    view: ClusterView | None
    """None when Docker cannot be read; `problem` then says why."""
    decisions: Mapping[str, Recorded] = field(default_factory=lambda: EMPTY)
    cycle: Cycle | None = None
    problem: str = ""

    def document(self) -> dict[str, Any]:
        return {
            "cluster": self.cluster,
            "mode": self.mode.value,
            "problem": self.problem or None,
            "last_cycle": None
            if self.cycle is None
            else {"at": self.cycle.at.isoformat(), "sentence": self.cycle.sentence, "failed": self.cycle.failed},
            "nodes": self._nodes(),
            "services": self._services(),
        }

    def _nodes(self) -> list[dict[str, Any]]:
        return [
            {
                "name": n.hostname,
                "role": n.role.value,
                "state": n.state.value,
                "availability": n.availability.value,
                "address": n.address,
                "engine_version": n.engine_version,
            }
            for n in sorted(self.view.nodes if self.view else (), key=lambda n: n.hostname)
        ]

    def _services(self) -> list[dict[str, Any]]:
        if self.view is None:
            return []
        return [
            {
                "name": s.name,
                "running": len(self.view.running(s.name)),
                "wanted": s.replicas,
                "version": s.version,
                "update_state": s.update_state.value,
                "decision": recorded(self.decisions[s.name]) if s.name in self.decisions else None,
            }
            for s in sorted(self.view.services, key=lambda s: s.name)
        ]


@dataclass(frozen=True, slots=True)
class Explained:
    """Why something is as it is: sentences about what Docker shows, and what was decided and done about it."""

    cluster: str
    kind: str
    """`service`, `node` or `task`."""
    name: str
    id: str
    sentences: tuple[str, ...]
    decisions: tuple[Recorded, ...] = ()
    actions: tuple[Entry, ...] = ()
    problem: str = ""
    """Why Docker could not be asked."""

    def document(self) -> dict[str, Any]:
        return {
            "cluster": self.cluster,
            "kind": self.kind,
            "name": self.name,
            "id": self.id,
            "problem": self.problem or None,
            "sentences": list(self.sentences),
            "decisions": [recorded(one) for one in self.decisions],
            "actions": [entry(one) for one in self.actions],
        }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
