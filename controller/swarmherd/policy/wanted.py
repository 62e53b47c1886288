# SPDX-License-Identifier: GPL-3.0-or-later
"""`swarmherd_policy`: what the operator wants."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from swarmherd.policy.advising import Advise
from swarmherd.policy.arranging import MoveKeys, Neighbours, PlacementKeys, Priority, Rebalance, Refill
from swarmherd.policy.document import Cooldowns, CrashLoop, Fallback, FallbackKeys, Part, StepLimits, Windows
from swarmherd.policy.failing import Failover, OneFailover
from swarmherd.policy.healing import Heal, HealthCheck
from swarmherd.policy.metrics import AnyMetric, CpuMetric, MemoryMetric, Metric, PercentRule, named
from swarmherd.policy.promql import PromQL
from swarmherd.policy.settings import Name
from swarmherd.policy.units import (
    Count,
    PositiveCount,
    PositivePercent,
    PositiveSeconds,
    Ratio,
    Seconds,
    Switch,
    as_number,
    is_percentage,
    percentages,
    seconds_between,
    shown,
    wrong,
)
from swarmherd.policy.watching import BreakerKeys, ProbeKeys
from swarmherd.policy.windows import Schedules
from swarmherd.policy.windows import Windows as MaintenanceWindows

TASK_LABEL = "container_label_com_docker_swarm_task_id"


class Mode(StrEnum):
    OBSERVE = "observe"
    """Decide and tell, change nothing."""
    ENFORCE = "enforce"


def _each_once(metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
    names = [name for name, _metric in named(metrics)]
    if not names:
        raise wrong("the list is empty", "name a metric, or leave the key out for cpu and memory {up: 80, down: 30}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise wrong(f"{twice[0]} stands twice", "keep one of them, or use query for the other")
    return metrics


def _as_list(data: Any) -> Any:
    return [data] if isinstance(data, Mapping | str) else data


class _OneOrMore:
    """The schema of a list that may be written as its single item."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        several = handler(core)
        return {"anyOf": [{**several, "minItems": 1}, several["items"]]}


Metrics = Annotated[tuple[AnyMetric, ...], AfterValidator(_each_once), BeforeValidator(_as_list), _OneOrMore()]
_THRESHOLDS = PercentRule(up=80.0, down=30.0)
DEFAULT_METRICS: tuple[Metric, ...] = (CpuMetric(cpu=_THRESHOLDS), MemoryMetric(memory=_THRESHOLDS))


class Strategy(StrEnum):
    TARGET = "target"
    """Follow what is measured now."""
    PREDICTIVE = "predictive"
    """Look ahead by the time that a replica takes to serve."""


def _strategy(value: object) -> object:
    if value not in tuple(Strategy):
        raise wrong(f"{shown(value)} is no strategy", "write target or predictive")
    return value


class Capacity(StrEnum):
    CHECK = "check"
    """Scale up by no more replicas than find a node."""
    IGNORE = "ignore"
    """Let those that find none wait in Swarm."""


def _capacity(value: object) -> object:
    if value not in tuple(Capacity):
        raise wrong(f"{shown(value)} is no way to treat capacity", "write check or ignore")
    return value


def _full(value: object) -> float:
    percent = as_number(value.strip()[:-1] if is_percentage(value) else value)
    if percent is None or percent < 100:
        raise wrong(f"{shown(value)} is not the target or more", "write a percentage of the target, such as 125%")
    return percent


def _history(seconds: float) -> float:
    if not SHORTEST_HISTORY <= seconds <= LONGEST_HISTORY:
        raise wrong(f"{seconds:g} s is no history to learn from", "write from 2h to 60d, such as 14d")
    return seconds


SHORTEST_HISTORY, LONGEST_HISTORY = 7200.0, 60 * 86400.0
History = Annotated[PositiveSeconds, AfterValidator(_history), seconds_between(SHORTEST_HISTORY, LONGEST_HISTORY)]


