# SPDX-License-Identifier: GPL-3.0-or-later
"""A scenario file: nodes, services, their traffic, a policy and faults, as `docs/simulate.md` describes it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from swarmherd.decide.place import ConstraintError, parse_constraint
from swarmherd.policy import Policy, PolicyError, Problem
from swarmherd.policy.document import Part
from swarmherd.policy.parse import POLICY
from swarmherd.policy.units import (
    Count,
    Number,
    Positive,
    PositiveCount,
    PositiveSeconds,
    Seconds,
    Switch,
    as_number,
    as_seconds,
    resembling,
    shown,
    wrong,
)
from swarmherd.simulate.cluster.faults import ON_NODES, ON_SERVICES, Kind
from swarmherd.simulate.cluster.hosts import MISSED_HEARTBEATS
from swarmherd.simulate.cluster.measuring import SCRAPE_SECONDS
from swarmherd.simulate.cluster.steps import ANSIBLE_SECONDS
from swarmherd.simulate.trace import TraceError, read_trace

SCENARIO = "scenario"
MOST_NODES, MOST_REPLICAS, LONGEST_SECONDS = 200, 1000, 31 * 86400.0
SHORTEST_SECONDS, MOST_CYCLES = 0.1, 200_000
_BYTES = re.compile(r"(\d+(?:\.\d+)?)(KiB|MiB|GiB|TiB)", re.ASCII)
_UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def _bytes(value: object) -> float:
    found = _BYTES.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or float(found[1]) == 0:
        raise wrong(f"{shown(value)} is no size", "write one such as 300MiB or 4GiB")
    return float(found[1]) * _UNITS[found[2]]


def _kind(value: object) -> object:
    if value not in tuple(Kind):
        remedy = resembling(str(value), list(Kind)) or f"write one of {', '.join(Kind)}"
        raise wrong(f"there is no fault {shown(value)}", remedy)
    return value


Bytes = Annotated[float, BeforeValidator(_bytes)]


class NodeKeys(Part):
    """One node."""

    manager: Switch = False
    """Whether it is a manager of the Swarm."""
    cpus: Positive = 4.0
    """Cores."""
    memory: Bytes = 4.0 * 2**30
    """What it has: `4GiB`."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Its node labels."""


def _nodes(data: Any) -> Any:
    """A number of nodes: n1, n2, …, of which the first three are managers, or the first where they are fewer."""
    number = as_number(data)
    if number is None:
        return data
    if number != int(number) or not 1 <= number <= MOST_NODES:
        raise wrong(f"{shown(data)} nodes cannot be simulated", f"write a whole number from 1 to {MOST_NODES}")
    managers = 3 if number >= 3 else 1
    return {f"n{n}": {"manager": n <= managers} for n in range(1, int(number) + 1)}


class Wave(Part):
    """Traffic that rises and falls."""

    low: Number
    high: Number
    period: PositiveSeconds = 3600.0
    """From one peak to the next."""


class TrafficKeys(Part):
    """Requests per second of a service. A number alone is steady."""

    steady: Number | None = None
    """Always so many."""
    steps: dict[str, Number] = Field(default_factory=dict)
    """So many from that time on: `{0s: 60, 5m: 200}`."""
    ramp: dict[str, Number] = Field(default_factory=dict)
    """The same, with a line from each to the next."""
    wave: Wave | None = None
    """Up and down."""
    trace: str = ""
    """A CSV file, beside the scenario, as `backtest` reads it."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"steady": data} if as_number(data) is not None else data

    @model_validator(mode="after")
    def _one_shape(self) -> TrafficKeys:
        given = [
            name for name in ("steady", "steps", "ramp", "wave", "trace") if getattr(self, name) not in (None, {}, "")
        ]
        if len(given) != 1:
            raise wrong(
                f"{len(given)} shapes stand here, and traffic has one", "write one of steady, steps, ramp, wave, trace"
            )
        for time in (*self.steps, *self.ramp):
            if as_seconds(time) is None:
                raise wrong(f"{shown(time)} is no time", "write one such as 0s, 90s or 5m")
        return self


class ServiceKeys(Part):
    """One service, and what its tasks are like."""

    replicas: Count = 1
    startup: Seconds = 2.0
    """From the start of a container until it serves."""
    stop: Seconds = 1.0
    """How long a container takes to stop."""
    restart_delay: Seconds = 5.0
    """Swarm's restart delay."""
    capacity: Positive = 50.0
    """Requests per second that one replica serves."""
    queue: Count = 0
    """Requests that may wait at one replica."""
    memory: Bytes = 200.0 * 2**20
    """What one task really uses."""
    memory_limit: Bytes | None = None
    memory_reservation: Bytes | None = None
    cpus: Positive = 1.0
    """Cores that a task may use, and does when it is full."""
    constraints: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    """Its service labels, `swarmherd.*` among them."""
    start_first: Switch = False
    local_data: Switch = False
    """Whether it has a volume of its node."""
    traffic: TrafficKeys = TrafficKeys(steady=0.0)


