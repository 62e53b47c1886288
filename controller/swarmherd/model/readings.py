# SPDX-License-Identifier: GPL-3.0-or-later
"""What was read, or that nothing could be: a value or unknown, with its time and source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

EMPTY: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Reading:
    """One sample, or the knowledge that there is none.

    `value` is None when unknown, never 0 in its place (S1); `problem` then says why in a few words.
    """

    value: float | None
    at: datetime
    source: str
    """The query that was asked, or where Docker said so."""
    problem: str = ""

    @property
    def known(self) -> bool:
        return self.value is not None


@dataclass(frozen=True, slots=True)
class Sample:
    """What one metric of one service said in one cycle.

    A metric is either measured for the whole service (`whole`), or once per running task (`by_task`,
    task id to reading; a running task that is missing there has no sample, S2). Of scope node, `by_task` is by what the
    label says of the node.
    """

    whole: Reading | None = None
    by_task: Mapping[str, Reading] = field(default_factory=lambda: EMPTY)


class MetricScope(StrEnum):
    SERVICE = "service"
    """The query answers one series, for the whole service."""
    TASK = "task"
    """The query answers one series per task, carrying the task's id in a label."""
    NODE = "node"
    """The query answers one series per node, carrying its address or hostname in a label."""


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """A question for Prometheus, posed by the policy and answered by `observe`."""

    service: str
    metric: str
    """The metric's name within the service, as the policy calls it: `cpu`, `memory`, `query:0`, …"""
    promql: str
    scope: MetricScope
    task_label: str = ""
    """With scope task or node: the label of the answer that tells which one."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One input of a decision, with what was made of it."""

    metric: str
    reading: Reading
    target: str
    """What it was compared with, in words: `target 70`, `up above 80, down below 30`."""
    wish: int | None
    """Replicas that this metric alone asks for; None when it is unknown."""
