# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes as columns of numbers: what filters and scores compute with.

Amounts are whole numbers (billionths of a core or a GPU, bytes), held in floats that are exact up to 2^53. So sums do
not depend on the order in which tasks come, and a column brought up to date equals one computed anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from swarmherd.decide.place.constraints import Constraint, Operator
from swarmherd.decide.place.settings import Settings
from swarmherd.decide.place.things import Amount, NodeCapacity, TaskShape

Column = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

CPU, MEMORY, DISK, GPU = range(4)
UNITS = (1e9, 1.0, 1.0, 1e9)
_UNITS = np.array(UNITS)


class Need:
    """What one task needs, in whole numbers: of each resource, and `lines` has those that are not 0.

    `step` is what one task more does to a node's `Load.amounts`.
    """

    __slots__ = ("cpu", "each", "lines", "memory", "step")

    def __init__(self, amount: Amount) -> None:
        cpu, memory, disk, gpu = self.each = tuple(map(_whole, amount.each(), UNITS))
        self.cpu, self.memory = cpu, memory
        self.lines = [(line, value) for line, value in enumerate(self.each) if value]
        self.step = np.array((cpu, memory, disk, gpu, -cpu, -memory, -disk, -gpu, -memory, 1.0))

    def __getitem__(self, line: int) -> float:
        return self.each[line]


def _whole(amount: float, unit: float) -> float:
    return float(round(amount * unit))


class Load:
    """What changes as tasks are placed, for all nodes, for some of them, or for one: then each amount is a number.

    `amounts` has all of it, so that a task placed is one column added. `used` is reserved, `room` is what a task may
    still take of each resource (the smaller of what is not reserved and what real use leaves below the limits); both,
    and `per_unit` (1/capacity; 0 without a limit), have a line for each resource. `spare` is room of memory with 10 %
    kept back; `tasks` counts all tasks on a node, `own` those of the service at hand.
    """

    __slots__ = ("amounts", "own", "per_unit", "room", "spare", "tasks", "used")

    def __init__(self, amounts: Column, per_unit: Column) -> None:
        self.amounts, self.per_unit = amounts, per_unit
        self.used, self.room, self.spare, self.tasks = amounts[:4], amounts[4:8], amounts[8], amounts[9]
        self.own: Column | float = 0.0

    def of(self, rows: Rows | slice | int) -> Load:
        """Some rows, or one."""
        some = Load(self.amounts[:, rows], self.per_unit[:, rows])
        some.own = self.own[rows] if isinstance(self.own, np.ndarray) else self.own
        return some

    def later(self, steps: Column, need: Need) -> Load:
        """As it is when so many more tasks are there: a line for each step."""
        more = steps[:, None]
        after = Load(self.amounts[:, None, :] + need.step[:, None, None] * more, self.per_unit[:, None, :])
        after.own = self.own + more
        return after

    def add(self, rows: Rows | int, more: Column | float, need: Need) -> None:
        """Puts `more` tasks of that need on each of these rows."""
        self.amounts[:, rows] += np.multiply.outer(need.step, more)


class Attribute:
    """One attribute of every node, as numbers, so that a constraint looks at each different value once."""

    def __init__(self, values: Iterable[str]) -> None:
        codes: dict[str, int] = {}
        self.codes = np.array([codes.setdefault(value.casefold(), len(codes)) for value in values], np.intp)
        self.values = tuple(codes)
        self._codes = codes

    def matching(self, constraint: Constraint) -> Mask:
        if constraint.attribute != "node.ip" and constraint.operator in (Operator.IN, Operator.NOT_IN):
            wanted = [self._codes.get(value.casefold(), -1) for value in constraint.values]
            listed: Mask = self.codes == wanted[0] if len(wanted) == 1 else np.isin(self.codes, wanted)
            return listed if constraint.operator is Operator.IN else ~listed
        return np.array([constraint.holds(value) for value in self.values], np.bool_)[self.codes]