class FaultKeys(Part):
    """Something that goes wrong."""

    at: Seconds
    fault: Annotated[Kind, BeforeValidator(_kind)]
    node: str = ""
    service: str = ""
    lasts: PositiveSeconds | None = None
    """Without it: for good, or until it is through."""
    replicas: Count = 1
    """Of a `manual_scale`."""


class Scenario(Part):
    """The whole file, but for `swarmherd_policy`, which stands beside these keys as it does in an inventory."""

    nodes: Annotated[dict[str, NodeKeys], BeforeValidator(_nodes)]
    services: dict[str, ServiceKeys]
    faults: tuple[FaultKeys, ...] = ()
    run_for: PositiveSeconds = 1800.0
    interval_seconds: PositiveSeconds = 15.0
    """From one cycle to the next."""
    scrape_seconds: PositiveSeconds = SCRAPE_SECONDS
    """How often Prometheus scrapes: what a policy's rates are made of."""
    playbook_seconds: PositiveSeconds = ANSIBLE_SECONDS
    """From a playbook's start until it changes something."""
    heartbeat_seconds: PositiveSeconds = 5.0
    """Of the dispatcher: three missed, and a node is down."""
    seed: PositiveCount = 1
    """Of whatever Swarm leaves to chance."""


def mistakes(scenario: Scenario, policy: Policy, file: str) -> Iterator[Problem]:
    """What is wrong between keys."""
    yield from _of_times(scenario, policy, file)
    yield from _of_services(scenario, policy, file)
    if not any(node.manager for node in scenario.nodes.values()):
        yield Problem(file, f"{SCENARIO}.nodes", "none of them is a manager", "write manager: true below one, or three")
    for place, fault in enumerate(scenario.faults):
        yield from _of_fault(scenario, fault, file, f"{SCENARIO}.faults[{place}]")


def _of_times(scenario: Scenario, policy: Policy, file: str) -> Iterator[Problem]:
    window, scrape = policy.queries.window, scenario.scrape_seconds
    if window < 2 * scrape:
        said = f"a window of {window:g} s may hold fewer than two scrapes of {scrape:g} s each, and has no rate then"
        remedy = f"write up to {window / 2:g}s, or a longer swarmherd_policy.queries.window"
        yield Problem(file, f"{SCENARIO}.scrape_seconds", said, remedy)
    for word in ("interval_seconds", "scrape_seconds", "heartbeat_seconds"):
        if getattr(scenario, word) < SHORTEST_SECONDS:
            yield Problem(file, f"{SCENARIO}.{word}", "this is too short", f"write {SHORTEST_SECONDS}s or more")
    missed = MISSED_HEARTBEATS * scenario.heartbeat_seconds
    if missed > scenario.run_for and "heartbeat_seconds" in scenario.model_fields_set:
        said = f"{MISSED_HEARTBEATS} missed take {missed:g} s, longer than all of it: no node would be down in it"
        remedy = f"write up to {scenario.run_for / MISSED_HEARTBEATS:g}s, or a longer run_for"
        yield Problem(file, f"{SCENARIO}.heartbeat_seconds", said, remedy)
    if scenario.run_for > LONGEST_SECONDS:
        yield Problem(file, f"{SCENARIO}.run_for", "this is too long", "write a month at most: 31d")
    elif scenario.run_for / scenario.interval_seconds > MOST_CYCLES:
        said = f"these are more than {MOST_CYCLES} cycles of {scenario.interval_seconds:g} s"
        yield Problem(file, f"{SCENARIO}.run_for", said, "write a shorter one, or a longer interval_seconds")


