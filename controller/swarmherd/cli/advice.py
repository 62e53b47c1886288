# SPDX-License-Identifier: GPL-3.0-or-later
"""Advice on reservations and limits, for the commands that show it: gathered, and as tables and documents."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Column, Table

from swarmherd.decide.advise import Advice, Present, Proposal, Resource, Used, advise, amount
from swarmherd.decide.words import one_line
from swarmherd.model import ClusterView, Service
from swarmherd.observe import NO_PROMETHEUS
from swarmherd.observe.usage import used
from swarmherd.policy import AdviseKeys, advise_keys
from swarmherd.service import Cluster, clock

PLAN_SECONDS = 5.0
"""What a plan spends on looking back; `swarmherd advise` takes the time that it needs."""
COLUMNS = ("service", "", "reservation", "limit", "why")


def standing_advice(cluster: Cluster, view: ClusterView) -> tuple[Advice, ...]:
    """For each service that the policy asks advice for, within the time that a plan has. Never raises."""
    deadline = time.monotonic() + PLAN_SECONDS
    wanted = [(one, advise_keys(cluster.policy, one.name)) for one in _by_name(view)] if cluster.policy.enabled else []
    return tuple(
        advice_for(cluster, view, service, keys, deadline)
        for service, keys in wanted
        if keys is not None and keys.enabled
    )


def advice_for(
    cluster: Cluster, view: ClusterView, service: Service, keys: AdviseKeys, deadline: float = math.inf
) -> Advice:
    """What Prometheus does not tell is said in the advice's own problem. `deadline` is of the monotonic clock."""
    if cluster.prometheus is None:
        unknown = Used(problem=NO_PROMETHEUS)
        return advise(service, {Resource.CPU: unknown, Resource.MEMORY: unknown}, keys, view.nodes)
    found = used(cluster.prometheus, cluster.policy, service.name, keys.since, clock().timestamp(), deadline)
    return advise(service, found, keys, view.nodes)


def document(one: Advice) -> dict[str, Any]:
    """CPU in cores, memory in bytes."""
    return {
        "service": one.service.name,
        "version": one.service.version,
        "differs": one.differs,
        **{proposal.resource.value: _document(proposal) for proposal in one.proposals},
    }


def brief(advice: Sequence[Advice]) -> list[RenderableType]:
    """For a plan: a table of what differs, and a line for each reason why nothing is known."""
    rows = [(one, proposal) for one in advice for proposal in one.proposals if proposal.differs]
    parts: list[RenderableType] = []
    if rows:
        parts.append(_table(rows, "Reservations: what the past speaks for; swarmherd advise SERVICE has it to apply"))
    unknown: dict[str, list[str]] = defaultdict(list)
    for one in advice:
        for problem in dict.fromkeys(proposal.problem for proposal in one.proposals if proposal.problem):
            concerned = [proposal.resource.value for proposal in one.proposals if proposal.problem == problem]
            unknown[problem].append(f"{' and '.join(concerned)} of {one.service.name}")
    parts += [escape(f"no advice on {', '.join(those)}: {one_line(problem)}") for problem, those in unknown.items()]
    return parts


def full(cluster: str, advice: Sequence[Advice]) -> RenderableType:
    """Everything, also what is near enough."""
    if not advice:
        return escape(f"{cluster}: there are no services to advise on")
    rows = [(one, proposal) for one in advice for proposal in one.proposals]
    return Group(_table(rows, f"{cluster}: what the past speaks for"))


def _by_name(view: ClusterView) -> list[Service]:
    return sorted(view.services, key=lambda service: service.name)


def _table(rows: Iterable[tuple[Advice, Proposal]], title: str) -> Table:
    table = Table(*(Column(column, overflow="fold") for column in COLUMNS), title=escape(title))
    for one, proposal in rows:
        resource, now, then = proposal.resource, proposal.now, proposal.then
        why = "\n".join(proposal.reasons) if not proposal.problem else f"unknown: {one_line(proposal.problem)}"
        table.add_row(
            escape(one.service.name),
            resource.value,
            _change(resource, now.reservation, then.reservation),
            _change(resource, now.limit, then.limit),
            escape(why if proposal.differs or proposal.problem else f"near enough; {why}"),
        )
    return table


def _change(resource: Resource, now: float | None, then: float | None) -> str:
    return amount(resource, now) if then is None else f"{amount(resource, now)} -> {amount(resource, then)}"


def _document(one: Proposal) -> dict[str, Any]:
    return {
        "now": _present(one.now),
        "then": _present(one.then),
        "usual": one.usual,
        "peak": one.peak,
        "differs": one.differs,
        "reasons": list(one.reasons),
        "problem": one.problem or None,
    }


def _present(one: Present) -> dict[str, float | None]:
    return {"reservation": one.reservation, "limit": one.limit}
