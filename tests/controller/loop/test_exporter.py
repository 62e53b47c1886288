# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller tells Prometheus of itself: the figures, and who can ask for them."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from swarmherd.cli import app
from swarmherd.exporter import Address, Exporter, ListenError
from swarmherd.loop import Cycle
from swarmherd.model import (
    Action,
    Arrangement,
    Breaker,
    BreakerState,
    Decision,
    Finding,
    Memory,
    NodeStanding,
    Outcome,
    Pause,
    Plan,
    Rescue,
    Result,
    ServiceMemory,
    Standing,
)
from swarmherd.running import Runner
from typer.testing import CliRunner

from tests.controller.conftest import Engine
from tests.controller.loop.test_service import program, until

ROOT = Path(__file__).resolve().parents[3]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def told(exporter: Exporter) -> dict[str, float]:
    """Its series and their values, as `name{label="value"}` labels in order; one given twice fails."""
    text = generate_latest(exporter.registry).decode()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            series = f"{sample.name}{{{labels}}}"
            assert series not in found
            found[series] = sample.value
    return found


def of(exporter: Exporter, prefix: str) -> dict[str, float]:
    return {series: value for series, value in told(exporter).items() if series.startswith(prefix)}


def cycle(*decisions: Decision, rescue: Rescue | None = None, memory: Memory | None = None) -> Cycle:
    plan = Plan("shop", NOON, (), decisions, Arrangement(rescue=rescue or Rescue()))
    return Cycle(NOON, "", plan=plan, memory=memory or Memory())


@pytest.fixture
def exporter() -> Exporter:
    return Exporter()


def test_what_was_decided_about_each_service_is_told(exporter: Exporter) -> None:
    web = Decision("web", 2, 4, 6, ("x",))
    gone = Decision("gone", None, None, None, ("x",), blind=True)
    exporter.tried("shop", cycle(web, gone), 0.2, leads=True)
    assert of(exporter, "swarmherd_service_") == {
        'swarmherd_service_replicas{cluster="shop",service="web"}': 2,
        'swarmherd_service_decided_replicas{cluster="shop",service="web"}': 4,
        'swarmherd_service_wished_replicas{cluster="shop",service="web"}': 6,
        'swarmherd_service_blind{cluster="shop",service="web"}': 0,
        'swarmherd_service_blind{cluster="shop",service="gone"}': 1,
    }


def test_a_service_that_is_gone_is_told_of_no_more(exporter: Exporter) -> None:
    exporter.tried("shop", cycle(Decision("web", 2, 4, 6, ("x",))), 0.2, leads=True)
    exporter.tried("shop", cycle(), 0.2, leads=True)
    assert of(exporter, "swarmherd_service_") == {}


def test_nodes_of_one_name_and_findings_of_one_service_are_one_series(exporter: Exporter) -> None:
    """Prometheus takes nothing at all of an answer that has a series twice."""
    nodes = [NodeStanding("a", "w1", Standing.WELL), NodeStanding("b", "w1", Standing.WELL)]
    nodes += [NodeStanding("c", "w2", Standing.FAILED, ("x",))]
    found = Finding("web", ("t1", "t2"), NOON, ("x",)), Finding("web", ("t3",), NOON, ("x",))
    exporter.tried("shop", cycle(rescue=Rescue(tuple(nodes), ("x",), found)), 0.2, leads=True)
    assert of(exporter, "swarmherd_node_standing") == {
        'swarmherd_node_standing{cluster="shop",node="w1",standing="well"}': 1,
        'swarmherd_node_standing{cluster="shop",node="w2",standing="failed"}': 1,
    }
    assert of(exporter, "swarmherd_service_waiting") == {
        'swarmherd_service_waiting_tasks{cluster="shop",service="web"}': 3
    }
    assert of(exporter, "swarmherd_brake") == {'swarmherd_brake{cluster="shop"}': 1}


