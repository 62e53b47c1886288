# SPDX-License-Identifier: GPL-3.0-or-later
"""The model's values as rows of the tables, nested ones as JSON documents, and back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import RowMapping

from swarmherd.model import (
    Action,
    Arrangement,
    Decision,
    Direction,
    Evidence,
    Healing,
    Move,
    Outcome,
    Pause,
    Reading,
    Remedy,
    Rescue,
    Result,
)

Row = RowMapping


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal: an action, and what became of it."""

    action: Action
    outcome: Outcome
    detail: str
    decided_at: datetime
    started_at: datetime
    finished_at: datetime | None
    running_at: datetime | None
    owner: str
    """The process that began it, as `enact.processes` tells one from another."""
    token: int | None = None
    """Of the lease that it was begun under; None where a person's command began it."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A decision, and when it was taken."""

    decision: Decision
    at: datetime


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle's sentence."""

    at: datetime
    sentence: str
    failed: bool


def started(action: Action, decided_at: datetime, now: datetime) -> dict[str, Any]:
    """An action that is about to be done, as the journal holds it."""
    return {
        "id": action.id,
        "kind": action.kind,
        "service": action.service,
        "parameters": dict(action.parameters),
        "undo": dict(action.undo),
        "reason": action.reason,
        "evidence": evidence_documents(action.evidence),
        "outcome": Outcome.STARTED.value,
        "detail": "",
        "decided_at": decided_at,
        "started_at": now,
    }


def ended(result: Result) -> dict[str, Any]:
    """What an action's end changes of its entry."""
    return {
        "outcome": result.outcome.value,
        "detail": result.detail,
        "finished_at": result.finished_at,
        "running_at": result.running_at,
        "version": result.version,
    }


def entry(row: Row) -> Entry:
    action = Action(
        id=row["id"],
        kind=row["kind"],
        cluster=row["cluster"],
        service=row["service"],
        parameters=MappingProxyType(row["parameters"]),
        undo=MappingProxyType(row["undo"]),
        reason=row["reason"],
        evidence=evidence_of(row["evidence"]),
    )
    times = {name: row[name] for name in ("decided_at", "started_at", "finished_at", "running_at")}
    return Entry(action, Outcome(row["outcome"]), row["detail"], owner=row["owner"], token=row["token"], **times)


def arranged(arrangement: Arrangement, at: datetime) -> Iterator[dict[str, Any]]:
    """What was decided about each anchor's label, each measure of load, …, as a document. The subjects are `anchor
    shop_db`, `rebalance memory`, `refill memory`, `brake`, `cordon NODE_ID`, `recreate shop_db`, `heal shop_web.1`, …
    """
    for one in arrangement.following:
        document = {"reasons": list(one.reasons), "evidence": evidence_documents(one.evidence)}
        document |= {"dependents": list(one.dependents), "node": one.node, "labelled": list(one.labelled)}
        yield {"subject": f"anchor {one.anchor}", "at": at, "acts": one.acts, "document": document}
    for two in arrangement.balances:
        document = {"reasons": list(two.reasons), "evidence": evidence_documents(two.evidence)}
        document |= {"moves": [_move(move) for move in two.moves], "stays": dict(arrangement.stays)}
        acts = any(not move.held for move in two.moves)
        yield {"subject": f"{two.cause.value} {two.measure}", "at": at, "acts": acts, "document": document}
    yield from _rescued(arrangement.rescue, at)
    for three in arrangement.healing:
        acts, subject = three.remedy is not Remedy.NONE, f"heal {three.place or three.service}"
        yield {"subject": subject, "at": at, "acts": acts, "document": _healing(three)}


def _rescued(rescue: Rescue, at: datetime) -> Iterator[dict[str, Any]]:
    """The brake, and what is made of failed nodes; nodes that are not well stand beside the brake."""
    bad = {
        one.name: {"standing": one.standing.value, "reasons": list(one.reasons)} for one in rescue.standings if one.bad
    }
    if rescue.standings:
        document = {"reasons": list(rescue.brake), "nodes": bad}
        yield {"subject": "brake", "at": at, "acts": bool(rescue.brake), "document": document}
    for one in rescue.cordons:
        document = {"reasons": list(one.reasons)}
        yield {"subject": f"cordon {one.node}", "at": at, "acts": one.cordon is not None, "document": document}
    for two in rescue.recreations:
        document = {"reasons": list(two.reasons), "node": two.node, "target": two.target}
        yield {"subject": f"recreate {two.service}", "at": at, "acts": two.recreate, "document": document}
    for three in rescue.findings:
        document = {"reasons": list(three.reasons), "waiting": list(three.waiting)}
        yield {"subject": f"waiting {three.service}", "at": at, "acts": three.clear, "document": document}


def _healing(one: Healing) -> dict[str, Any]:
    words = {"remedy": one.remedy.value, "task": one.task, "node": one.node, "tries": one.tries}
    return words | {"reasons": list(one.reasons), "evidence": evidence_documents(one.evidence)}


def _move(move: Move) -> dict[str, Any]:
    words = {"service": move.service, "task": move.task, "source": move.source, "lever": move.lever.value}
    ranking = [{"node": one.node, "total": one.total, "scores": dict(one.scores)} for one in move.ranking]
    places = {"allowed": list(move.allowed), "avoid": list(move.avoid), "ranking": ranking}
    return words | places | {"held": move.held, "reasons": list(move.reasons)}


def pause(row: Row) -> Pause:
    return Pause(row["who"], row["why"], row["at"], row["service"], Direction(row["direction"]), row["until"])


def decided(decision: Decision, at: datetime) -> dict[str, Any]:
    return {
        "service": decision.service,
        "at": at,
        "replicas_now": decision.now,
        "replicas_then": decision.then,
        "wish": decision.wish,
        "blind": decision.blind,
        "version": decision.version,
        "reasons": list(decision.reasons),
        "evidence": evidence_documents(decision.evidence),
    }


def decision(row: Row) -> Decision:
    return Decision(
        service=row["service"],
        now=row["replicas_now"],
        then=row["replicas_then"],
        wish=row["wish"],
        reasons=tuple(row["reasons"]),
        evidence=evidence_of(row["evidence"]),
        blind=row["blind"],
        version=row["version"],
    )


def evidence_documents(evidence: Iterable[Evidence]) -> list[dict[str, Any]]:
    return [
        {
            "metric": e.metric,
            "value": e.reading.value,
            "at": e.reading.at.isoformat(),
            "source": e.reading.source,
            "problem": e.reading.problem,
            "target": e.target,
            "wish": e.wish,
        }
        for e in evidence
    ]


def evidence_of(documents: Sequence[dict[str, Any]]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            metric=d["metric"],
            reading=Reading(d["value"], datetime.fromisoformat(d["at"]), d["source"], d["problem"]),
            target=d["target"],
            wish=d["wish"],
        )
        for d in documents
    )
