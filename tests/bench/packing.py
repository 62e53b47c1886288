# SPDX-License-Identifier: GPL-3.0-or-later
"""Few nodes on real workloads: `fit --strategy pack` beside first-fit decreasing, online packers and a solver.

All opponents are written here, see the same nodes and tasks, and have the same room on each; none of the figures has
time in it. The traces stand in `../shared/traces/placement` beside the checkout, or below SWARMHERD_TRACES.
"""

from __future__ import annotations

import csv
import gzip
import heapq
import os
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array
from swarmherd.cli.fit_input import FitTask, in_order
from swarmherd.decide.place import Amount, NodeCapacity, Placer, Settings, Strategy, TaskShape
from swarmherd.decide.place.columns import Columns, Need
from swarmherd.decide.place.sums import NEVER, Sum

TRACES = Path(os.environ.get("SWARMHERD_TRACES", Path(__file__).resolve().parents[3] / "shared" / "traces"))
MIB, GIB = 2**20, 2**30
PACK = Settings(strategy=Strategy.PACK)
SAMPLES, SAMPLE_TASKS, SAMPLE_NODES = 21, 80, 30
SOLVER_SECONDS = 10.0
HOST = Amount(cpu=64.0, memory_bytes=128 * GIB)
"""A host for the virtual machines of the Azure trace; the largest of those takes 16 cores or 112 GiB."""


def packing() -> dict[str, Any]:
    """All figures, or why there are none."""
    folder = TRACES / "placement"
    if not folder.is_dir():
        return {"skipped": f"no traces in {folder}: set SWARMHERD_TRACES"}
    nodes, tasks = openb_nodes(folder), openb_tasks(folder)
    return {
        "openb": whole(nodes, tasks),
        "openb_samples": sampled(nodes, tasks),
        "azure_online": online(list(machines(folder))),
    }


def rows(file: Path) -> Iterator[dict[str, str]]:
    with gzip.open(file, "rt") as stream:
        yield from csv.DictReader(stream)


# ---------------------------------------------------------------- offline: the OpenB cluster


def openb_nodes(folder: Path) -> list[NodeCapacity]:
    return [
        NodeCapacity(
            row["sn"],
            cpu=int(row["cpu_milli"]) / 1000,
            memory_bytes=int(row["memory_mib"]) * MIB,
            gpu=int(row["gpu"]),
        )
        for row in rows(folder / "openb_nodes.csv.gz")
    ]


def openb_tasks(folder: Path) -> list[FitTask]:
    """Parts of GPUs add up to whole ones here, as for `fit`."""
    return [FitTask(TaskShape(row["name"], _need(row)), False) for row in rows(folder / "openb_pods_default.csv.gz")]


def _need(row: dict[str, str]) -> Amount:
    gpus = int(row["num_gpu"]) * int(row["gpu_milli"] or 0) / 1000
    return Amount(int(row["cpu_milli"]) / 1000, int(row["memory_mib"]) * MIB, gpu=gpus)


def whole(nodes: Sequence[NodeCapacity], tasks: Sequence[FitTask]) -> dict[str, Any]:
    """The whole trace. The bound is that of the sums alone: the fewest nodes that have as much of each resource."""
    used, unplaced = by_fit(nodes, tasks)
    theirs, left = first_fit_decreasing(nodes, tasks)
    return {
        "nodes": len(nodes),
        "tasks": len(tasks),
        "fit_pack": {"nodes_used": used, "unplaced": unplaced},
        "first_fit_decreasing": {"nodes_used": theirs, "unplaced": left},
        "bound_of_the_sums_nodes": fewest_by_sums(nodes, tasks),
        "nodes_over_first_fit_ratio": round(used / theirs, 3),
    }


def by_fit(nodes: Sequence[NodeCapacity], tasks: Sequence[FitTask]) -> tuple[int, int]:
    """Nodes used and tasks unplaced, by what `swarmherd fit --strategy pack` does."""
    placer = Placer(nodes, PACK)
    placements = placer.place(tasks[number].shape for number in in_order(tasks, nodes))
    return len({row for one in placements for row in one.nodes}), sum(one.unplaced for one in placements)


def first_fit_decreasing(nodes: Sequence[NodeCapacity], tasks: Sequence[FitTask]) -> tuple[int, int]:
    """The same, each task on the first node of the file that has room, the largest tasks first."""
    room = _capacities(nodes)
    needs = _needs(tasks)
    used: set[int] = set()
    unplaced = 0
    for number in in_order(tasks, nodes):
        fits = (room >= needs[number]).all(axis=1)
        row = int(fits.argmax())
        if fits[row]:
            room[row] -= needs[number]
            used.add(row)
        else:
            unplaced += 1
    return len(used), unplaced