def _of_services(scenario: Scenario, policy: Policy, file: str) -> Iterator[Problem]:
    there = scenario.services
    if sum(keys.replicas for keys in there.values()) > MOST_REPLICAS:
        said = f"these are more than {MOST_REPLICAS} replicas together"
        yield Problem(file, f"{SCENARIO}.services", said, "write fewer replicas, each with more capacity")
    for name, keys in there.items():
        for place, text in enumerate(keys.constraints):
            try:
                parse_constraint(text)
            except ConstraintError as error:
                key = f"{SCENARIO}.services.{name}.constraints[{place}]"
                yield Problem(file, key, error.message, error.remedy)
    for name in policy.services:
        if name not in there:
            remedy = resembling(name, there) or "write it under services: too, or leave it out"
            yield Problem(file, f"{POLICY}.services.{name}", f"the scenario has no service {shown(name)}", remedy)


def _of_fault(scenario: Scenario, fault: FaultKeys, file: str, key: str) -> Iterator[Problem]:
    if fault.at >= scenario.run_for:
        said = f"{fault.at:g} s is not before the end, which is at {scenario.run_for:g} s"
        yield Problem(file, f"{key}.at", said, "write an earlier time, or a longer run_for")
    if fault.replicas > MOST_REPLICAS:
        yield Problem(file, f"{key}.replicas", f"{fault.replicas} is too large", f"write at most {MOST_REPLICAS}")
    for word, kinds, there in (
        ("node", ON_NODES, scenario.nodes),
        ("service", ON_SERVICES, scenario.services),
    ):
        name = getattr(fault, word)
        if fault.fault in kinds and name not in there:
            remedy = resembling(name, there) or f"write {word}: with one of {', '.join(sorted(there)[:9])}"
            said = f"there is no {word} {shown(name)}" if name else f"{fault.fault.value} is about a {word}"
            yield Problem(file, f"{key}.{word}", said, remedy)
        elif name and fault.fault not in kinds:
            yield Problem(file, f"{key}.{word}", f"{fault.fault.value} is not about a {word}", "leave it out")


def demand_of(traffic: TrafficKeys, folder: Path, file: str, key: str) -> Callable[[float], float]:
    """Requests per second by seconds. Raises PolicyError where a trace cannot be read."""
    if traffic.trace:
        return _traced(folder / traffic.trace, file, f"{key}.trace")
    if traffic.wave is not None:
        low, high, period = traffic.wave.low, traffic.wave.high, traffic.wave.period
        return lambda at: (low + high) / 2 - (high - low) / 2 * math.cos(2 * math.pi * at / period)
    if traffic.steps or traffic.ramp:
        return _stepped(traffic.steps) if traffic.steps else _ramped(traffic.ramp)
    steady = traffic.steady or 0.0
    return lambda _at: steady


def _points(given: Mapping[str, float]) -> list[tuple[float, float]]:
    return sorted((as_seconds(time) or 0.0, value) for time, value in given.items())


def _stepped(given: Mapping[str, float]) -> Callable[[float], float]:
    points = _points(given)
    return lambda at: next((value for time, value in reversed(points) if time <= at), points[0][1])


def _ramped(given: Mapping[str, float]) -> Callable[[float], float]:
    points = _points(given)

    def demand(at: float) -> float:
        if at <= points[0][0]:
            return points[0][1]
        for (left, low), (right, high) in pairwise(points):
            if at < right:
                return low + (high - low) * (at - left) / (right - left)
        return points[-1][1]

    return demand


def _traced(path: Path, file: str, key: str) -> Callable[[float], float]:
    try:
        trace = read_trace(path)
    except TraceError as error:
        raise PolicyError([Problem(file, key, str(error), "a trace has the columns time_s,requests_per_s")]) from None
    values, step = trace.values.tolist(), trace.seconds / len(trace.values)
    return lambda at: float(values[min(len(values) - 1, int(at / step))])
