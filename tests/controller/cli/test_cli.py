# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands: what they print, their exit codes, and no tracebacks."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import swarmherd
import typer
from swarmherd.cli import app
from typer.testing import CliRunner, Result

from tests.controller.conftest import Engine, Metrics, as_json

COMMANDS = typer.main.get_command(app).commands
PAGE = Path(__file__).resolve().parents[3] / "docs" / "cli.md"


def call(*words: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def call_json(*words: str | Path, code: int = 0) -> Any:
    return json.loads(call(*words, "--json", code=code).stdout)


def edit(inventory: Path, old: str, new: str) -> None:
    file = inventory / "group_vars" / "all" / "swarmherd.yml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_the_version_is_said() -> None:
    assert call("--version").stdout == f"swarmherd {swarmherd.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    assert re.search(rf"^ *(Example: )?swarmherd .*\b{command}\b", call(command, "--help").stdout, re.M)


def test_the_page_has_every_command_with_its_long_options_and_no_other() -> None:
    told: dict[str, set[str]] = {}
    for name, rest in re.findall(r"^\| `([a-z]+)(.*?)` \|", PAGE.read_text(), re.M):
        told.setdefault(name, set()).update(re.findall(r"--[a-z-]+", rest))
    there = {
        name: {word for one in command.params for word in one.opts if word.startswith("--")} - {"--help"}
        for name, command in COMMANDS.items()
    }
    assert told == there


def test_validate_says_what_is_valid_and_connects_nothing(inventory: Path, engine: Engine, metrics: Metrics) -> None:
    assert call("-i", inventory, "validate").stdout.endswith("cluster loop, mode enforce, 1 service: valid\n")
    assert (engine.asked, metrics.asked) == ([], [])


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("min: 1, max: 5", "min: 9, max: 5", "swarmherd_policy.services.web.scale"),
        ("  mode: enforce", "  mode: enforce\n  color: red", "swarmherd_policy.color"),
        ("name: loop", "nome: loop", "swarmherd_cluster.nome"),
        ("prometheus_url: ", "prometheus_url: gopher", "swarmherd_cluster.prometheus_url"),
        ("  services:", "  failover: {fence_hook: off.yml}\n  services:", "swarmherd_policy.failover.fence_hook: /"),
    ],
)
def test_validate_names_file_and_key_of_a_mistake(inventory: Path, old: str, new: str, key: str) -> None:
    edit(inventory, old, new)
    output = call("-i", inventory, "validate", code=2).output
    assert f"{inventory / 'group_vars' / 'all' / 'swarmherd.yml'}: {key}" in output