def _capacities(nodes: Sequence[NodeCapacity]) -> np.ndarray:
    """Whole numbers: thousandths of a core, MiB, thousandths of a GPU."""
    return np.array([[_milli(n.cpu), (n.memory_bytes or 0) // MIB, _milli(n.gpu)] for n in nodes], np.int64)


def _needs(tasks: Sequence[FitTask]) -> np.ndarray:
    needs = [task.shape.need for task in tasks]
    return np.array([[_milli(n.cpu), n.memory_bytes // MIB, _milli(n.gpu)] for n in needs], np.int64)


def _milli(amount: float | None) -> int:
    return round(1000 * (amount or 0))


def fewest_by_sums(nodes: Sequence[NodeCapacity], tasks: Sequence[FitTask]) -> int:
    kinds, counts = np.unique(_capacities(nodes), axis=0, return_counts=True)
    enough = LinearConstraint(kinds.T, lb=_needs(tasks).sum(axis=0))
    found = milp(np.ones(len(kinds)), constraints=enough, integrality=1, bounds=Bounds(0, counts))
    return round(found.fun)


def sampled(nodes: Sequence[NodeCapacity], tasks: Sequence[FitTask]) -> dict[str, Any]:
    """Random nodes and tasks of the trace, where a solver can tell how few nodes there could be at least.

    A task that fits on no node of the sample is not drawn. Where the solver runs out of time, its bound still holds.
    """
    chance = random.Random(4)  # noqa: S311 the same every time
    found: list[tuple[int, int, int]] = []
    unplaced = [0, 0]
    while len(found) < SAMPLES:
        some = chance.sample(list(nodes), SAMPLE_NODES)
        room = _capacities(some)
        fitting = [task for task in chance.sample(list(tasks), 4 * SAMPLE_TASKS) if _fits(task, room)][:SAMPLE_TASKS]
        bound = fewest_nodes(room, _needs(fitting))
        if bound is None:
            continue
        (used, left), (theirs, rest) = by_fit(some, fitting), first_fit_decreasing(some, fitting)
        found.append((used, theirs, bound))
        unplaced = [unplaced[0] + left, unplaced[1] + rest]
    return {
        "samples": SAMPLES,
        "tasks_each": SAMPLE_TASKS,
        "nodes_each": SAMPLE_NODES,
        "fit_pack_over_bound_ratio": round(sum(f for f, _t, _b in found) / sum(b for _f, _t, b in found), 3),
        "first_fit_over_bound_ratio": round(sum(t for _f, t, _b in found) / sum(b for _f, _t, b in found), 3),
        "nodes_used_median": {
            "fit_pack": statistics.median(f for f, _t, _b in found),
            "first_fit_decreasing": statistics.median(t for _f, t, _b in found),
            "solver_bound": statistics.median(b for _f, _t, b in found),
        },
        "unplaced": {"fit_pack": unplaced[0], "first_fit_decreasing": unplaced[1]},
    }


def _fits(task: FitTask, room: np.ndarray) -> bool:
    return bool((room >= _needs([task])[0]).all(axis=1).any())


def fewest_nodes(room: np.ndarray, needs: np.ndarray) -> int | None:
    """The solver's bound for placing all; None where all cannot be placed, or nothing was learned in time.

    Variables: task i on node j, then node j in use. HiGHS by scipy.
    """
    tasks, nodes, kinds = len(needs), len(room), room.shape[1]
    pairs = tasks * nodes
    task, node = np.divmod(np.arange(pairs), nodes)
    placed = coo_array((np.ones(pairs), (task, np.arange(pairs))), shape=(tasks, pairs + nodes))
    lines, columns, values = [], [], []
    for kind in range(kinds):
        lines += [node * kinds + kind, np.arange(nodes) * kinds + kind]
        columns += [np.arange(pairs), pairs + np.arange(nodes)]
        values += [needs[task, kind], -room[:, kind]]
    held = coo_array(
        (np.concatenate(values), (np.concatenate(lines), np.concatenate(columns))),
        shape=(nodes * kinds, pairs + nodes),
    )
    found = milp(
        np.concatenate([np.zeros(pairs), np.ones(nodes)]),
        constraints=[LinearConstraint(placed, 1, 1), LinearConstraint(held, ub=0)],
        integrality=1,
        bounds=Bounds(0, 1),
        options={"time_limit": SOLVER_SECONDS},
    )
    bound = found.mip_dual_bound
    return None if bound is None or not np.isfinite(bound) else int(np.ceil(bound - 1e-6))


# ---------------------------------------------------------------- online: virtual machines that come and go

Machine = tuple[int, int, Amount]
"""When it comes, when it goes, and what it takes."""


def machines(folder: Path) -> Iterator[Machine]:
    """The trace tells a duration as a span: its middle is taken."""
    for row in rows(folder / "azure17_vm_arrivals_dev.csv.gz"):
        came = int(row["arrival_s"])
        stays = (int(row["duration_min_s"]) + int(row["duration_max_s"])) // 2
        yield came, came + stays, Amount(float(row["cpu"]), float(row["mem_gib"]) * GIB)


def online(arriving: Sequence[Machine]) -> dict[str, Any]:
    """Hosts in use at the peak, each machine placed when it comes and never moved.

    The bound is the peak of what all machines together take, in whole hosts, by the scarcer resource.
    """
    bound = fewest_hosts(arriving)
    hosts = 2 * bound
    packers: dict[str, Callable[[int], Packer]] = {"fit_pack": Ours, "best_fit": BestFit, "first_fit": Packer}
    peaks = {name: peak(make(hosts), arriving) for name, make in packers.items()}
    return {
        "machines": len(arriving),
        "host": {"cpu": HOST.cpu, "memory_gib": HOST.memory_bytes / GIB},
        "bound_hosts": bound,
        "peak_hosts": peaks,
        "over_bound_percent": {name: round(100 * (found / bound - 1), 1) for name, found in peaks.items()},
    }


def fewest_hosts(arriving: Sequence[Machine]) -> int:
    events = sorted(
        [(came, 1, need) for came, _goes, need in arriving] + [(goes, -1, need) for _came, goes, need in arriving],
        key=lambda event: event[:2],
    )
    cpu = memory = most = 0.0
    for _at, sign, need in events:
        cpu, memory = cpu + sign * need.cpu, memory + sign * need.memory_bytes
        most = max(most, cpu / HOST.cpu, memory / HOST.memory_bytes)
    return int(np.ceil(most - 1e-9))


class Packer:
    """First fit, on hosts that are all alike; `room` is what is left of CPU and memory, as shares, on each."""

    def __init__(self, hosts: int) -> None:
        self.room = np.ones((hosts, 2))
        self.count = np.zeros(hosts, np.int64)

    def place(self, need: Amount) -> int:
        share = self._share(need)
        fits = np.flatnonzero((self.room >= share - 1e-9).all(axis=1))
        row = int(self.chosen(fits))
        self.room[row] -= share
        self.count[row] += 1
        return row

    def leave(self, need: Amount, row: int) -> None:
        self.room[row] += self._share(need)
        self.count[row] -= 1

    def chosen(self, fits: np.ndarray) -> int:
        """One of the hosts with room: here the first."""
        return fits[0]

    def _share(self, need: Amount) -> np.ndarray:
        return np.array([need.cpu / HOST.cpu, need.memory_bytes / HOST.memory_bytes])


class BestFit(Packer):
    """The host with least room left, CPU and memory together."""

    def chosen(self, fits: np.ndarray) -> int:
        return fits[self.room[fits].sum(axis=1).argmin()]


class Ours(Packer):
    """The filters and scores of `fit --strategy pack`, one machine at a time; a machine that leaves is taken back."""

    def __init__(self, hosts: int) -> None:
        super().__init__(hosts)
        alike = [NodeCapacity(f"h{k}", cpu=HOST.cpu, memory_bytes=HOST.memory_bytes) for k in range(hosts)]
        self.columns = Columns(alike, PACK)
        self.sum = Sum(self.columns, PACK)

    def place(self, need: Amount) -> int:
        shape, whole_need = self._shape(need), Need(need)
        points = self.sum.totals(shape, whole_need)
        row = int(np.argmax(points))
        assert points[row] > NEVER, "there is always a host"
        self._put(shape, whole_need, row, 1)
        return row

    def leave(self, need: Amount, row: int) -> None:
        self._put(self._shape(need), Need(need), row, -1)

    def _shape(self, need: Amount) -> TaskShape:
        return TaskShape(f"vm-{need.cpu:g}-{need.memory_bytes:g}", need)

    def _put(self, shape: TaskShape, need: Need, row: int, more: int) -> None:
        self.columns.put(shape, need, {row: more})
        self.sum.refresh(slice(row, row + 1))
        self.count[row] += more


def peak(packer: Packer, arriving: Sequence[Machine]) -> int:
    """The most hosts with a machine at any one time."""
    leaving: list[tuple[int, int, int]] = []
    most = used = 0
    for number, (came, goes, need) in enumerate(arriving):
        while leaving and leaving[0][0] <= came:
            _at, row, which = heapq.heappop(leaving)
            packer.leave(arriving[which][2], row)
            used -= int(packer.count[row] == 0)
        row = packer.place(need)
        used += int(packer.count[row] == 1)
        most = max(most, used)
        heapq.heappush(leaving, (goes, row, number))
    return most
