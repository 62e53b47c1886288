# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop as it is woken: by a host that falls silent, by SIGHUP; and what is left alone after it failed too often."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from swarmherd.model import BreakerState, Outcome
from swarmherd.service import Cluster, open_cluster
from swarmherd.store import Store, default_url

from tests.controller.conftest import Engine, Metrics
from tests.controller.loop.test_cycle import run
from tests.controller.loop.test_service import program, sentences, told, until


def change(inventory: Path, *pairs: tuple[str, str]) -> None:
    file = inventory / "group_vars" / "all" / "swarmherd.yml"
    text = file.read_text()
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after)
    file.write_text(text)


# ------------------------------------------------------------ woken


def test_a_host_that_falls_silent_wakes_the_loop_and_is_in_the_view_that_it_decides_on(
    inventory: Path, tmp_path: Path
) -> None:
    """The node's host is this one: a port that takes connections while the test lets it, and one that takes as many as
    a slow machine looks at it."""
    hosts = inventory / "hosts.yml"
    hosts.write_text(hosts.read_text().replace("m1: {", "n1: {ansible_host: 127.0.0.1, "))
    log = tmp_path / "log"
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as mute, socket.create_server(("127.0.0.1", 0)) as door:
        keys = f"interval: 0.2, timeout: 0.4, exporter_port: {mute.getsockname()[1]}, tcp_port: {door.getsockname()[1]}"
        change(inventory, ("enabled: false", keys))
        with program("-i", str(inventory), "run", "--mode", "observe", "--interval", "60", log=log) as child:
            until("the first cycle", lambda: sentences(log), 90)
            until("a look that was answered", lambda: answered(door))
            door.close()
            fell = time.monotonic()
            until("the loop to be woken", lambda: woken(log), 60)
            cycles = len(sentences(log))
            until("the cycle that it begins", lambda: len(sentences(log)) > cycles, 60)
            took = time.monotonic() - fell
            child.terminate()
            assert child.wait(10) == 0
    assert woken(log)[0].startswith("woken: n1 is silent (port ")
    assert took < 40, "and not the 60 seconds to the next cycle"
    store = Store(default_url("loop"), "loop")
    kept = store.kept()
    store.close()
    assert kept is not None
    assert kept.inputs.view.probes["node1"].misses >= 2


def woken(log: Path) -> list[str]:
    return [said for said in sentences(log) if said.startswith("woken: ")]


def answered(door: socket.socket) -> bool:
    door.settimeout(5)
    door.accept()[0].close()
    return True


def test_sighup_begins_a_full_pass_at_once_that_joins_and_labels_and_is_journaled(
    inventory: Path, collection: Path, engine: Engine, tmp_path: Path
) -> None:
    playbook = (collection / "playbooks" / "enact" / "scale.yml").read_text()
    asked = playbook[playbook.index("/test/") :].splitlines()[0]
    joined = playbook.replace(asked, '/test/drain?node=node1&availability=active"')
    (collection / "playbooks" / "enact" / "bootstrap.yml").write_text(joined)
    hosts = inventory / "hosts.yml"
    hosts.write_text(
        hosts.read_text().replace("m1: {", "m1: {swarmherd_node_name: n1, swarmherd_node_labels: {zone: a}, ")
    )
    engine.add_nodes("n2")
    log = tmp_path / "log"
    with program("-i", str(inventory), "run", "--interval", "60", log=log) as child:
        until("the first cycle", lambda: sentences(log), 90)
        child.send_signal(signal.SIGHUP)
        until("the cycle after it", lambda: "woken: SIGHUP" in told(log)[:-3], 90)
        child.terminate()
        assert child.wait(10) == 0
    said = sentences(log)
    began = said.index("woken: SIGHUP")
    assert said[began + 1] == "the inventory was read again"
    assert said[began + 2].startswith(
        "1 node to join and to label done: 1 node of the inventory ready and labelled after "
    )
    assert engine.moves_asked == [{"node": "node1", "availability": "active"}]
    store = Store(default_url("loop"), "loop")
    entries = {entry.action.kind: entry for entry in store.history(9)}
    store.close()
    assert entries["bootstrap"].outcome is Outcome.DONE
    assert entries["bootstrap"].action.reason == "SIGHUP asked for a full pass"