class Columns:
    """The nodes, by column: what stays, the load, and which services and ports are where."""

    def __init__(self, nodes: Sequence[NodeCapacity], settings: Settings) -> None:
        self.nodes, self.settings, self.size = tuple(nodes), settings, len(nodes)
        self.capacity = _capacity(self.nodes)
        self.cpu = self._reading(lambda node: node.readings.cpu)
        self.memory = self._reading(lambda node: node.readings.memory)
        self.load = self._load()
        self._attributes: dict[str, Attribute] = {}
        # Where zones weigh nothing, all nodes are one.
        label = f"node.labels.{settings.zone_label}"
        zones = self.attribute(label) if settings.weight("zones") else Attribute([""] * self.size)
        self.zone_of = zones.codes
        """Each node's zone, as a number; nodes without the label are a zone of their own."""
        self.by_zone = np.argsort(self.zone_of, kind="stable")
        """The rows, zone by zone; `zone_starts` says where each begins."""
        self.zone_starts = np.searchsorted(self.zone_of[self.by_zone], np.arange(len(zones.values)))
        self.hosts: dict[str, dict[int, int]] = {}
        self.zone_counts: dict[str, list[int]] = {}
        self.port_rows: dict[int, set[int]] = {}
        self.kept_out: dict[str, set[str]] = {}
        """By service: those whose tasks there must not be on one node with its own."""
        for row, node in enumerate(self.nodes):
            for service, count in node.tasks.items():
                self._count(service, row, count)
            for port in node.ports:
                self.port_rows.setdefault(port, set()).add(row)

    def _load(self) -> Load:
        reserved = [node.reserved.each() for node in self.nodes]
        used = np.rint(np.array(reserved, np.float64).reshape(self.size, 4).T * _UNITS[:, None])
        room = self.capacity - used
        for line, reading, limit in (
            (CPU, self.cpu, self.settings.cpu_limit),
            (MEMORY, self.memory, self.settings.memory_limit),
        ):
            # Unknown (nan), or a share of no limit: what is reserved alone says how much room there is.
            known = ~np.isnan(reading) & np.isfinite(self.capacity[line])
            real = np.floor((limit - reading[known]) * self.capacity[line][known])
            room[line][known] = np.minimum(room[line][known], real)
        per_unit = np.divide(1.0, self.capacity, out=np.zeros_like(self.capacity), where=self.capacity > 0)
        kept = np.where(np.isfinite(self.capacity[MEMORY]), np.floor(self.capacity[MEMORY] * 0.1), 0.0)
        tasks = np.array([sum(node.tasks.values()) for node in self.nodes], np.float64)
        return Load(np.vstack([used, room, room[MEMORY] - kept, tasks]), per_unit)

    def _reading(self, read: Callable[[NodeCapacity], float | None]) -> Column:
        return np.array([np.nan if (value := read(node)) is None else value for node in self.nodes], np.float64)

    def attribute(self, name: str) -> Attribute:
        known = self._attributes.get(name)
        if known is None:
            read = _reader(name)
            known = self._attributes[name] = Attribute(read(node) for node in self.nodes)
        return known

    def satisfying(self, constraints: Iterable[Constraint]) -> Mask:
        """The nodes where all of these hold."""
        fit = np.ones(self.size, np.bool_)
        for constraint in constraints:
            fit &= self.attribute(constraint.attribute).matching(constraint)
        return fit

    def own(self, service: str) -> Column | float:
        """How many tasks of a service each node has; a plain 0 when none has any."""
        hosts = self.hosts.get(service)
        if not hosts:
            return 0.0
        counts = np.zeros(self.size)
        counts[list(hosts)] = list(hosts.values())
        return counts

    def with_any(self, services: Iterable[str]) -> Mask:
        """The nodes with a task of any of these services."""
        found = np.zeros(self.size, np.bool_)
        for service in services:
            found[list(self.hosts.get(service, ()))] = True
        return found

    def in_zones(self, service: str) -> list[int]:
        """How many tasks of a service each zone has."""
        return self.zone_counts.get(service) or [0] * len(self.zone_starts)

    def put(self, shape: TaskShape, need: Need, placed: dict[int, int]) -> None:
        """Notes that so many tasks of a shape are on those rows."""
        if len(placed) == 1:
            ((row, more),) = placed.items()
            self.load.add(row, float(more), need)
        else:
            self.load.add(np.array(list(placed), np.intp), np.array(list(placed.values()), np.float64), need)
        for row, more in placed.items():
            self._count(shape.service, row, more)
        for port in shape.ports:
            self.port_rows.setdefault(port, set()).update(placed)
        for other in shape.apart_from:
            if other.weight is None and other.service != shape.service:
                self.kept_out.setdefault(other.service, set()).add(shape.service)

    def _count(self, service: str, row: int, more: int) -> None:
        hosts = self.hosts.setdefault(service, {})
        hosts[row] = hosts.get(row, 0) + more
        zones = self.zone_counts.setdefault(service, [0] * len(self.zone_starts))
        zones[int(self.zone_of[row])] += more


def _capacity(nodes: Sequence[NodeCapacity]) -> Column:
    limits = [[np.inf if limit is None else limit for limit in node.limits()] for node in nodes]
    capacity: Column = np.rint(np.array(limits, np.float64).reshape(len(nodes), 4).T * _UNITS[:, None])
    return capacity


def _reader(name: str) -> Callable[[NodeCapacity], str]:
    if name.startswith("node.labels."):
        key = name.removeprefix("node.labels.")
        return lambda node: node.labels.get(key, "")
    if name.startswith("engine.labels."):
        key = name.removeprefix("engine.labels.")
        return lambda node: node.engine_labels.get(key, "")
    return _ATTRIBUTES[name]


_ATTRIBUTES: dict[str, Callable[[NodeCapacity], str]] = {
    "node.id": lambda node: node.id,
    "node.hostname": lambda node: node.name,
    "node.role": lambda node: node.role.value,
    "node.ip": lambda node: node.address,
    "node.platform.os": lambda node: node.os,
    "node.platform.arch": lambda node: node.arch,
}
