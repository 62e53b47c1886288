# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from demo.cluster import Look, NodeLine, assemble
from demo.view import LiveView, Scene, chart, last_sentence, plain, render


def node(name: str, role: str = "worker", state: str = "ready") -> dict[str, Any]:
    return {"ID": name, "Description": {"Hostname": name}, "Spec": {"Role": role}, "Status": {"State": state}}


def task(where: str | None, state: str = "running") -> dict[str, Any]:
    return {"Status": {"State": state}} | ({"NodeID": where} if where else {})


def second(offered: float, served: int, failed: int = 0, at: float = 0.0) -> dict[str, Any]:
    return {"time": at, "phase": "rise", "offered": offered, "served": served, "failed": failed, "p95_ms": 150.0}


LOOK = Look(0.0, 3, 2, (NodeLine("manager1", "manager", "ready", 0), NodeLine("worker1", "worker", "down", 2)))
SCENE = Scene(65.4, LOOK, "", (second(10, 8, 2), second(20, 19)), (), "shop_web: from 2 to 3")


def drawn(scene: Scene) -> str:
    console = Console(width=100, record=True, file=None, color_system=None)
    with console.capture() as captured:
        console.print(render(scene, 100))
    return captured.get()


def test_a_task_counts_as_running_on_a_node_that_is_up_and_nowhere_else() -> None:
    nodes = [node("worker10"), node("worker2", state="down"), node("manager1", "manager"), node("worker9")]
    tasks = [task("worker10"), task("worker10", "starting"), task("worker2"), task(None, "pending"), task("manager1")]
    seen = assemble(nodes, 5, tasks, 12.345)
    assert seen.record() == {"time": 12.35, "wanted": 5, "running": 2, "nodes": 3}
    assert [(line.name, line.replicas) for line in seen.nodes] == [
        ("manager1", 1), ("worker2", 0), ("worker9", 0), ("worker10", 1),
    ]  # fmt: skip


def test_a_line_for_logs_tells_it_all() -> None:
    assert plain(SCENE) == "replicas 2/3, offered 20/s, served 19/s, lost 2, rise | shop_web: from 2 to 3"
    waiting = replace(SCENE, waiting="waiting for the scale-down")
    assert plain(waiting).endswith("lost 2, waiting for the scale-down | shop_web: from 2 to 3")


def test_a_scene_from_before_the_first_second_is_shown_too() -> None:
    scene = Scene(0.0, None, "", (), (), "…")
    assert plain(scene) == "replicas ?/?, offered 0/s, served 0/s, lost 0, starting | …"
    assert "starting" in drawn(scene)


def test_the_terminal_shows_nodes_replicas_rates_and_the_sentence() -> None:
    told = drawn(replace(SCENE, problem="no way to Docker"))
    for words in ("1:05", "worker1", "down", "2 running of 3 wanted", "offered 20/s", "lost 2", "p95 150 ms"):
        assert words in told
    assert "Docker does not answer: no way to Docker" in told
    assert "shop_web: from 2 to 3" in told


def test_a_sentence_with_brackets_is_shown_as_it_is() -> None:
    assert "[red]x[/nonsense]" in drawn(replace(SCENE, sentence="[red]x[/nonsense]"))


def test_the_chart_has_a_column_per_second_and_shades_what_was_not_served() -> None:
    counts = [{"time": at, "running": running} for at, running in ((1.5, 1), (2.5, 12))]
    lines = (second(60, 60, at=1), second(60, 10, at=2), second(0, 0, at=3))
    rows = chart(lines, counts, 80).plain.splitlines()
    assert [row[6:] for row in rows] == ["█░ "] * 5 + ["██ ", "?1+"]
    assert rows[0].startswith("   60")
    assert len(chart([second(1, 1)] * 500, counts, 80).plain.splitlines()[0]) == 86


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        ("", "…"),
        ("one\ntwo\n\n", "two"),
        ('{"event": "cycle", "sentence": "shop_web: from 1 to 2"}\n', "shop_web: from 1 to 2"),
        ('x\n{"event": "nothing to do"}\n', "nothing to do"),
        ("[1]\n", "[1]"),
        ('{"event": "cut of', '{"event": "cut of'),
    ],
)
def test_the_controllers_last_sentence_is_found_in_its_log(log: str, sentence: str) -> None:
    assert last_sentence(log) == sentence


def test_without_a_terminal_there_is_a_line_now_and_then_and_not_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    with LiveView(said.append) as view:
        for _beat in range(3):
            view.show(SCENE)
    assert said == [plain(SCENE)]
