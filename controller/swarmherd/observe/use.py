# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers about nodes and tasks, put to the nodes and tasks that Docker shows. Pure.

A node is known to Prometheus by an address that is scraped, `10.0.0.5:9100` or `n1.example.org:9100`; without its port
that is a node's address or hostname. What fits two nodes, and two answers for one node, leave them unknown (S1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from swarmherd.model import (
    MetricQuery,
    MetricScope,
    Node,
    NodeState,
    NodeUse,
    Reading,
    Sample,
    Task,
    TaskState,
    TaskUse,
)
from swarmherd.policy.use import NODE, TASK

RESPONSE = "node:response"
MOST = 1.05
"""Rates are extrapolated: a share may be a little over 1, and no more than that."""


def node_use(
    nodes: Sequence[Node], asked: Iterable[MetricQuery], samples: Mapping[tuple[str, str], Sample], now: datetime
) -> Mapping[str, NodeUse]:
    """By node id, an entry for every node: what was asked and not answered is unknown, with its problem."""
    queries = {query.metric: query for query in asked if query.scope is MetricScope.NODE}
    found = {name: _by_node(nodes, queries[f"node:{name}"], samples, now) for name in NODE if f"node:{name}" in queries}
    return MappingProxyType(
        {node.id: NodeUse(**{name: readings[node.id] for name, readings in found.items()}) for node in nodes}
    )


def task_use(
    tasks: Sequence[Task], asked: Iterable[MetricQuery], samples: Mapping[tuple[str, str], Sample], now: datetime
) -> Mapping[str, TaskUse]:
    """By task id, an entry for every task that runs."""
    queries = {query.metric: query for query in asked if query.scope is MetricScope.TASK and not query.service}
    running = [task for task in tasks if task.state is TaskState.RUNNING]
    found = {
        name: (queries[f"task:{name}"], samples[("", f"task:{name}")]) for name in TASK if f"task:{name}" in queries
    }
    return MappingProxyType(
        {
            task.id: TaskUse(**{name: _amount(task.id, query, sample, now) for name, (query, sample) in found.items()})
            for task in running
        }
    )


def _by_node(
    nodes: Sequence[Node], query: MetricQuery, samples: Mapping[tuple[str, str], Sample], now: datetime
) -> Mapping[str, Reading]:
    sample = samples[(query.service, query.metric)]
    if sample.whole is not None:
        return {node.id: sample.whole for node in nodes}
    answers: dict[str, list[Reading]] = defaultdict(list)
    called = _called(nodes)
    for label, reading in sample.by_task.items():
        meant = called.get(host_of(label)) or called.get(_short(host_of(label)), [])
        for node in meant:
            unclear = Reading(None, now, query.promql, f"{label} may be any of {len(meant)} nodes")
            answers[node.id].append(reading if len(meant) == 1 else unclear)
    judged = _not_negative if query.metric == RESPONSE else _share
    return {node.id: judged(_only(answers[node.id], query, now)) for node in nodes}


def _called(nodes: Sequence[Node]) -> Mapping[str, list[Node]]:
    """By address, hostname and short hostname. An entry that a host left behind when it joined anew does not count
    beside the ready one."""
    found: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        hostname = node.hostname.casefold()
        for name in {node.address.casefold(), hostname, _short(hostname)} - {""}:
            found[name].append(node)
    return {name: [n for n in those if n.state is NodeState.READY] or those for name, those in found.items()}


def host_of(label: str) -> str:
    """`10.0.0.5:9100`, `[fd00::5]:9100` or a name, without the port."""
    text = label.strip().casefold()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _short(host: str) -> str:
    """A name without its domain; an address as it is."""
    return host if host.replace(".", "").isdigit() else host.partition(".")[0]


def _only(answers: list[Reading], query: MetricQuery, now: datetime) -> Reading:
    if not answers:
        return Reading(None, now, query.promql, "no series")
    if len(answers) > 1:
        return Reading(None, now, query.promql, f"{len(answers)} series where one is expected")
    return answers[0]


def _share(reading: Reading) -> Reading:
    if reading.value is None:
        return reading
    if not 1 - MOST <= reading.value <= MOST:
        return replace(reading, value=None, problem=f"{reading.value:g} is no share from 0 to 1")
    return replace(reading, value=min(1.0, max(0.0, reading.value)))


def _not_negative(reading: Reading) -> Reading:
    if reading.value is not None and reading.value < 0:
        return replace(reading, value=None, problem=f"{reading.value:g} is less than nothing")
    return reading


def _amount(task: str, query: MetricQuery, sample: Sample, now: datetime) -> Reading:
    return _not_negative(sample.whole or sample.by_task.get(task) or Reading(None, now, query.promql, "no series"))