def test_a_fencing_hook_that_is_missing_keeps_no_controller_from_its_work(inventory: Path) -> None:
    edit(inventory, "  services:", "  failover: {fence_hook: off.yml}\n  services:")
    assert "web" in call("-i", inventory, "plan").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan"], "no inventory is given"),
        (["-i", "/nowhere", "plan"], "/nowhere: no such inventory"),
        (["-i", "/nowhere", "-i", "/elsewhere", "explain", "web"], "give one -i"),
        (["-i", "/nowhere", "run", "--interval", "0"], "0"),
        (["-i", "/nowhere", "run", "--interval", "inf"], "--interval"),
        (["-i", "/nowhere", "run", "--interval", "nan"], "--interval"),
        (["-i", "/nowhere", "run", "--mode", "dance"], "dance"),
        (["dance"], "dance"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(words: list[str], said: str) -> None:
    assert said in call(*words, code=2).output


def test_plan_shows_now_then_reason_and_evidence_and_does_nothing(inventory: Path, engine: Engine) -> None:
    output = call("-i", inventory, "plan").stdout
    assert "2 -> 5" in output
    assert "query:0: 25 (" in output, "per replica"
    assert "1 action; mode enforce" in output
    (plan,) = call_json("-i", inventory, "plan")
    assert plan["cluster"] == "loop"
    (decision,) = plan["decisions"]
    assert (decision["now"], decision["then"], decision["direction"]) == (2, 5, "up")
    assert decision["evidence"][0]["value"] == 25
    assert decision["evidence"][0]["source"] == "sum(load)"
    assert engine.replicas["web"] == 2
    assert call_json("-i", inventory, "history") == []


def test_plan_names_a_service_that_is_not_there(inventory: Path) -> None:
    edit(inventory, "    web:", "    nobody: {scale: {min: 1, max: 2}}\n    web:")
    assert "the policy names nobody, but there is no such service" in call("-i", inventory, "plan").stdout


def test_plan_leaves_a_service_with_a_nonsense_label_alone(inventory: Path, engine: Engine) -> None:
    engine.labels = {"swarmherd.scale.max": "many"}
    (plan,) = call_json("-i", inventory, "plan")
    assert plan["actions"] == []
    assert "swarmherd.scale.max" in plan["decisions"][0]["reasons"][-1]


def test_plan_without_a_prometheus_says_so(inventory: Path) -> None:
    edit(inventory, "  prometheus_url:", "  region:")
    (plan,) = call_json("-i", inventory, "plan")
    assert plan["actions"] == []
    assert plan["decisions"][0]["evidence"][0]["problem"] == "swarmherd_cluster.prometheus_url is not set"


def test_status_shows_nodes_replicas_and_the_last_sentence(inventory: Path) -> None:
    call("-i", inventory, "run", "--once", "--mode", "observe")
    output = call("-i", inventory, "status").stdout
    assert "n1" in output
    assert "2/2" in output
    assert "would scale web 2 -> 5" in output
    (status,) = call_json("-i", inventory, "status")
    assert status["last_cycle"]["sentence"].startswith("would scale web 2 -> 5")
    assert status["nodes"][0]["name"] == "n1"
    (web,) = status["services"]
    assert (web["name"], web["running"], web["wanted"], web["decision"]["then"]) == ("web", 2, 2, 5)


def test_status_without_docker_still_tells_what_is_stored(inventory: Path, engine: Engine) -> None:
    call("-i", inventory, "run", "--once", "--mode", "observe")
    engine.broken["/nodes"] = as_json({"message": "no"}, 500)
    (status,) = call_json("-i", inventory, "status", code=1)
    assert "m1 (tcp://" in status["problem"]
    assert status["last_cycle"]["sentence"].startswith("would scale web")


def test_docker_away_is_one_sentence_and_exit_code_1(inventory: Path, engine: Engine) -> None:
    engine.broken["/nodes"] = as_json({"message": "no"}, 500)
    assert "swarmherd: m1 (tcp://" in call("-i", inventory, "plan", code=1).output


def test_scale_by_hand_is_journaled_and_verified(inventory: Path, engine: Engine, collection: Path) -> None:  # noqa: ARG001  (the playbook must be there)
    output = call("-i", inventory, "scale", "web", "3", "--reason", "sale at noon").stdout
    assert output.startswith("web: done: 3 replicas run after ")
    assert engine.replicas["web"] == 3
    (entry,) = call_json("-i", inventory, "history", "--service", "web", "--limit", "1")
    assert (entry["outcome"], entry["undo"]["swarmherd_replicas"]) == ("done", 2)
    assert "sale at noon" in entry["reason"]
    assert "2 -> 3" in call("-i", inventory, "history").stdout


def test_a_count_set_for_a_while_is_held_against_the_metrics_until_then(
    inventory: Path,
    engine: Engine,
    collection: Path,  # noqa: ARG001  (the playbook must be there)
) -> None:
    said = call("-i", inventory, "scale", "web", "3", "--reason", "sale at noon", "--for", "2h").stdout
    assert "web is held there until " in said
    [plan] = call_json("-i", inventory, "plan")
    assert {one["direction"] for one in plan["pauses"]} == {"up", "down"}
    assert all(one["until"] for one in plan["pauses"])
    [decision] = plan["decisions"]
    assert decision["then"] == 3, "load 50 at target 10 asks for 5"
    assert "held at 3 replicas by hand: sale at noon" in decision["reasons"][-1]
    call("-i", inventory, "resume", "--service", "web", "--direction", "up")
    reasons = call_json("-i", inventory, "plan")[0]["decisions"][0]["reasons"]
    assert "which asks for 5 replicas" in reasons[0]
    assert not any("held at" in one for one in reasons), "only the cooldown after our own change is left"
    assert engine.replicas["web"] == 3


def test_a_pause_that_lasts_longer_than_a_count_is_held_stays_as_it_is(
    inventory: Path,
    collection: Path,  # noqa: ARG001  (the playbook must be there)
) -> None:
    call("-i", inventory, "pause", "--service", "web", "--direction", "down", "--reason", "release", "--who", "ana")
    call("-i", inventory, "pause", "--service", "web", "--direction", "up", "--reason", "lunch", "--for", "10m")
    said = call("-i", inventory, "scale", "web", "3", "--reason", "sale", "--for", "30m").stdout
    assert "and for longer: ana paused scaling down of web: release" in said
    pauses = {one["direction"]: one for one in call_json("-i", inventory, "plan")[0]["pauses"]}
    assert (pauses["down"]["who"], pauses["down"]["why"], pauses["down"]["until"]) == ("ana", "release", None)
    assert pauses["up"]["why"] == "held at 3 replicas by hand: sale"


def test_a_count_that_is_held_ends_with_the_next_that_is_even_where_that_is_held_for_less(
    inventory: Path,
    collection: Path,  # noqa: ARG001  (the playbook must be there)
) -> None:
    call("-i", inventory, "scale", "web", "3", "--reason", "sale", "--for", "6h")
    said = call("-i", inventory, "scale", "web", "5", "--reason", "more", "--for", "1h").stdout
    pauses = call_json("-i", inventory, "plan")[0]["pauses"]
    assert [one["why"] for one in pauses] == ["held at 5 replicas by hand: more"] * 2
    ends = {datetime.fromisoformat(one["until"]) for one in pauses}
    assert [f"web is held there until {end:%Y-%m-%d %H:%M:%S} UTC" in said for end in ends] == [True]
    assert "and for longer" not in said


def test_a_count_that_could_not_be_set_is_not_held_and_an_earlier_pause_stays(
    inventory: Path, collection: Path
) -> None:
    (collection / "playbooks" / "enact" / "scale.yml").write_text(
        "- hosts: m1\n  connection: local\n  gather_facts: false\n  tasks: [{ansible.builtin.fail: {msg: no rights}}]\n"
    )
    call("-i", inventory, "pause", "--service", "web", "--direction", "down", "--reason", "release")
    call("-i", inventory, "scale", "web", "3", "--reason", "x", "--for", "2h", code=1)
    [pause] = call_json("-i", inventory, "plan")[0]["pauses"]
    assert (pause["direction"], pause["why"]) == ("down", "release")
    assert (
        "--for: 'soon' is not a duration"
        in call("-i", inventory, "scale", "web", "3", "--reason", "x", "--for", "soon", code=2).output
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nobody", "3", "--reason", "x"], "there is no service nobody"),
        (["web", "--reason", "x", "--", "-1"], "-1"),
        (["web", "3", "--reason", " "], "reason"),
        (["web", "3"], "--reason"),
        (["web", "three", "--reason", "x"], "Invalid value"),
    ],
)
def test_scale_refuses_what_cannot_be(inventory: Path, engine: Engine, words: list[str], said: str) -> None:
    assert said in call("-i", inventory, "scale", *words, code=2).output
    assert engine.replicas["web"] == 2


