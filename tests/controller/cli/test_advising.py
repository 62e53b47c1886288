# SPDX-License-Identifier: GPL-3.0-or-later
"""`swarmherd advise`, and what `plan` shows of it: nothing is changed, and what is unknown is said to be."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from swarmherd.cli import app
from typer.testing import CliRunner, Result

from tests.controller.conftest import Answer, Engine, Metrics
from tests.controller.observe.past import HOUR, Demand, Past, matrix

MIB = 2**20
DAY = 24 * HOUR


class Shop:
    """An inventory whose `web` has used CPU and memory, and the commands over it."""

    def __init__(self, inventory: Path, metrics: Metrics, engine: Engine) -> None:
        self.inventory, self.engine = inventory, engine
        self.cpu: Demand = lambda _at: 0.4
        self.memory: Demand = lambda at: (600 if at % DAY < 600 else 200) * MIB
        self.past = Past(metrics)
        answer = self.past.answer

        def by_resource(parameters: dict[str, str]) -> Answer:
            if "start" not in parameters:
                return metrics.series(parameters)
            self.past.demand = self.memory if "memory" in parameters["query"] else self.cpu
            return answer(parameters)

        metrics.answer = by_resource

    def ask(self, advise: str) -> None:
        """Writes the key of the defaults."""
        file = self.inventory / "group_vars" / "all" / "swarmherd.yml"
        file.write_text(file.read_text() + f"  defaults: {{advise: {advise}}}\n")

    def call(self, *words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, ["-i", str(self.inventory), *words])
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    def advice(self, *words: str) -> Any:
        return json.loads(self.call("advise", "--json", *words).stdout)["advice"][0]


@pytest.fixture
def shop(inventory: Path, metrics: Metrics, engine: Engine) -> Shop:
    engine.memory_bytes = 8192
    return Shop(inventory, metrics, engine)


def test_advice_is_given_for_every_service_without_a_word_of_the_policy(shop: Shop) -> None:
    shop.engine.replicas["db"] = 1
    found = json.loads(shop.call("advise", "--json").stdout)
    assert found["cluster"] == "loop"
    assert [one["service"] for one in found["advice"]] == ["db", "web"]
    web = found["advice"][1]
    assert web["cpu"]["then"] == {"reservation": 0.46, "limit": 0.46}
    assert web["cpu"]["now"] == {"reservation": None, "limit": 0.5}
    assert web["memory"]["then"] == {"reservation": 230 * MIB, "limit": 690 * MIB}
    assert web["memory"]["now"] == {"reservation": 1024, "limit": None}
    assert web["differs"]
    assert "no node has so much: the largest has 8 KiB" in web["memory"]["reasons"]


def test_people_are_shown_units_and_the_three_ways_to_apply_it(shop: Shop) -> None:
    said = shop.call("advise", "web").stdout
    assert "- -> 0.46 cores" in said
    assert "1 KiB -> 230 MiB" in said
    assert "- -> 690 MiB" in said
    shell = "docker service update --reserve-cpu 0.46 --reserve-memory 230M --limit-cpu 0.46 --limit-memory 690M web"
    assert shell in said.splitlines()
    assert "docker service update" not in shop.call("advise").stdout, "of all services there is the table alone"
    assert shop.engine.version == 100, "nothing is changed"
    assert json.loads(shop.call("history", "--json").stdout) == []


def test_what_is_to_be_applied_by_hand_is_what_was_proposed(shop: Shop) -> None:
    shop.engine.labels = {"com.docker.stack.namespace": "shop"}
    shop.engine.replicas = {"shop_web": 2}
    forms = shop.advice("shop_web")["by_hand"]
    wanted = {"reservations": {"cpus": "0.46", "memory": "230M"}, "limits": {"cpus": "0.46", "memory": "690M"}}
    compose = yaml.safe_load(forms["compose"])
    assert compose == {"services": {"web": {"deploy": {"resources": wanted}}}}, "a stack's file has its own names"
    (task,) = yaml.safe_load(forms["task"])
    module = task["swarmherd.cluster.service"]
    assert (module["name"], module["expected_version"]) == ("shop_web", 100)
    assert module["limits"] == {"cpus": 0.46, "memory": "690M"}
    assert forms["shell"].endswith(" shop_web")


def test_the_policy_says_how_and_the_option_how_far_back(shop: Shop) -> None:
    shop.ask("{since: 2d, cpu: peak, margin: 50%}")
    assert shop.advice("web")["cpu"]["then"]["reservation"] == 0.6
    assert min(start for start, _end in shop.past.ranges) == pytest.approx(time.time() - 2 * DAY, abs=120)
    shop.past.ranges.clear()
    shop.advice("web", "--since", "1d")
    assert min(start for start, _end in shop.past.ranges) == pytest.approx(time.time() - DAY, abs=120)


def test_who_is_switched_off_is_advised_on_by_name_only(shop: Shop) -> None:
    shop.ask("{enabled: false}")
    assert json.loads(shop.call("advise", "--json").stdout)["advice"] == []
    assert "there are no services to advise on" in shop.call("advise").stdout
    assert shop.advice("web")["differs"]


def test_too_little_history_is_said_and_nothing_is_there_to_apply(shop: Shop) -> None:
    shop.past.since = time.time() - 3 * HOUR
    said = shop.call("advise", "web").stdout
    assert "unknown: too little history: 3 h of 24 h" in said
    assert "docker service update" not in said
    assert shop.advice("web")["by_hand"] == {}


def test_a_history_with_holes_is_said_and_nothing_below_its_peak_is_proposed(shop: Shop) -> None:
    shop.cpu = lambda at: None if at % DAY < 8 * HOUR else 0.4 if at % DAY < 23 * HOUR else 3.0
    cpu = shop.advice("web", "--since", "3d")["cpu"]
    assert cpu["usual"] in (0.4, 3.0)
    assert cpu["then"]["reservation"] >= 3.0
    assert any("it has holes of" in reason for reason in cpu["reasons"])


def test_one_resource_that_is_not_known_leaves_the_other(shop: Shop) -> None:
    shop.memory = lambda _at: None
    shop.ask("{}")
    assert "no advice on memory of web: nothing is known of its tasks' use" in shop.call("plan").stdout
    found = shop.advice("web")
    assert found["memory"]["problem"] == "nothing is known of its tasks' use in that time"
    assert "memory" not in found["by_hand"]["compose"]
    assert "0.46" in found["by_hand"]["compose"]


def test_plan_shows_what_differs_where_the_policy_asks_for_it(shop: Shop) -> None:
    assert "Reservations" not in shop.call("plan").stdout
    assert shop.past.ranges == [], "a plan asks nothing of the past unless it is told to"
    shop.ask("{}")
    said = shop.call("plan").stdout
    assert "Reservations: what the past speaks for" in said
    assert "1 KiB -> 230 MiB" in said
    (plan,) = json.loads(shop.call("plan", "--json").stdout)
    (advice,) = plan["reservations"]
    assert advice["cpu"]["then"]["reservation"] == 0.46
    assert [action["kind"] for action in plan["actions"]] == ["scale"], "advice is no action"


def test_plan_leaves_out_what_is_near_enough_and_who_is_switched_off(shop: Shop) -> None:
    shop.cpu = lambda _at: 0.0
    shop.ask("{differs: 99%}")
    said = shop.call("plan").stdout
    assert said.count("1 KiB -> 230 MiB") == 1
    shop.memory = lambda _at: 0.0
    file = shop.inventory / "group_vars" / "all" / "swarmherd.yml"
    file.write_text(file.read_text().replace("    web:", "    web:\n      advise: {enabled: false}"))
    assert "Reservations" not in shop.call("plan").stdout


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ((503, "text/plain", b"starting up"), "Prometheus' past cannot be read: Prometheus refused"),
        (matrix([]), "nothing is known of its tasks' use in that time"),
    ],
)
def test_a_plan_does_not_fail_for_a_past_that_is_not_there(shop: Shop, broken: Answer, says: str) -> None:
    shop.ask("{}")
    shop.past.broken = broken
    said = shop.call("plan").stdout
    assert "2 -> 5" in said, "the rest of the plan is as ever"
    assert f"no advice on cpu and memory of web: {says}" in said


def test_a_plan_stays_quick_and_says_what_it_did_not_read(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmherd.cli.advice.PLAN_SECONDS", 0.0)
    shop.ask("{}")
    assert "no advice on cpu and memory of web: it was not read in time" in shop.call("plan").stdout
    assert shop.past.ranges == []


def test_without_a_prometheus_the_command_refuses_and_the_plan_says_so(shop: Shop) -> None:
    shop.ask("{}")
    file = shop.inventory / "group_vars" / "all" / "swarmherd.yml"
    file.write_text("".join(line for line in file.read_text().splitlines(True) if "prometheus_url" not in line))
    assert "swarmherd_cluster.prometheus_url is not set" in shop.call("advise", code=2).stderr
    assert "no advice on cpu and memory of web: swarmherd_cluster.prometheus_url is not set" in shop.call("plan").stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("wbe",), "there is no service wbe in cluster loop; did you mean web?"),
        (("--since", "soon"), "--since: 'soon' is not a duration"),
        (("--since", "60d"), "--since: more than 720 h are not read; write 30d"),
        (("--since", "3h"), "--since: 3 h are too little to advise by; write at least 24 h"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence(shop: Shop, words: tuple[str, ...], says: str) -> None:
    assert says in shop.call("advise", *words, code=2).stderr


@pytest.fixture
def roomy(shop: Shop, collection: Path) -> Shop:  # noqa: ARG001  (its playbooks are found by what it sets)
    """On a node that has room for what is proposed."""
    shop.engine.memory_bytes = 2**32
    return shop


def test_on_request_it_is_set_by_playbook_and_journaled_with_its_undo(roomy: Shop) -> None:
    said = roomy.call("advise", "web", "--apply", "--reason", "it was guessed")
    assert "web: done: web has its reservations and limits, and 2 of its tasks run with them" in said.stdout
    assert roomy.engine.resources == {
        "Reservations": {"NanoCPUs": 460_000_000, "MemoryBytes": 230 * MIB},
        "Limits": {"NanoCPUs": 460_000_000, "MemoryBytes": 690 * MIB},
    }
    (entry,) = json.loads(roomy.call("history", "--json").stdout)
    assert (entry["kind"], entry["outcome"]) == ("resources", "done")
    assert entry["reason"] == "size web by its past, because it was guessed"
    assert entry["parameters"]["swarmherd_expected_version"] == 100
    assert entry["undo"]["swarmherd_limits"] == {"cpus": 0.5, "memory": "0"}
    again = roomy.call("advise", "web", "--apply").stdout
    assert "web: what is set is near enough: nothing was done" in again
    assert roomy.engine.version == 101


@pytest.mark.slow
def test_what_finds_no_place_is_set_back(roomy: Shop) -> None:
    roomy.engine.move_ends = "stuck"
    done = json.loads(roomy.call("advise", "web", "--apply", "--json", code=1).stdout)
    assert done["outcome"] == "given_up"
    assert "no suitable node" in done["detail"]
    assert "set back: web has its reservations and limits, and 2 of its tasks run with them" in done["detail"]
    assert roomy.engine.resources["Reservations"] == {"NanoCPUs": 0, "MemoryBytes": 1024}
    assert roomy.engine.resources["Limits"] == {"NanoCPUs": 500_000_000, "MemoryBytes": 0}


def test_what_must_not_be_applied_is_refused(shop: Shop, collection: Path) -> None:  # noqa: ARG001
    refusals = [shop.call("advise", "--apply", code=2), shop.call("advise", "web", "--apply", code=2)]
    shop.engine.memory_bytes = 2**32
    shop.engine.updates["web"] = "updating"
    refusals.append(shop.call("advise", "web", "--apply", code=2))
    shop.past.since = time.time() - 3 * HOUR
    refusals.append(shop.call("advise", "web", "--apply", code=2))
    says = [
        "--apply: give the SERVICE that is to get what is proposed",
        "no task of web would find a place: no node has so much: the largest has 8 KiB",
        "web is not at rest (its update is updating): wait until it is",
        "nothing is proposed for web: too little history: 3 h of 24 h",
    ]
    for refused, text in zip(refusals, says, strict=True):
        assert text in refused.stderr
    assert shop.engine.version == 100
