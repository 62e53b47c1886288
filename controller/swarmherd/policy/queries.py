# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions for Prometheus that a policy poses.

Every value that is not the operator's own text is escaped on its way into PromQL (S25), and every placeholder is
filled in one pass, so that nothing that was filled in is read again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from swarmherd.model import MetricQuery, MetricScope, Service
from swarmherd.policy.labels import scale_policies
from swarmherd.policy.metrics import CpuMetric, MemoryMetric, Metric, QueryMetric, RatesMetric, named
from swarmherd.policy.queueing import QueueMetric
from swarmherd.policy.wanted import Policy, Queries

REQUESTS = "rates:requests"
RESPONSES = "rates:responses"
_PLACEHOLDER = re.compile(r"\$(service|window|capacity)\b")
_ESCAPES = {"\\": r"\\", '"': r"\"", "'": r"\'", "`": r"\x60", "\n": r"\n", "\r": r"\r"}


def queries(policy: Policy, services: Iterable[Service]) -> tuple[MetricQuery, ...]:
    """What to ask, for each service of `services` that is scaled; nothing for one that is switched off or global."""
    there = {service.name: service for service in services}
    scaled = scale_policies(policy, there.values()).by_service
    found: list[MetricQuery] = []
    for name in sorted(scaled.keys() & there.keys()):
        if policy.enabled and scaled[name].enabled and there[name].replicas is not None:
            for metric_name, metric in named(scaled[name].metrics):
                found += _asked(metric_name, metric, there[name], policy.queries)
    return tuple(found)


def _asked(name: str, metric: Metric, service: Service, texts: Queries) -> Iterator[MetricQuery]:
    if isinstance(metric, CpuMetric):
        yield _per_task(name, texts.cpu, service, texts, cpu_capacity(service))
    elif isinstance(metric, MemoryMetric):
        if bytes_each := memory_capacity(service):
            yield _per_task(name, texts.memory, service, texts, bytes_each)
    elif isinstance(metric, RatesMetric):
        yield _whole(REQUESTS, metric.rates.requests or texts.requests, service, texts)
        yield _whole(RESPONSES, metric.rates.responses or texts.responses, service, texts)
    elif isinstance(metric, QueueMetric):
        yield _whole(name, metric.queue.requests or texts.requests, service, texts)
    else:
        yield _whole(name, metric.query if isinstance(metric, QueryMetric) else texts.requests, service, texts)


def cpu_capacity(service: Service) -> float:
    """Cores that a task may use: its limit, else its reservation, else one."""
    return service.cpu_limit or service.cpu_reservation or 1.0


def memory_capacity(service: Service) -> int | None:
    """Bytes that a task may use: its limit, else its reservation, else unknown (tasks may lie on unlike nodes)."""
    return service.memory_limit_bytes or service.memory_reservation_bytes or None


def _per_task(name: str, text: str, service: Service, texts: Queries, capacity: float) -> MetricQuery:
    promql = fill(text, service.name, texts.window, capacity)
    return MetricQuery(service.name, name, promql, MetricScope.TASK, texts.task_label)


def _whole(name: str, text: str, service: Service, texts: Queries) -> MetricQuery:
    return MetricQuery(service.name, name, fill(text, service.name, texts.window), MetricScope.SERVICE)


def fill(text: str, service: str, window_seconds: float, capacity: float | None = None) -> str:
    """`text` with its placeholders filled. `$capacity` stays as it stands where a metric has none."""
    values = {"service": escaped(service), "window": promql_duration(window_seconds)}
    if capacity is not None:
        values["capacity"] = repr(capacity)
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def escaped(value: str) -> str:
    """`value` as it may stand inside a PromQL string, whichever quotes surround it."""
    return "".join(_ESCAPES.get(char, char) for char in value)


def promql_duration(seconds: float) -> str:
    """A PromQL duration, which knows whole units only."""
    milliseconds = max(1, round(seconds * 1000))
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"
