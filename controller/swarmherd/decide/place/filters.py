# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes can take a task at all, and why the others cannot: Swarm's own filters first, then ours.

A filter is an object: `concerns` says whether it has anything to say about a task, `check` answers for all nodes at
once, and `explain` puts a number of refused nodes into words. Those in `STANDING` do not depend on what is placed
meanwhile, so their answer is kept. The order is Swarm's (swarmkit, manager/scheduler/pipeline.go), and a refused node
is counted at the first filter that refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np

from swarmherd.decide.place import readings
from swarmherd.decide.place.columns import CPU, DISK, GPU, MEMORY, Columns, Mask, Need
from swarmherd.decide.place.things import RESOURCES, NodeCapacity, TaskShape
from swarmherd.model import Availability, NodeState


def _alike(_shape: TaskShape) -> Hashable:
    return ()


@dataclass(frozen=True, slots=True)
class Filter:
    """One reason to refuse a node. `says` is completed by a number of nodes: `insufficient memory on 3 nodes`."""

    name: str
    concerns: Callable[[Columns, TaskShape], bool]
    check: Callable[[Columns, TaskShape], Mask]
    says: Callable[[TaskShape], str]
    key: Callable[[TaskShape], Hashable] = _alike
    """Of a standing filter: tasks for which it is alike get the same answer."""

    def explain(self, shape: TaskShape, nodes: int) -> str:
        text, count = self.says(shape), f"{nodes} node{'' if nodes == 1 else 's'}"
        return text.replace("{nodes}", count) if "{nodes}" in text else f"{text} on {count}"


def _always(_columns: Columns, _shape: TaskShape) -> bool:
    return True


def _says(text: str) -> Callable[[TaskShape], str]:
    return lambda _shape: text


# ---------------------------------------------------------------- Swarm's own


def _nodes_that(fit: Callable[[NodeCapacity], bool]) -> Callable[[Columns, TaskShape], Mask]:
    return lambda columns, _shape: np.array([fit(node) for node in columns.nodes], np.bool_)


READY = Filter("ready", _always, _nodes_that(lambda node: node.state is NodeState.READY), _says("{nodes} not ready"))
DRAINING = Filter(
    "draining", _always, _nodes_that(lambda n: n.availability is not Availability.DRAIN), _says("{nodes} draining")
)
PAUSED = Filter(
    "paused", _always, _nodes_that(lambda node: node.availability is not Availability.PAUSE), _says("{nodes} paused")
)


def _resource(line: int) -> Filter:
    """Swarm compares reservations, and only where a task reserves something (swarmkit, filter.go)."""

    def check(columns: Columns, shape: TaskShape) -> Mask:
        fit: Mask = columns.capacity[line] - columns.load.used[line] >= Need(shape.need)[line]
        return fit

    name = {GPU: "GPU", CPU: "CPU"}.get(line, RESOURCES[line])
    return Filter(
        RESOURCES[line], lambda _columns, shape: shape.need.each()[line] > 0, check, _says(f"insufficient {name}")
    )


PLUGINS = Filter(
    "plugins",
    lambda _columns, shape: bool(shape.plugins),
    lambda columns, shape: np.array([n.plugins is None or shape.plugins <= n.plugins for n in columns.nodes], np.bool_),
    lambda shape: f"missing plugin ({', '.join(sorted(shape.plugins))})",
    lambda shape: shape.plugins,
)
CONSTRAINTS = Filter(
    "constraints",
    lambda _columns, shape: bool(shape.constraints),
    lambda columns, shape: columns.satisfying(shape.constraints),
    lambda shape: f"constraint not satisfied ({', '.join(map(str, shape.constraints))})",
    lambda shape: shape.constraints,
)

_SAME_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


def _runs(node: NodeCapacity, shape: TaskShape) -> bool:
    def alike(one: str, other: str) -> bool:
        return "" in (one, other) or _SAME_ARCHITECTURE.get(one, one) == _SAME_ARCHITECTURE.get(other, other)

    return any(alike(os, node.os) and alike(arch, node.arch) for os, arch in shape.platforms)


PLATFORM = Filter(
    "platform",
    lambda _columns, shape: bool(shape.platforms),
    lambda columns, shape: np.array([_runs(node, shape) for node in columns.nodes], np.bool_),
    _says("unsupported platform"),
    lambda shape: shape.platforms,
)


def _ports_free(columns: Columns, shape: TaskShape) -> Mask:
    free = np.ones(columns.size, np.bool_)
    for port in shape.ports:
        free[list(columns.port_rows.get(port, ()))] = False
    return free


