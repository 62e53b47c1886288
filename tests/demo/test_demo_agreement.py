# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator held against runs of the demo on real Swarm, and what would not agree with them."""

from __future__ import annotations

import json
import threading
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from swarmherd.policy import PolicyError
from swarmherd.simulate.cluster.steps import ANSIBLE_SECONDS

from demo import agreement
from demo.agreement import (
    BEFORE_A_START,
    USUAL_STARTUP_SECONDS,
    Lab,
    begin,
    play,
    playbook_seconds,
    scenario,
    startup_seconds,
)
from demo.apart import LEAST_SECONDS, Apart, apart
from demo.records import records, write_records
from demo.settings import Settings
from demo.shop.shop import Settings as Shop
from demo.stage import Demo
from demo.steps import DemoError
from tests.demo.conftest import ROOT
from tests.demo.recorded import START, decision, held, recorded, rows

SCALE = ("services", "shop_web", "scale")


def changed(lab: Lab, *path: Any, to: Any) -> Lab:
    """The same with one value of the policy's another."""
    policy = deepcopy(dict(lab.policy))
    part: Any = policy
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = to
    return replace(lab, policy=policy)


@pytest.mark.parametrize(("name", "most"), [("backlog", 0.6), ("headroom", 0.2)])
def test_the_same_traffic_asks_for_the_same_replicas_on_swarm_and_in_simulation(name: str, most: float) -> None:
    found = held(*recorded(name))
    assert found.mean_difference < most
    assert found.mean_simulated == pytest.approx(found.mean_real, rel=0.05)
    assert found.objection() == ""


def test_the_documentation_has_these_figures() -> None:
    text = (ROOT / "docs" / "simulate.md").read_text()
    assert [row for row in rows() if row not in text] == []


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda lab: changed(lab, *SCALE, "metrics", to=[{"requests_per_replica": 11}]), id="target"),
        pytest.param(lambda lab: changed(lab, "queries", "window", to="60s"), id="window"),
        pytest.param(lambda lab: changed(lab, *SCALE, "max", to=6), id="most"),
        pytest.param(lambda lab: replace(lab, shop=Shop(capacity=5.0, queue=200)), id="shop"),
    ],
)
def test_another_policy_or_shop_does_not_agree_with_the_recording(wrong: Any) -> None:
    run, lab = recorded("backlog")
    found = held(run, wrong(lab))
    assert found.mean_difference > found.bound
    assert f"({found.mean_real:.1f} on Swarm); apart by {found.mean_difference:.1f} on average, which may be 1.0" in (
        found.objection()
    )


@pytest.mark.parametrize("other", [Shop(capacity=5.0), Shop(queue=0)], ids=["half the capacity", "nobody waits"])
def test_the_shop_as_it_is_comes_nearest_to_the_recording(other: Shop) -> None:
    """Refusals are counted as answers, so that even a wrong capacity moves the counts by less than the bound."""
    run, lab = recorded("backlog")
    assert held(run, lab).mean_difference < held(run, replace(lab, shop=other)).mean_difference


def test_simulated_cycles_fall_into_the_traffic_where_the_real_ones_did() -> None:
    run, lab = recorded("backlog")
    early = run.origin - begin(run, lab.interval_seconds)
    assert 0 <= early < lab.interval_seconds
    assert (run.scalings[0].decided_at - run.origin + early) % lab.interval_seconds == pytest.approx(0, abs=1e-6)
    assert begin(replace(run, scalings=()), 2.0) == run.origin


def test_a_start_takes_what_it_took_in_this_run() -> None:
    took = [decision(10, 1, 2, 1.5 + BEFORE_A_START + 1.0), decision(20, 2, 3, 1.5 + BEFORE_A_START + 3.0)]
    shrinking, failed = decision(30, 3, 1, 60.0), replace(decision(40, 1, 2, 60.0), outcome="given_up")
    assert startup_seconds([*took, shrinking, failed], 1.5) == pytest.approx(2.0)
    assert startup_seconds([decision(10, 1, 2, 0.1)], 1.5) == 0.0
    assert startup_seconds([shrinking], 1.5) == USUAL_STARTUP_SECONDS


def test_a_playbook_takes_from_the_decision_until_docker_has_the_count() -> None:
    run, _lab = recorded("headroom")
    looks = [
        {"time": START + at, "wanted": wanted, "nodes": 3}
        for at, wanted in [(0, 1), (12, 1), (13, 2), (21, 2), (22, 3)]
    ]
    slow = replace(run, replicas=looks, scalings=[decision(10, 1, 2, 9.0), decision(20, 2, 3, 9.0)])
    assert playbook_seconds(slow) == pytest.approx(2.0)  # 2.5 and 1.5
    assert playbook_seconds(replace(slow, scalings=())) == ANSIBLE_SECONDS


