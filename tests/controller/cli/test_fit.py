# SPDX-License-Identifier: GPL-3.0-or-later
"""`swarmherd fit`: what it reads, what it says, and one clear error for each mistake in a file."""

from __future__ import annotations

import csv
import gzip
import json
import os
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from swarmherd.cli import app
from swarmherd.cli.fit_input import FitTask, in_order, read_nodes, read_tasks
from swarmherd.cli.rows import LARGEST_MEBIBYTES
from swarmherd.decide.place import Amount, NodeCapacity, TaskShape
from typer.testing import CliRunner, Result

NODES = """name,cpu,memory,gpu,disk,labels
n1,4,8g,0,100g,zone=a;disk=ssd
n2,4,8g,0,100g,zone=b;disk=hdd
n3,4,8g,1,100g,zone=c;disk=hdd
"""
TASKS = """name,cpu,memory,gpu,disk,replicas,constraints,affinity,priority
web,0.5,512m,,,6,,,
db,1,4g,,10g,1,node.labels.disk==ssd,node.labels.zone==a:5,90
model,1,1g,1,,,,,
"""
TRACES = Path(os.environ.get("SWARMHERD_TRACES", Path(__file__).resolve().parents[4] / "shared" / "traces"))


class Files:
    """Two files in a folder of the test's own, and the command over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes, self.tasks = self.write("nodes.csv", NODES), self.write("tasks.csv", TASKS)

    def write(self, name: str, text: str | bytes) -> Path:
        content = text.encode() if isinstance(text, str) else text
        path = self.folder / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    def call(self, *words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, ["fit", "--nodes", str(self.nodes), "--tasks", str(self.tasks), *words])
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    def fit(self, *words: str) -> Any:
        return json.loads(self.call("--json", *words).stdout)

    def refused(self) -> str:
        output = self.call(code=2).output
        assert output.count("\n") == 1, f"one sentence: {output}"
        return output


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_answer_has_every_key_and_assignments_only_when_asked(files: Files) -> None:
    keys = {"placed", "unplaced", "nodes_used", "seconds", "placements_per_second", "imbalance"}
    assert set(files.fit()) == keys
    assert set(files.fit("--assignments")) == keys | {"assignments"}


def test_tasks_are_named_after_their_row_and_go_where_constraints_and_gpus_allow(files: Files) -> None:
    found = files.fit("--assignments")
    where = {pair["task"]: pair["node"] for pair in found["assignments"]}
    assert (found["placed"], found["unplaced"]) == (8, [])
    assert list(where) == [*(f"web.{k}" for k in range(1, 7)), "db.1", "model"]
    assert (where["db.1"], where["model"]) == ("n1", "n3")
    assert {where[f"web.{k}"] for k in range(1, 7)} == {"n1", "n2", "n3"}, "the zones share them"


def test_spread_loads_evenly_and_pack_uses_few_nodes(files: Files) -> None:
    files.tasks = files.write("t.csv", "name,cpu,memory,replicas\nweb,0.5,1g,6\n")
    spread, pack = files.fit("--strategy", "spread"), files.fit("--strategy", "pack")
    assert (spread["nodes_used"], pack["nodes_used"]) == (3, 1)
    assert spread["imbalance"] == 0.0 < pack["imbalance"]


def test_each_task_without_a_place_is_named_with_the_reason(files: Files) -> None:
    files.tasks = files.write("t.csv", "name,cpu,replicas,constraints\nbig,3,4,\nfar,1,,node.labels.zone==d\n")
    assert files.fit()["unplaced"] == [
        {"name": "big.4", "explanation": "insufficient CPU on 3 nodes"},
        {"name": "far", "explanation": "constraint not satisfied (node.labels.zone==d) on 3 nodes"},
    ]


def test_a_missing_column_is_no_need_and_no_limit(files: Files) -> None:
    files.nodes, files.tasks = files.write("n.csv", "name\na\nb\n"), files.write("t.csv", "name,cpu\nx,1000\ny,\n")
    assert files.fit()["placed"] == 2


@pytest.mark.parametrize("name", ["nodes.json", "nodes.yml", "nodes.yaml.gz", "nodes.csv.gz"])
def test_every_format_says_the_same(files: Files, name: str) -> None:
    wanted = files.fit("--assignments")["assignments"]
    entries = [
        {"name": f"n{k}", "cpu": 4, "memory": "8GiB", "gpu": k // 3, "disk": 100 * 2**30, "labels": labels}
        for k, labels in enumerate(({"zone": "a", "disk": "ssd"}, "zone=b;disk=hdd", ["zone=c", "disk=hdd"]), 1)
    ]
    text = NODES if "csv" in name else json.dumps({"nodes": entries} if "json" in name else entries)
    files.nodes = files.write(name, text)
    assert files.fit("--assignments")["assignments"] == wanted


def test_constraints_and_affinities_may_be_mappings(files: Files) -> None:
    at_edge = {"key": "node.labels.zone", "operator": "In", "values": ["b", "c"]}
    entry = {"name": "x", "constraints": [at_edge], "affinity": [{**at_edge, "values": ["c"], "weight": 3}]}
    files.tasks = files.write("t.json", json.dumps([entry]))
    assert files.fit("--assignments")["assignments"] == [{"task": "x", "node": "n3"}]
    entry["constraints"] = [{"key": "node.labels.disk", "operator": "DoesNotExist"}]
    files.tasks = files.write("t.json", json.dumps([entry]))
    assert "node.labels.disk DoesNotExist" in files.fit()["unplaced"][0]["explanation"]


def test_labels_in_yaml_that_look_like_truth_or_nothing_are_words(files: Files) -> None:
    files.nodes = files.write("n.yml", "- {name: n1, labels: {big: true, none: }}\n- {name: 2}\n")
    files.tasks = files.write("t.yml", "tasks: [{name: x, constraints: 'node.labels.big==true'}]\n")
    assert files.fit("--assignments")["assignments"] == [{"task": "x", "node": "n1"}]


def test_people_see_tables(files: Files) -> None:
    assert "not placed" not in files.call().stdout
    files.tasks = files.write("t.csv", f"{TASKS}huge,64,,,,2,,,\n")
    output = files.call("--assignments").stdout
    for said in ("8 of 10 tasks placed on 3 of 3 nodes", "insufficient CPU on 3 nodes", "web.6", "imbalance 0."):
        assert said in output


def test_long_tables_are_cut_for_people_only(files: Files) -> None:
    files.nodes = files.write("n.csv", "name,cpu\n" + "".join(f"n{k},1\n" for k in range(60)))
    files.tasks = files.write("t.csv", "name,cpu\n" + "".join(f"t{k},{1 + k // 60}\n" for k in range(120)))
    output = files.call().stdout
    assert output.count("… 20 more") == 2
    assert len(files.fit()["unplaced"]) == 60


BOMB = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9 if n else 'x')}]" for n in range(8))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", "cpu\n1\n", "line 2, column name: there is no name"),
        ("t.csv", "name,cpu\n,1\n", "line 2, column name: there is no name"),
        ("t.csv", "", "it is empty"),
        ("t.csv.gz", " \n", "it is empty"),
        ("t.csv", "name,cpu\n", "it has no tasks"),
        ("t.csv", "name,cpu\nx,1\n\nx,2\n", "line 4, column name: 'x' is also the name of line 2"),
        ("t.csv", "name,cpu\nx,-1\n", "line 2, column cpu: '-1' is negative; write 0 or more"),
        ("t.csv", "name,memory\nx,-1g\n", "line 2, column memory: '-1g' is negative"),
        ("t.csv", "name,memory\nx,1q\n", "column memory: '1q' is not a size; write bytes, or a suffix: 512m, 2g"),
        ("t.csv", "name,memory\nx,9999999p\n", "is too large"),
        ("t.csv", "name,cpu\nx,nan\n", "column cpu: 'nan' is not a number"),
        ("t.csv", "name,replicas\nx,1.5\n", "column replicas: '1.5' is not a whole number"),
        ("t.csv", "name,replicas\nx,-2\n", "column replicas: '-2' is negative"),
        ("t.csv", "name,replicas\nx,99999999\n", "column replicas: '99999999' is too large"),
        ("t.csv", "name,replicas\nx,9999999\ny,9999999\n", "more than 10000000 tasks"),
        ("t.csv", "name,replicas\nx,3\nx.2,\n", "line 3, column name: 'x.2' is also a replica of x"),
        ("t.csv", "name,constraints\nx,node.labels.a=b\n", "column constraints: 'node.labels.a=b' has neither =="),
        ("t.csv", "name,constraints\nx,node.labels.a==\n", "compares with nothing"),
        ("t.csv", "name,constraints\nx,node.colour==red\n", "'node.colour' is nothing that a constraint can be about"),
        ("t.csv", "name,affinity\nx,node.labels.a==b:c\n", "column affinity: 'c' is no weight"),
        ("t.csv", "name,affinity\nx,node.labels.a==b:0\n", "column affinity: '0' is no weight"),
        ("t.csv", "name,memroy\nx,1\n", "column memroy: there is no such column; did you mean memory?"),
        ("t.csv", "name,cpu,cpu\nx,1,2\n", "line 1: column 'cpu' is there twice"),
        ("t.csv", "name,cpu\nx,1,2\n", "line 2: 3 cells for 2 columns"),
        ("t.csv", 'name,cpu\n"x,1\n', "line 2: unexpected end of data"),
        ("t.csv", b"name\n\xff\n", "byte 5 is not UTF-8"),
        ("t.txt", "name\nx\n", "the format is not clear from the name"),
        ("t.json", "[{]", "write valid json"),
        ("t.json", "[" * 100_000, "write valid json"),
        ("t.yml", "a: [", "write valid yml"),
        ("t.yml", "[{name: x, cpu: 1, cpu: 2}]", "'cpu' stands twice in"),
        ("t.yml", "tasks: [{name: x}]\ntasks: [{name: y}]", "'tasks' stands twice in"),
        ("t.json", '[{"name": "x", "cpu": 1, "cpu": 2}]', "'cpu' stands twice in one object"),
        ("t.yml", "[" * 100_000, "it is nested too deep"),
        ("t.yml", "&x [*x]", "it holds itself"),
        ("t.yml", BOMB, "its aliases stand for more than 2000000 values"),
        ("t.yml", "hello", "there is no list"),
        ("t.yml", "nodes: [{name: x}]", "a mapping with the key tasks"),
        ("t.yml", "[[1]]", "entry 1: a list is no mapping of columns"),
        ("t.yml", "[{name: [1]}]", "entry 1, column name: a list is no name"),
        ("t.yml", "[{name: x, cpu: true}]", "column cpu: True is not a number"),
        ("t.yml", "[{name: x, memory: [1]}]", "column memory: a list is not a size"),
        (
            "t.yml",
            "[{name: x, constraints: [{key: node.role, operator: Is}]}]",
            "is no constraint; write key, operator",
        ),
        ("t.yml", "[{name: x, constraints: [{key: node.role, operator: In}]}]", "In needs a value"),
        ("t.yml", "[{name: x, affinity: [{key: node.role, operator: Exists, weight: x}]}]", "'x' is no weight"),
        ("t.yml", "[{name: x, affinity: [{key: node.role, operator: Exists, weight: -1}]}]", "a weight above 0"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_remedy(files: Files, name: str, text: str | bytes, said: str) -> None:
    files.tasks = files.write(name, text)
    output = files.refused()
    assert str(files.tasks) in output
    assert said in output


@pytest.mark.parametrize(
    ("labels", "said"),
    [("a", "'a' is no label; write k=v;k2=v2"), ("a==b", "is no label"), ("=b", "is no label"), ("a=1;a=2", "twice")],
)
def test_labels_that_are_none_are_refused(files: Files, labels: str, said: str) -> None:
    files.nodes = files.write("n.csv", f"name,labels\nn1,{labels}\n")
    assert said in files.refused()


def test_files_that_cannot_be_read_are_named(files: Files) -> None:
    files.tasks = files.folder / "nowhere.csv"
    assert "nowhere.csv: cannot be read: No such file or directory" in files.refused()
    files.tasks = files.folder / "plain.csv.gz"
    files.tasks.write_text("name\nx\n")
    assert "Not a gzipped file" in files.refused()
    files.tasks = files.folder / "cut.csv.gz"
    files.tasks.write_bytes(gzip.compress(TASKS.encode())[:-12])
    assert "cannot be read" in files.refused()


def test_what_grows_without_end_is_refused(files: Files) -> None:
    files.tasks = files.write("t.csv.gz", b"n" * (LARGEST_MEBIBYTES * 2**20 + 1))
    assert "larger than 256 MiB" in files.refused()


def test_priority_then_constraints_then_size_decide_the_order() -> None:
    def task(name: str, cpu: float, priority: int = 0) -> FitTask:
        return FitTask(TaskShape(name, Amount(cpu=cpu), priority=priority), numbered=False)

    nodes = [NodeCapacity("n", cpu=4.0)]
    assert in_order([task("small", 1), task("large", 2), task("urgent", 0.1, 90)], nodes) == [2, 1, 0]
    assert in_order([task("first", 1), task("second", 2)], [NodeCapacity("n")]) == [0, 1], "no limit, no size"


# ---------------------------------------------------------------- the OpenB trace


def openb(files: Files, pods: int) -> None:
    """Nodes and the first pods of the trace, in our columns."""
    folder = TRACES / "placement"
    if not folder.is_dir():
        pytest.skip(f"no traces in {TRACES}: set SWARMHERD_TRACES")
    with gzip.open(folder / "openb_nodes.csv.gz", "rt") as stream:
        nodes = [[r["sn"], int(r["cpu_milli"]) / 1000, f"{r['memory_mib']}m", r["gpu"]] for r in csv.DictReader(stream)]
    with gzip.open(folder / "openb_pods_default.csv.gz", "rt") as stream:
        found = list(csv.DictReader(stream))[:pods]
    tasks = [
        [
            r["name"],
            int(r["cpu_milli"]) / 1000,
            f"{r['memory_mib']}m",
            int(r["num_gpu"]) * int(r["gpu_milli"] or 0) / 1000,
        ]
        for r in found
    ]
    for name, rows in (("openb_nodes.csv", nodes), ("openb_pods.csv", tasks)):
        with (files.folder / name).open("w", newline="") as out:
            csv.writer(out).writerows([["name", "cpu", "memory", "gpu"], *rows])
    files.nodes, files.tasks = files.folder / "openb_nodes.csv", files.folder / "openb_pods.csv"


def first_fit_decreasing(files: Files) -> tuple[int, int]:
    """Tasks without a place, and nodes used, when each task goes to the first node with room, largest first."""
    nodes, tasks = read_nodes(files.nodes), read_tasks(files.tasks)
    room = [[limit or 0.0 for limit in node.limits()] for node in nodes]
    unplaced, used = 0, set()
    for number in in_order(tasks, nodes):
        cpu, memory, _disk, gpu = tasks[number].shape.need.each()
        row = next((k for k, r in enumerate(room) if r[0] >= cpu and r[1] >= memory and r[3] + 1e-9 >= gpu), None)
        if row is None:
            unplaced += 1
            continue
        room[row] = [room[row][0] - cpu, room[row][1] - memory, 0.0, room[row][3] - gpu]
        used.add(row)
    return unplaced, len(used)


def test_on_the_trace_packing_is_no_worse_than_first_fit_decreasing(files: Files) -> None:
    openb(files, pods=2000)
    unplaced, used = first_fit_decreasing(files)
    pack, spread = files.fit("--strategy", "pack"), files.fit("--strategy", "spread", "--assignments")
    assert len(pack["unplaced"]) <= unplaced
    assert pack["nodes_used"] <= used
    assert spread["placed"] >= 0.99 * pack["placed"]
    assert spread["imbalance"] < pack["imbalance"]
    counts = Counter(pair["node"] for pair in spread["assignments"])
    assert statistics.median(counts.values()) <= 3, "even load: 2,000 tasks over 1,523 nodes"
