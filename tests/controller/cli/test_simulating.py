# SPDX-License-Identifier: GPL-3.0-or-later
"""`swarmherd simulate`: the scenario of the documentation, its answer, its pictures, and clear errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from swarmherd.cli import app
from swarmherd.simulate.cluster.faults import Kind
from swarmherd.simulate.scenario import FaultKeys, NodeKeys, Scenario, ServiceKeys
from typer.testing import CliRunner, Result

ROOT = Path(__file__).resolve().parents[3]
SHOP = ROOT / "docs" / "scenarios" / "shop.yml"


def call(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["simulate", *words])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def test_the_shop_of_the_documentation_loses_little_with_us_and_much_without() -> None:
    told = json.loads(call(str(SHOP), "--json").stdout)
    web = told["services"]["shop_web"]
    assert told["problems"] == []
    assert web["lost_fraction"] < 0.02 < 0.3 < web["without"]["lost_fraction"]
    assert {action["outcome"] for action in told["actions"]} == {"done"}
    blind = [action for action in told["actions"] if 18 * 60 + 15 < action["at"] < 21 * 60]
    assert blind == [], "nothing is scaled while Prometheus is down"


def test_the_documentation_has_that_shop_and_every_fault_and_key() -> None:
    text = (ROOT / "docs" / "simulate.md").read_text()
    shown = text.partition("```yaml\n")[2].partition("```")[0]
    assert yaml.safe_load(shown) == yaml.safe_load(SHOP.read_text())
    words = [*Kind, *(key for part in (Scenario, NodeKeys, ServiceKeys, FaultKeys) for key in part.model_fields)]
    assert [word for word in words if f"`{word}`" not in text] == []


def test_the_page_fetches_nothing_and_shows_faults_and_reasons(tmp_path: Path) -> None:
    page = tmp_path / "shop.html"
    said = call(str(SHOP), "--html", str(page)).stdout
    assert "node_dies (n5)" in said
    text = page.read_text()
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "node_dies (n5) at 720.0 s for 300 s" in text
    assert text.count("<svg") == 4
    assert "is over target 40" in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "there are no keys; write nodes: and services: at least"),
        ("nodes: [", "write valid YAML"),
        ("nodes: 3\nservices: {}\nnodes: 5", "'nodes' stands twice"),
        (f"nodes: 3 #{' ' * 2**20}", "it is larger than 1048576 bytes"),
        ("nodes: 3", "scenario.services: it is missing; write it"),
    ],
)
def test_a_file_that_is_no_scenario_is_one_sentence(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "x.yml"
    file.write_text(content)
    result = call(str(file), code=2)
    assert said in result.output
    assert str(file) in result.output.replace("\n", "")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert "check the path" in call(str(tmp_path / "none.yml"), code=2).output


def test_a_page_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    assert "check the path of --html" in call(str(SHOP), "--html", str(tmp_path / "no" / "x.html"), code=2).output


def test_a_page_never_takes_the_place_of_the_scenario_or_its_trace(tmp_path: Path) -> None:
    scenario, trace = tmp_path / "x.yml", tmp_path / "x.csv"
    scenario.write_text("{nodes: 1, services: {web: {traffic: {trace: x.csv}}}, run_for: 1m}")
    trace.write_text("time_s,requests_per_s\n0,1\n60,1\n")
    for file in (scenario, trace):
        before = file.read_text()
        assert "--html would overwrite" in call(str(scenario), "--html", str(file), code=2).output.replace("\n", " ")
        assert file.read_text() == before


def test_the_help_has_an_example_scenario() -> None:
    assert "swarmherd simulate shop.yml --html shop.html" in call("--help").output