def test_the_scenario_has_the_policy_and_the_shop_from_where_the_demo_takes_them() -> None:
    lab = Lab.read(ROOT / "inventories" / "lab", ROOT / "playbooks" / "demo.yml")
    inventory = yaml.safe_load((ROOT / "inventories/lab/group_vars/all/swarmherd.yml").read_text())
    assert lab.policy == inventory["swarmherd_policy"]
    assert lab.interval_seconds == inventory["swarmherd_cluster"]["interval_seconds"]
    assert lab.scrape_seconds == inventory["swarmherd_cluster"]["scrape_interval_seconds"]
    assert (lab.shop.capacity, lab.shop.queue) == (10.0, 30)


def test_a_playbook_that_deploys_no_shop_is_named() -> None:
    with pytest.raises(DemoError, match=r"playbooks/demo.yml deploys no shop_web"):
        agreement.shop_of([{"tasks": [{"swarmherd.cluster.service": {"name": "other"}}]}])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a run leaves, with the scenario of its day."""
    run, lab = recorded("headroom")
    write_records(tmp_path / "traffic.jsonl", map(dict, run.traffic))
    write_records(tmp_path / "replicas.jsonl", map(dict, run.replicas))
    (tmp_path / "scenario.yml").write_text(yaml.safe_dump(scenario(run, lab)))
    return tmp_path


def test_by_hand_a_recording_is_played_again_with_the_scenario_that_lies_beside_it(folder: Path) -> None:
    told = agreement.compare(folder)
    assert "   at   real  simulated" in told
    assert told.splitlines()[-1].startswith("in simulation the same traffic asked for 1 to 7 replicas")
    lines = records(folder / "simulated.jsonl")
    assert {*lines[0]} == {"time", "wanted", "running"}
    assert (lines[0]["wanted"], lines[-1]["wanted"]) == (1, 7)


def test_a_scenario_that_was_changed_by_hand_and_is_wrong_is_told_in_one_sentence(folder: Path) -> None:
    (folder / "scenario.yml").write_text("nodes: 0\nservices: {}\n")
    with pytest.raises(PolicyError, match="0 nodes cannot be simulated"):
        agreement.compare(folder)


def test_without_a_recording_there_is_nothing_to_compare_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(agreement, "HOME", tmp_path)
    assert agreement.main() == 2
    assert capsys.readouterr().err == f"{tmp_path} holds no recording of a demo; run make demo\n"


def test_a_simulation_that_fails_fails_the_demo_and_costs_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    demo = Demo(Settings.read({}), threading.Event())
    written: list[str] = []

    def fails(name: str, _command: list[str], _seconds: float) -> str:
        raise DemoError(f"{name} failed with exit status 2")

    monkeypatch.setattr(demo.runner, "run", fails)
    monkeypatch.setattr(demo, "write_report", lambda: written.append("a report"))
    with pytest.raises(DemoError, match="agreement failed with exit status 2"):
        demo.simulate(1.0)
    assert written == ["a report"]


# ---------------------------------------------------------------- the measure itself


def samples(*counts: int, begin: float = START) -> list[dict[str, Any]]:
    return [{"time": begin + second, "wanted": count} for second, count in enumerate(counts)]


def test_the_difference_is_the_mean_of_that_at_each_second_whichever_is_larger() -> None:
    found = apart(samples(1, 1, 4, 4, 4, 2), samples(1, 2, 2, 4, 5, 2))
    assert found is not None
    assert found.report() == {
        "mean_replicas_real": 2.67,
        "mean_replicas_simulated": 2.67,
        "mean_difference": 0.67,
        "longest_apart_seconds": 2,
        "scale_ups": 3,
        "scale_downs": 1,
    }
    assert found.sentence() == (
        "in simulation the same traffic asked for 1 to 5 replicas, 2.7 on average (2.7 on Swarm);"
        " apart by 0.7 on average"
    )


def test_only_seconds_of_which_both_know_count() -> None:
    found = apart(samples(9, 8, 1, 3, begin=START - 1.5), samples(1, 2, 9, begin=START + 0.3))
    assert found == Apart((1,), (1,)), "from 0.3 to 1.5 s there is one whole second"
    assert apart(samples(1, 1), samples(1, 1, begin=START + 60)) is None
    assert apart(samples(1), []) is None


@pytest.mark.parametrize(("real", "simulated", "agree"), [(4, 5, True), (4, 6, False), (20, 23, True), (20, 24, False)])
def test_they_may_be_one_replica_apart_or_fifteen_in_a_hundred(real: int, simulated: int, agree: bool) -> None:
    found = Apart((real,) * LEAST_SECONDS, (simulated,) * LEAST_SECONDS)
    assert found.agree is agree
    assert bool(found.objection()) is not agree


def test_a_run_of_seconds_is_not_judged() -> None:
    assert Apart((1,) * (LEAST_SECONDS - 1), (9,) * (LEAST_SECONDS - 1)).agree
    assert not Apart((1,) * LEAST_SECONDS, (9,) * LEAST_SECONDS).agree


def test_what_is_simulated_can_be_read_as_json() -> None:
    run, lab = recorded("headroom")
    assert json.loads(json.dumps(play(scenario(run, lab), run, Path("x"))[0]))["wanted"] == 1
