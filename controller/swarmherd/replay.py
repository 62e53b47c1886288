# SPDX-License-Identifier: GPL-3.0-or-later
"""One cycle decided again from what it was decided on, and compared with what came of it then (S20). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import isnan
from typing import Any

from swarmherd.codec import encode
from swarmherd.model import ClusterView, Memory, Plan
from swarmherd.plan import conclude
from swarmherd.policy import Policy

ABSENT = "nothing"


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that one cycle's plan is made of."""

    view: ClusterView
    policy: Policy
    memory: Memory
    now: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """One cycle as it was: what it was decided on, what was planned, and by which version of this program."""

    inputs: Inputs
    plan: Plan
    program: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the plan of now is not the plan of then."""

    where: str
    """`decisions.shop_web.then`"""
    then: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.where}: {_shown(self.then)} then, {_shown(self.now)} now"


def replay(kept: Kept) -> tuple[Plan, tuple[Difference, ...]]:
    """The plan that comes of the same inputs now, and where it differs. Actions' ids are no part of a decision."""
    inputs = kept.inputs
    plan, _memory = conclude(inputs.view, inputs.policy, inputs.memory, inputs.now, lambda: "")
    return plan, tuple(_differences("", _document(kept.plan), _document(plan)))


def _document(plan: Plan) -> Any:
    """The plan as JSON without ids, and by names where an order would only shift."""
    anonymous = replace(plan, actions=tuple(replace(action, id="") for action in plan.actions))
    document = encode(anonymous, Plan)
    document["decisions"] = {one["service"]: one for one in document["decisions"]}
    return _plain(document)


def _plain(value: Any) -> Any:
    """As it comes back out of JSON: parameters may hold tuples and mappings of any kind."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _differences(where: str, then: Any, now: Any) -> Iterator[Difference]:
    if isinstance(then, dict) and isinstance(now, dict):
        for key in sorted({*then, *now}):
            yield from _differences(f"{where}.{key}".lstrip("."), then.get(key, ABSENT), now.get(key, ABSENT))
    elif isinstance(then, list) and isinstance(now, list):
        for index in range(max(len(then), len(now))):
            pair = [side[index] if index < len(side) else ABSENT for side in (then, now)]
            yield from _differences(f"{where}[{index}]", *pair)
    elif then != now and not (_no_number(then) and _no_number(now)):
        yield Difference(where, then, now)


def _no_number(value: Any) -> bool:
    return isinstance(value, float) and isnan(value)


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) and value != ABSENT else str(value)
    return text if len(text) <= 200 else f"{text[:199]}…"