def test_what_the_next_cycle_will_know_is_told(exporter: Exporter) -> None:
    memory = Memory(
        services={"web": ServiceMemory(failures=3)},
        pauses=(Pause("ana", "sale", NOON),),
        breakers={"prometheus": Breaker(BreakerState.OPEN, 3, NOON, "x"), "docker m1": Breaker(failures=1)},
    )
    exporter.tried("shop", cycle(memory=memory), 0.2, leads=True)
    assert of(exporter, "swarmherd_service_failures") == {'swarmherd_service_failures{cluster="shop",service="web"}': 3}
    assert of(exporter, "swarmherd_pauses") == {'swarmherd_pauses{cluster="shop"}': 1}
    assert of(exporter, "swarmherd_breaker") == {
        'swarmherd_breaker_open{breaker="prometheus",cluster="shop"}': 1,
        'swarmherd_breaker_open{breaker="docker m1",cluster="shop"}': 0,
    }


def test_actions_are_counted_by_what_became_of_them(exporter: Exporter) -> None:
    actions = tuple(Action(str(n), "scale", "shop", "web", {}, {}, "x") for n in range(4))
    results = Result("0", Outcome.DONE, "", NOON, NOON), Result("1", Outcome.GIVEN_UP, "", NOON, NOON), None
    done = replace(cycle(), plan=Plan("shop", NOON, actions, ()), results=results)
    exporter.tried("shop", done, 0.2, leads=True)
    exporter.tried("shop", done, 0.2, leads=True)
    assert of(exporter, "swarmherd_actions_total") == {
        'swarmherd_actions_total{cluster="shop",kind="scale",outcome="done"}': 2,
        'swarmherd_actions_total{cluster="shop",kind="scale",outcome="given_up"}': 2,
        'swarmherd_actions_total{cluster="shop",kind="scale",outcome="observed"}': 2,
    }


def test_an_abandoned_cycle_leaves_the_figures_of_the_last_one_and_its_time(exporter: Exporter) -> None:
    exporter.tried("shop", cycle(Decision("web", 2, 4, 6, ("x",))), 0.2, leads=True)
    exporter.tried("shop", Cycle(NOON.replace(hour=13), "nothing decided", failed=True), 30, leads=True)
    exporter.tried("shop", None, 30, leads=True)
    assert of(exporter, "swarmherd_cycles_total") == {
        'swarmherd_cycles_total{cluster="shop",outcome="completed"}': 1,
        'swarmherd_cycles_total{cluster="shop",outcome="abandoned"}': 2,
    }
    last = {'swarmherd_last_cycle_timestamp_seconds{cluster="shop"}': NOON.timestamp()}
    assert of(exporter, "swarmherd_last_cycle") == last
    assert of(exporter, "swarmherd_service_replicas")
    assert told(exporter)['swarmherd_cycle_duration_seconds_bucket{cluster="shop",le="0.25"}'] == 1
    assert told(exporter)['swarmherd_cycle_duration_seconds_count{cluster="shop"}'] == 3


def test_who_stands_by_tells_that_alone_of_the_cluster_but_what_it_counted(exporter: Exporter) -> None:
    exporter.tried("shop", cycle(Decision("web", 2, 4, 6, ("x",))), 0.2, leads=True)
    assert of(exporter, "swarmherd_leader") == {'swarmherd_leader{cluster="shop"}': 1}
    exporter.stands_by("shop")
    assert of(exporter, "swarmherd_leader") == {'swarmherd_leader{cluster="shop"}': 0}
    assert of(exporter, "swarmherd_service_") == {}
    assert of(exporter, "swarmherd_last_cycle") == {}


def every_name() -> set[str]:
    """Of everything that is told, as it is written in a query."""
    exporter = Exporter()
    memory = Memory(services={"web": ServiceMemory()}, breakers={"prometheus": Breaker()})
    rescue = Rescue((NodeStanding("a", "w1", Standing.WELL),), (), (Finding("web", ("t1",), NOON, ("x",)),))
    done = cycle(Decision("web", 2, 4, 6, ("x",)), rescue=rescue, memory=memory)
    acted = replace(done.plan, actions=(Action("0", "scale", "shop", "web", {}, {}, "x"),))
    exporter.tried("shop", replace(done, plan=acted, results=(None,)), 0.2, leads=True)
    names = {series.partition("{")[0] for series in told(exporter)}
    return {name for name in names if name.startswith("swarmherd_") and not name.endswith("_created")}