def test_in_observe_mode_a_full_pass_is_only_told(inventory: Path, engine: Engine, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with program("-i", str(inventory), "run", "--mode", "observe", "--interval", "60", log=log) as child:
        until("the first cycle", lambda: sentences(log), 90)
        child.send_signal(signal.SIGHUP)
        until("the cycle after it", lambda: "woken: SIGHUP" in told(log)[:-3], 60)
        child.terminate()
        child.wait(10)
    assert "would have 1 node to join and to label; because SIGHUP asked for a full pass" in sentences(log)
    assert engine.moves_asked == []


# ------------------------------------------------------------ left alone


@pytest.fixture
def cluster(inventory: Path, collection: Path) -> Iterator[Cluster]:  # noqa: ARG001  (the playbook must be there)
    change(inventory, ("probe: ", "backoff_seconds: 1\n  breakers: {after: 2, pause: 60s}\n  probe: "))
    with open_cluster(inventory) as one:
        yield one


def test_a_prometheus_that_does_not_answer_is_not_asked_for_a_while_and_its_metrics_are_unknown(
    cluster: Cluster, metrics: Metrics, engine: Engine
) -> None:
    metrics.close()
    first, second = run(cluster), run(cluster)
    assert "prometheus failed" not in first.sentence
    words = "prometheus failed 2 times in a row (Prometheus cannot be reached) and is not asked until "
    assert words in second.sentence
    third = run(cluster)
    assert third.plan is not None
    [decision] = third.plan.decisions
    problem = decision.evidence[0].reading.problem
    assert problem.startswith("Prometheus is not asked: it failed 2 times in a row (Prometheus cannot be reached)")
    assert engine.replicas["web"] == 2
    assert cluster.store.memory().breakers["prometheus"].state is BreakerState.OPEN


def test_a_prometheus_that_answers_with_nothing_usable_is_asked_as_ever(cluster: Cluster, metrics: Metrics) -> None:
    metrics.up_age_seconds = 3600
    for _cycle in range(3):
        run(cluster)
    assert cluster.store.memory().breakers == {}


def test_an_engine_that_cannot_be_reached_is_not_asked_for_a_while_and_the_cycle_is_abandoned_at_once(
    cluster: Cluster, engine: Engine
) -> None:
    engine.close()
    first, second, third = run(cluster), run(cluster), run(cluster)
    assert first.failed
    assert second.sentence.endswith("UTC")
    assert "docker m1 failed 2 times in a row (m1 (tcp://127.0.0.1:" in second.sentence
    assert "is not asked: it failed 2 times in a row" in third.sentence
    assert cluster.store.memory().breakers["docker m1"].failures == 2


def test_playbooks_that_come_to_no_result_are_not_run_for_a_while(
    cluster: Cluster, collection: Path, engine: Engine
) -> None:
    playbook = collection / "playbooks" / "enact" / "scale.yml"
    playbook.write_text(playbook.read_text().replace('hosts: "{{ swarmherd_manager }}"', "hosts: nobody"))
    run(cluster)
    second = run(cluster, later_seconds=10)
    assert "playbook scale failed 2 times in a row (" in second.sentence
    assert cluster.store.memory().breakers["playbook scale"].state is BreakerState.OPEN
    third = run(cluster, later_seconds=20)
    assert "because playbooks of the kind scale are not run: it failed 2 times in a row (" in third.sentence
    assert third.results == ()
    assert engine.replicas["web"] == 2


def test_the_breakers_of_an_earlier_run_hold_in_the_next(inventory: Path, cluster: Cluster, metrics: Metrics) -> None:
    metrics.close()
    run(cluster)
    run(cluster)
    with open_cluster(inventory) as again:
        assert "is not asked" in run(again).plan.decisions[0].evidence[0].reading.problem  # type: ignore[union-attr]
