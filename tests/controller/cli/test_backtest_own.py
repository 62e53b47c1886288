# SPDX-License-Identifier: GPL-3.0-or-later
"""`swarmherd -i INV backtest --service S`: the own past from Prometheus and the journal, a grid, and bad input."""

from __future__ import annotations

import json
import math
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from swarmherd.cli import app
from swarmherd.cli.own_past import Assumed, own_past
from swarmherd.model import Action, Outcome, Result
from swarmherd.policy import ScaleKeys, Strategy
from swarmherd.policy.merge import complete
from swarmherd.service import open_cluster
from swarmherd.simulate import settings
from typer.testing import CliRunner
from typer.testing import Result as Ran

from tests.controller.conftest import Answer, Engine, Metrics
from tests.controller.observe.past import HOUR, Past, matrix, usual

AHEAD = "scale: {min: 1, max: 99, metrics: [cpu, {query: 'sum(load)', target: 10}]}"


class Shop:
    """An inventory whose `web` has a past, and the command over it."""

    def __init__(self, inventory: Path, past: Past, engine: Engine) -> None:
        self.inventory, self.past, self.engine = inventory, past, engine
        self.replicas: float | None = 12.0
        self.asleep_since = math.inf
        past_answer = past.answer

        def answer(parameters: dict[str, str]) -> Answer:
            if not parameters["query"].startswith("count("):
                return past_answer(parameters)
            if self.replicas is None:
                return matrix([])
            start, end = float(parameters["start"]), float(parameters["end"])
            minutes = (start + 60 * n for n in range(int((end - start) / 60) + 1))
            return matrix([(at, str(self.replicas)) for at in minutes if at < self.asleep_since])

        past.metrics.answer = answer
        past.since = time.time() - 8 * HOUR  # more is slow to learn from
        self.write(AHEAD)

    def write(self, scale: str) -> None:
        file = self.inventory / "group_vars" / "all" / "swarmherd.yml"
        text = file.read_text()
        file.write_text(text[: text.index("      scale:")] + f"      {scale}\n")

    def call(self, *words: str, code: int = 0) -> Ran:
        command = ["-i", str(self.inventory), "backtest", "--service", "web", "--since", "6h", *words]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result


@pytest.fixture
def shop(inventory: Path, metrics: Metrics, engine: Engine) -> Shop:
    return Shop(inventory, Past(metrics), engine)


def test_the_policy_stands_beside_what_really_happened(shop: Shop) -> None:
    found = json.loads(shop.call("--json", "--compare", "hpa").stdout)
    assert set(found) == {"policy", "compare", "happened", "notes"}
    assert found["happened"]["changes"] == 0
    assert found["happened"]["max_replicas"] == 12
    assert found["happened"]["lost_fraction"] > found["policy"]["lost_fraction"] > 0, "12 serve 150, the burst is 400"
    assert "query:0 alone is tried, for what the others would have been is not known" in found["notes"]
    assert "a replica is taken to serve 12.5, by the policy; --replica-capacity says otherwise" in found["notes"]


def test_a_latency_target_is_tried_on_the_own_past_with_the_capacity_that_it_names(shop: Shop) -> None:
    shop.write("scale: {max: 99, metrics: [{queue: {requests: 'sum(load)', service_time: 0.1}, target: {p95: 400ms}}]}")
    found = json.loads(shop.call("--json").stdout)
    assert found["policy"]["changes"] > 0
    assert "a replica is taken to serve 10, by the policy; --replica-capacity says otherwise" in found["notes"]


def test_predictive_knows_what_came_before_as_it_would_have_live(shop: Shop) -> None:
    ahead = (
        "scale: {max: 99, strategy: predictive, metrics: [{query: 'sum(load)', target: 10}], predictive: {history: 2d}}"
    )
    shop.write(ahead)
    shop.past.since = 0.0
    taught = json.loads(shop.call("--json").stdout)
    assert "strategy predictive knows 48 h of what came before" in taught["notes"]
    assert min(start for start, _end in shop.past.ranges) == pytest.approx(time.time() - 54 * HOUR, abs=300)
    shop.past.since = time.time() - 6 * HOUR
    untaught = json.loads(shop.call("--json").stdout)
    assert any(note.startswith("nothing is known of what came before") for note in untaught["notes"])
    assert taught["policy"]["lost_fraction"] < untaught["policy"]["lost_fraction"] / 2


def test_a_grid_begins_with_the_keys_as_they_are_written(shop: Shop) -> None:
    """What looks ahead needs no pause after an up; target tracking beside it does."""
    shop.write("scale: {max: 99, strategy: predictive, metrics: [{query: 'sum(load)', target: 10}]}")
    with open_cluster(shop.inventory) as cluster:
        given = own_past(cluster, "web", 6 * HOUR, Assumed(None, None, 0.0))
    assert given.policy.cooldown.up == 0
    [target, *_others, ahead] = [complete(one.keys) for one in settings(given.keys, given.account.capacity)]
    assert target.strategy is Strategy.TARGET
    assert target.cooldown.up == ScaleKeys().cooldown.up > 0
    assert ahead.strategy is Strategy.PREDICTIVE
    assert ahead.cooldown.up == 0


def test_what_is_typed_is_not_looked_for(shop: Shop) -> None:
    more = json.loads(shop.call("--json", "--replica-capacity", "100", "--startup", "5m").stdout)
    assert not any("--replica-capacity" in note or "--startup" in note for note in more["notes"])
    assert more["happened"]["lost_fraction"] == 0