PORTS = Filter(
    "host ports",
    lambda _columns, shape: bool(shape.ports),
    _ports_free,
    lambda shape: f"host port in use ({', '.join(map(str, sorted(shape.ports)))})",
)


def _below_max(columns: Columns, shape: TaskShape) -> Mask:
    return np.broadcast_to(np.asarray(columns.own(shape.service) < shape.max_per_node), (columns.size,))


MAX_REPLICAS = Filter(
    "max replicas per node",
    lambda _columns, shape: shape.max_per_node > 0,
    _below_max,
    lambda shape: f"max replicas per node ({shape.max_per_node}) reached",
)

# ---------------------------------------------------------------- ours

HEALTHY = Filter(
    "healthy",
    lambda columns, shape: shape.priority > columns.settings.priority,
    lambda columns, shape: (
        _nodes_that(lambda node: node.healthy)(columns, shape)
        & (readings.performance(columns, unknown=1.0) > columns.settings.performance)
    ),
    lambda shape: f"not healthy or quick enough for priority {shape.priority}",
)


def _calm(columns: Columns, _shape: TaskShape) -> Mask:
    # A comparison with nan is false: unknown is not over.
    over = (columns.cpu > columns.settings.cpu_limit) | (columns.memory > columns.settings.memory_limit)
    return ~over


BUSY = Filter("busy", _always, _calm, _says("too busy"))
UNKNOWN = Filter(
    "unknown",
    lambda columns, _shape: columns.settings.unknown_excludes,
    lambda columns, _shape: ~(np.isnan(columns.cpu) | np.isnan(columns.memory)),
    _says("no readings"),
)


def _headroom(line: int) -> Filter:
    """What is really used, with all that was placed since and this task, stays below the limit."""
    words = {CPU: "real CPU", MEMORY: "real memory"}[line]
    return Filter(
        words,
        lambda _columns, shape: shape.need.each()[line] > 0,
        lambda columns, shape: columns.load.room[line] >= Need(shape.need)[line],
        _says(f"insufficient {words}"),
    )


def _strangers(columns: Columns, shape: TaskShape) -> set[str]:
    others = {other.service for other in shape.apart_from if other.weight is None}
    return others | columns.kept_out.get(shape.service, set())


APART = Filter(
    "apart from",
    lambda columns, shape: bool(_strangers(columns, shape)),
    lambda columns, shape: ~columns.with_any(_strangers(columns, shape)),
    _says("a service to keep apart from"),
)


def _musts_near(shape: TaskShape) -> list[str]:
    return [other.service for other in shape.near if other.weight is None]


def _is_near(columns: Columns, shape: TaskShape) -> Mask:
    near = np.ones(columns.size, np.bool_)
    for service in _musts_near(shape):
        near &= columns.with_any([service])
    return near


NEAR = Filter(
    "near",
    lambda _columns, shape: bool(_musts_near(shape)),
    _is_near,
    lambda shape: f"no task of {' and '.join(_musts_near(shape))}",
)

SWARMS = (
    *(READY, DRAINING, PAUSED),
    *(_resource(line) for line in (CPU, MEMORY, DISK, GPU)),
    *(PLUGINS, CONSTRAINTS, PLATFORM, PORTS, MAX_REPLICAS),
)
OURS = (HEALTHY, BUSY, UNKNOWN, _headroom(CPU), _headroom(MEMORY), APART, NEAR)
FILTERS: tuple[Filter, ...] = (*SWARMS, *OURS)
STANDING: tuple[Filter, ...] = (READY, DRAINING, PAUSED, PLUGINS, CONSTRAINTS, PLATFORM, HEALTHY, BUSY, UNKNOWN)
"""Those whose answer placing does not change. Resources and headroom are one comparison with `Load.room`."""
ATTRIBUTES: tuple[Filter, ...] = (PLUGINS, CONSTRAINTS, PLATFORM)
"""Those that look at what a node is, however full it may be."""
MEETING: tuple[Filter, ...] = (PORTS, MAX_REPLICAS, APART, NEAR)
"""Those that look at which tasks are where."""


def explain(columns: Columns, shape: TaskShape) -> str:
    """Why no node takes a task of this shape now: each refused node counted once, at the first refusal."""
    if not columns.size:
        return "there are no nodes"
    left, words = np.ones(columns.size, np.bool_), []
    for one in FILTERS:
        if one.concerns(columns, shape):
            fit = one.check(columns, shape)
            if refused := int(np.count_nonzero(left & ~fit)):
                words.append(one.explain(shape, refused))
            left &= fit
    return "; ".join(words)