def test_scale_that_fails_exits_1(inventory: Path, collection: Path) -> None:
    (collection / "playbooks" / "enact" / "scale.yml").write_text(
        "- hosts: m1\n  connection: local\n  gather_facts: false\n  tasks: [{ansible.builtin.fail: {msg: no rights}}]\n"
    )
    done = call_json("-i", inventory, "scale", "web", "3", "--reason", "x", code=1)
    assert (done["outcome"], "no rights" in done["detail"]) == ("given_up", True)


def test_the_schema_is_json_for_editors() -> None:
    schema = json.loads(call("schema").stdout)
    assert "swarmherd_policy" in json.dumps(schema)


def states(inventory: Path, code: int) -> dict[str, tuple[str, str]]:
    return {c["check"]: (c["state"], c["seen"]) for c in call_json("-i", inventory, "doctor", code=code)}


def test_a_healthy_cluster_passes_the_doctor(inventory: Path, collection: Path) -> None:  # noqa: ARG001  (the playbook must be there)
    found = states(inventory, 0)
    assert {name for name, (state, _sentence) in found.items() if state == "ok"} >= {
        "inventory",
        "ansible",
        "state",
        "collection",
        "engine m1",
        "engine m1: Swarm",
        "engine m1: clock",
        "nodes",
        "network",
        "prometheus",
        "prometheus: clock",
    }
    assert found["service web: image"][0] == "warn", "no registry answers on loopback"


def test_the_doctor_finds_what_is_wrong(inventory: Path, engine: Engine, metrics: Metrics, collection: Path) -> None:
    (collection / "playbooks" / "enact" / "scale.yml").unlink()
    engine.control_available = False
    engine.broken["/version"] = as_json({"ApiVersion": "1.30", "Version": "17.06"})
    engine.broken["/networks"] = as_json([])
    metrics.up_age_seconds = 600
    edit(inventory, "  docker_timeout_seconds", "  balancer_url: http://127.0.0.1:1\n  docker_timeout_seconds")
    edit(inventory, "    web:", "    nobody: {scale: {min: 1, max: 2}}\n    web:")
    found = states(inventory, 1)
    assert "scale.yml is missing" in found["collection"][1]
    assert found["engine m1"] == ("fail", "Engine 17.06, API 1.30")
    assert found["engine m1: Swarm"][0] == "fail"
    assert found["network"][0] == "warn"
    assert found["prometheus"] == ("fail", f"{metrics.url}: stale: Prometheus' newest scrape is 600 s old")
    assert found["balancer"][0] == "fail"
    assert found["service nobody"][0] == "warn"
    assert all(c["remedy"] for c in call_json("-i", inventory, "doctor", code=1) if c["state"] == "fail")


def test_the_doctor_shows_no_password(inventory: Path, metrics: Metrics, collection: Path) -> None:  # noqa: ARG001  (the playbook must be there)
    edit(inventory, metrics.url, metrics.url.replace("http://", "http://me:hunter2@"))
    assert metrics.url in states(inventory, 0)["prometheus"][1]
    assert "hunter2" not in call("-i", inventory, "doctor").output


def test_the_doctor_says_that_an_engine_is_away(inventory: Path, engine: Engine) -> None:
    engine.close()
    found = states(inventory, 1)
    assert found["engine m1"][0] == "fail"
    assert "refused" in found["engine m1"][1]