class Predictive(Part):
    """How strategy `predictive` looks ahead. Its metrics need a target and must be measured for the whole service."""

    lead: PositiveSeconds | None = None
    """From a decision until the new replicas serve; by default 60 s, and what was measured where it is known."""
    full: Annotated[float, BeforeValidator(_full), percentages(100)] = 125.0
    """The load at which a replica is full, in percent of its target."""
    spend: PositivePercent = 100.0
    """Replica time to spend, in percent of what strategy `target` would spend on the same traffic."""
    history: History = 1209600.0
    """How much of the service's past is read from Prometheus when the controller begins to look ahead."""


_AS_IT_IS = Predictive()


class ScaleKeys(Part):
    """How a service is scaled, as far as one place (policy, defaults, labels) says it."""

    enabled: Switch = True
    """False leaves the service alone."""
    min: Count = 1
    """The fewest replicas."""
    max: PositiveCount | None = None
    """The most replicas. It must stand somewhere: here, in the defaults, or in a label."""
    metrics: Metrics = DEFAULT_METRICS
    """What it is scaled on; the largest wish wins."""
    strategy: Annotated[Strategy, BeforeValidator(_strategy)] = Strategy.TARGET
    """`target` follows what is measured; `predictive` looks ahead."""
    predictive: Predictive | None = None
    """How `predictive` looks ahead; all keys have defaults."""
    tolerance: Ratio = 0.1
    """How far a value may be off its target without anything being done, as a part of the target."""
    stabilization: Windows = Windows()
    """How long wishes are remembered, per direction."""
    cooldown: Cooldowns = Cooldowns()
    """How long to wait after an action, per direction."""
    step: StepLimits = StepLimits()
    """The most that one action may change, per direction."""
    capacity: Annotated[Capacity, BeforeValidator(_capacity)] = Capacity.CHECK
    """`check` scales up by no more replicas than find a node; `ignore` lets the others wait in Swarm."""
    schedules: Schedules = ()
    """Times that come again, with bounds of their own."""
    fallback: Fallback = FallbackKeys()
    """What to do after too many cycles without a reading: `hold`, or a number of replicas to have at least."""


class ScalePolicy(ScaleKeys):
    """How a service is scaled, complete: labels, policy and defaults in one."""

    max: PositiveCount

    @property
    def ahead(self) -> Predictive:
        return self.predictive or _AS_IT_IS


class ServiceDefaults(Part):
    """What may be wanted of every service alike."""

    scale: ScaleKeys | None = None
    """Its replicas; without this key they are left alone, unless the service's labels ask for it."""
    priority: Priority = 0
    """From 0 to 100. From 80 on its tasks are not moved."""
    move: MoveKeys = MoveKeys()
    """Whether its tasks may be moved."""
    heal: Heal = None
    """What is done about tasks that are ill and updates that are stuck; nothing unless it stands here."""
    advise: Advise = None
    """How reservations and limits are proposed from the past; `plan` proposes none unless it stands here."""


class ServicePolicy(ServiceDefaults):
    """What is wanted of one service."""

    follows: Name | None = None
    """The service that it runs beside, on the same node: its anchor."""
    near: Neighbours = ()
    """Services on whose nodes it is to run."""
    apart_from: Neighbours = ()
    """Services on whose nodes it is not to run."""
    balancer: Name | None = None
    """The load balancer's backend that serves it: tasks are drained there before they are moved or scaled away."""
    windows: MaintenanceWindows = ()
    """When something may be done to it, or may not. What its own windows allow, no others of the policy allow."""
    failover: OneFailover = None
    """How it fails over: `normal`, `fast`, or a mapping."""
    health: HealthCheck = None
    """How its tasks are checked, where it is healed."""


LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]