def test_the_start_up_time_and_the_replicas_are_the_journals_where_prometheus_has_none(shop: Shop) -> None:
    shop.replicas = None
    now = datetime.now(UTC)
    with open_cluster(shop.inventory) as cluster:
        for number, hours in enumerate((9, 4, 2)):
            at = now - timedelta(hours=hours)
            parameters = {"swarmherd_replicas": 10 + number, "swarmherd_expected_replicas": 9 + number}
            action = Action(f"up{number}", "scale", "loop", "web", parameters, {}, "busy")
            cluster.store.begin(action, at, at, "test")
            ran = at + timedelta(seconds=33)
            cluster.store.end(Result(action.id, Outcome.DONE, "", at, ran, running_at=ran))
    found = json.loads(shop.call("--json").stdout)
    assert (found["happened"]["changes"], found["happened"]["max_replicas"]) == (2, 12)
    assert "a replica is ready after 33 s, as the journal measured it; --startup says otherwise" in found["notes"]
    assert "how many replicas there were is told by the journal; what others changed is not in it" in found["notes"]


def test_what_happened_leaves_out_the_time_in_which_no_replica_was_seen(shop: Shop) -> None:
    shop.asleep_since = time.time() - 2 * HOUR
    found = json.loads(shop.call("--json").stdout)
    assert found["happened"]["replica_seconds"] == pytest.approx(12 * 4 * HOUR, rel=0.03)
    assert any(note.startswith("no replica was seen in 1.9") for note in found["notes"])


def test_what_was_not_seen_is_not_drawn_as_none(shop: Shop, tmp_path: Path) -> None:
    shop.asleep_since = time.time() - 2 * HOUR
    report = tmp_path / "report.html"
    shop.call("--report", str(report))
    drawn = [one for one in re.findall(r'<path d="([^"]*)" class="line up"', report.read_text()) if "nan" not in one]
    assert len(drawn) == 1
    heights = {point.split(",")[1] for point in re.split("[ML]", drawn[0]) if point}
    assert len(heights) == 1, "12 replicas, until nobody looked"


def test_what_happened_is_left_out_where_nobody_knows_it(shop: Shop) -> None:
    shop.replicas = None
    found = json.loads(shop.call("--json").stdout)
    assert "happened" not in found
    assert any("what really happened is not known" in note for note in found["notes"])


def test_a_report_takes_the_place_of_nothing_in_the_inventory(shop: Shop) -> None:
    for name in ("hosts.yml", "week.html"):
        said = shop.call("--report", str(shop.inventory / name), code=2).stderr
        assert f"{name}: --report would overwrite what is read; give another path" in said


def test_a_grid_has_a_frontier_a_picture_and_a_recommendation(shop: Shop, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    found = json.loads(shop.call("--json", "--grid", "--report", str(report)).stdout)
    assert any(one["on_frontier"] for one in found["grid"])
    assert found["recommended"]["why"]
    page = report.read_text()
    assert page.count("<svg") == 3
    assert "What other settings lose and cost" in page
    assert "Recommended: " in page
    assert "what happened" in page


def test_people_are_told_the_recommendation_and_the_notes(shop: Shop) -> None:
    said = " ".join(shop.call("--may-lose", "50%").stdout.split())
    assert re.search(
        r"Recommended: (target|predictive), target [\d.]+.*: it loses [\d.]+% where the policy loses", said
    )
    assert "what happened" in said
    assert "60 s, for too few starts are in the journal" in said


def test_a_history_shorter_than_asked_for_and_one_with_holes_are_said(shop: Shop) -> None:
    now = time.time()
    shop.past.since = now - 4 * HOUR
    shop.past.demand = lambda at: None if now - 2 * HOUR < at < now - HOUR else usual(at)
    notes = json.loads(shop.call("--json").stdout)["notes"]
    assert any(note.startswith("the history is shorter than asked for: 0.1 of 0.2 days") for note in notes)
    assert any(note.startswith("it has 1 hole of 1") for note in notes)


def test_no_history_is_one_sentence(shop: Shop) -> None:
    shop.past.since = time.time() + HOUR
    assert "web: nothing is known of its demand in that time" in shop.call(code=2).stderr


def test_a_prometheus_that_does_not_answer_is_one_sentence(shop: Shop) -> None:
    shop.past.broken = (503, "text/plain", b"starting up")
    assert "Prometheus' past cannot be read: Prometheus refused" in shop.call(code=1).stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--service", "wbe"), "--service: there is no service 'wbe'; there are: web"),
        (("--since", "soon"), "--since: 'soon' is not a duration"),
        (("--since", "90d"), "--since: more than 60 days are not read"),
        (("--policy", "x.yml"), "--policy: the inventory has the policy"),
        (("--trace", "x.csv"), "give either --trace FILE, or --service NAME"),
        (("--may-lose", "much"), "--may-lose: 'much' is no share of the requests"),
        (("--may-lose", "120%"), "--may-lose: '120%' is no share of the requests"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence(shop: Shop, words: tuple[str, ...], says: str) -> None:
    assert says in shop.call(*words, code=2).stderr


@pytest.mark.parametrize(
    ("scale", "says"),
    [
        ("scale: {max: 5, metrics: [cpu]}", "web is scaled on nothing that could be tried on its past"),
        ("scale: {max: 5, metrics: [rates]}", "rates without replica_capacity do not say what a replica serves"),
        ("follows: db", "neither the policy nor its labels say how to scale web"),
    ],
)
def test_a_policy_that_cannot_be_tried_says_why(shop: Shop, scale: str, says: str) -> None:
    shop.write(scale)
    assert says in shop.call(code=2).stderr


def test_without_a_prometheus_there_is_no_past(shop: Shop) -> None:
    file = shop.inventory / "group_vars" / "all" / "swarmherd.yml"
    file.write_text("".join(line for line in file.open() if "prometheus_url" not in line))
    assert "swarmherd_cluster.prometheus_url is not set" in shop.call(code=2).stderr