def test_the_alerts_ask_for_nothing_that_nobody_tells() -> None:
    rules = yaml.safe_load((ROOT / "roles/prometheus/files/alerts.yml").read_text())
    asked = {
        name
        for group in rules["groups"]
        for rule in group["rules"]
        for name in re.findall(r"\bswarmherd_\w+", rule["expr"])
    }
    assert asked
    assert asked <= every_name()


def test_the_page_about_operating_lists_all_that_is_told_and_nothing_else() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    section = page.split("## Watching the controller")[1].split("\n## ")[0]
    listed = set(re.findall(r"^\| `(swarmherd_\w+)", section, re.MULTILINE))
    told = {re.sub(r"_(bucket|count|sum)$", "", name) for name in every_name()}
    assert listed == told


# ------------------------------------------------------------ asked


@pytest.fixture
def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def test_a_runner_tells_of_its_cycles_and_of_what_broke_off(
    runner: Runner, inventory: Path, exporter: Exporter, engine: Engine
) -> None:
    runner._exporter = exporter
    assert runner.once()
    assert engine.replicas["web"] == 5
    assert of(exporter, "swarmherd_service_decided") == {
        'swarmherd_service_decided_replicas{cluster="loop",service="web"}': 5
    }
    assert of(exporter, "swarmherd_actions_total") == {
        'swarmherd_actions_total{cluster="loop",kind="scale",outcome="done"}': 1
    }
    (inventory / "group_vars" / "all" / "swarmherd.yml").write_text("swarmherd_policy: [")
    assert not runner.once()
    assert told(exporter)['swarmherd_cycles_total{cluster="loop",outcome="abandoned"}'] == 1


def test_the_program_answers_prometheus_until_it_ends(inventory: Path, tmp_path: Path, free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}/metrics"

    def asked() -> str:
        try:
            return requests.get(url, timeout=5).text
        except requests.ConnectionError:
            return ""

    words = ("run", "--mode", "observe", "--interval", "0.5", "--metrics", f"127.0.0.1:{free_port}")
    with program("-i", str(inventory), *words, log=tmp_path / "log") as child:
        until("a cycle that is told of", lambda: 'outcome="completed"} ' in asked(), 60)
        text = asked()
        child.terminate()
        assert child.wait(10) == 0
    assert 'swarmherd_leader{cluster="loop"} 1.0' in text
    assert 'swarmherd_service_wished_replicas{cluster="loop",service="web"} 5.0' in text
    assert not asked()


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_is_taken_is_said_before_anything_is_begun(inventory: Path, taken: int) -> None:
    run = CliRunner().invoke(app, ["-i", str(inventory), "run", "--metrics", f"127.0.0.1:{taken}"])
    assert run.exit_code == 2
    assert f"127.0.0.1:{taken}: Address already in use; give it as" in run.output


@pytest.mark.parametrize(
    "text", ["9427", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", ":65536", "::1:9427", "h:x", "h:9 1"]
)
def test_what_is_no_address_is_refused_in_one_sentence(inventory: Path, text: str) -> None:
    run = CliRunner().invoke(app, ["-i", str(inventory), "run", "--metrics", text])
    assert run.exit_code == 2
    assert run.output.startswith(f"swarmherd: --metrics: {text!r} ")
    assert run.output.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "host", "port"), [("127.0.0.1:9427", "127.0.0.1", 9427), (":9427", "", 9427), ("[::1]:9427", "::1", 9427)]
)
def test_an_address_is_read(text: str, host: str, port: int) -> None:
    assert Address.parsed(text) == Address(host, port)


def test_an_address_without_a_port_is_none() -> None:
    with pytest.raises(ListenError, match="ends in no port"):
        Address.parsed("localhost")