class Queries(Part):
    """The questions behind the metrics.

    In each, `$service` stands for the service's name, `$window` for the rate window, and `$capacity` for what a task
    may use (cores, or bytes). Those about nodes and all tasks, from `node_cpu` on, know `$window` alone, and are asked
    only where something is decided by them.
    """

    window: PositiveSeconds = 60.0
    """Over what time rates are taken."""
    cpu: PromQL = (
        f"100 * sum by ({TASK_LABEL}) (rate(container_cpu_usage_seconds_total{{"
        'container_label_com_docker_swarm_service_name="$service"}[$window])) / $capacity'
    )
    """Percent of `$capacity` cores, one series per task."""
    memory: PromQL = (
        f"100 * sum by ({TASK_LABEL}) (container_memory_working_set_bytes{{"
        'container_label_com_docker_swarm_service_name="$service"}) / $capacity'
    )
    """Percent of `$capacity` bytes, one series per task."""
    requests: PromQL = 'sum(rate(haproxy_backend_http_requests_total{proxy="$service"}[$window]))'
    """Requests per second, one series."""
    responses: PromQL = 'sum(rate(haproxy_backend_http_responses_total{proxy="$service",code!="5xx"}[$window]))'
    """Responses served per second, one series."""
    task_label: LabelName = TASK_LABEL
    """The label of the answers per task that holds the task's id."""
    node_cpu: PromQL = '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[$window]))'
    """The share of a node's CPU that is used, from 0 to 1, one series per node, as for every question about nodes."""
    node_memory: PromQL = "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"
    """The share of its memory that is not available."""
    node_disk: PromQL = "max by (instance) (rate(node_disk_io_time_seconds_total[$window]))"
    """The share of time that its busiest disk is busy."""
    node_network: PromQL = (
        "max by (instance) ((rate(node_network_receive_bytes_total[$window]) > "
        "rate(node_network_transmit_bytes_total[$window]) or rate(node_network_transmit_bytes_total[$window])) / "
        "(node_network_speed_bytes > 0))"
    )
    """The share of bandwidth of its busiest interface, in the busier direction, where the speed is known."""
    node_response: PromQL = (
        "max by (instance) (avg_over_time(scrape_duration_seconds[$window]) and on (instance, job) node_uname_info)"
    )
    """In how many seconds it answers: what Prometheus waits for its node_exporter, unless you have something better."""
    node_label: LabelName = "instance"
    """The label of the answers per node that holds the node's address or hostname; a port behind it is left out."""
    task_cpu: PromQL = f'sum by ({TASK_LABEL}) (rate(container_cpu_usage_seconds_total{{{TASK_LABEL}!=""}}[$window]))'
    """Cores that a task uses, one series per task, for every service."""
    task_memory: PromQL = f'sum by ({TASK_LABEL}) (container_memory_working_set_bytes{{{TASK_LABEL}!=""}})'
    """Bytes that a task uses, one series per task, for every service."""


def _mode(value: object) -> object:
    if value not in tuple(Mode):
        raise wrong(f"{shown(value)} is no mode", "write observe or enforce")
    return value


class Policy(Part):
    """What the operator wants of a cluster. Nothing is touched that this or a service's labels do not name."""

    mode: Annotated[Mode, BeforeValidator(_mode)] = Mode.OBSERVE
    """`observe` decides and tells; `enforce` acts."""
    enabled: Switch = True
    """False leaves everything alone."""
    services: dict[Name, ServicePolicy] = Field(default_factory=dict, json_schema_extra={"additionalProperties": False})
    """By service name."""
    defaults: ServiceDefaults = ServiceDefaults()
    """What holds for every service that does not say otherwise."""
    queries: Queries = Queries()
    """The questions behind the metrics."""
    placement: PlacementKeys = PlacementKeys()
    """Limits and weights by which nodes are judged."""
    rebalance: Rebalance = None
    """Moving tasks to even out the load; off unless it stands here."""
    refill: Refill = None
    """Giving tasks to a node that joined or came back; off unless it stands here."""
    windows: MaintenanceWindows = ()
    """When something may be done, or may not."""
    failover: Failover = None
    """What is done about nodes that fail: `normal`, `fast`, or a mapping; without it that is only told."""
    probe: ProbeKeys = ProbeKeys()
    """Our own look at the host of every node."""
    breakers: BreakerKeys = BreakerKeys()
    """When an outside thing that fails is left alone for a while."""
    settle_seconds: Seconds = 30.0
    """How long a service is left alone after somebody else changed it."""
    crash_loop: CrashLoop = CrashLoop()
    """When a service counts as crash-looping, and is not scaled up."""
    actions_per_cycle: PositiveCount = 10
    """How many actions one cycle may start; the rest wait for the next."""
    backoff_seconds: PositiveSeconds = 30.0
    """How long a service is left alone after a failed action; doubled with each failure in a row, up to an hour."""
    give_up_after: PositiveCount = 5
    """Failed actions in a row after which a service is left alone until it is changed."""
