# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from demo import run
from demo.children import Children
from demo.records import records
from demo.settings import Settings, began
from demo.shape import walk
from demo.stage import json_list
from demo.steps import (
    DemoError,
    InterruptedDemoError,
    Runner,
    changed_hosts,
    docker_host,
    read,
    require_unchanged,
    tail,
)

RECAP = """
PLAY RECAP *********************************************************************
manager1                   : ok=42   changed=0    unreachable=0    failed=0    skipped=3    rescued=0    ignored=0
\x1b[0;33mworker1\x1b[0m              : \x1b[0;32mok=20  \x1b[0m \x1b[0;33mchanged=2  \x1b[0m unreachable=0    failed=0
"""


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(Children(tmp_path / "pids"), tmp_path / "logs", dict(os.environ), threading.Event())


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_recap_is_read_host_by_host_with_or_without_colours() -> None:
    assert changed_hosts("ok: [manager1]\n" + RECAP) == {"manager1": 0, "worker1": 2}


def test_only_the_last_recap_counts() -> None:
    assert changed_hosts(RECAP + RECAP.replace("changed=2", "changed=0")) == {"manager1": 0, "worker1": 0}


def test_output_without_a_recap_has_no_hosts() -> None:
    assert changed_hosts("ERROR! no such playbook") == {}


def test_a_second_run_must_change_nothing() -> None:
    require_unchanged(RECAP.replace("changed=2", "changed=0"), Path())
    with pytest.raises(DemoError, match=r"its second run changed things \(worker1 2\)"):
        require_unchanged(RECAP, Path())
    with pytest.raises(DemoError, match="printed no recap"):
        require_unchanged("", Path())


def test_the_engines_address_is_the_line_that_says_so() -> None:
    assert docker_host("installing…\nDOCKER_HOST=unix:///run/docker.sock\n") == "unix:///run/docker.sock"
    with pytest.raises(DemoError, match="told no DOCKER_HOST"):
        docker_host("hello")


def test_a_commands_output_and_errors_are_its_log_and_are_given_back(runner: Runner) -> None:
    said = runner.run("greeting", python("import sys; print('out', flush=True); sys.stderr.write('err')"), 20)
    assert said == "out\nerr"
    assert runner.latest.name == "01-greeting.log"
    assert read(runner.latest) == said


def test_a_command_that_fails_is_named_with_its_status_and_its_log(runner: Runner) -> None:
    with pytest.raises(DemoError, match="greeting failed with exit status 3") as caught:
        runner.run("greeting", python("print('so far'); raise SystemExit(3)"), 20)
    assert caught.value.status == 3
    assert caught.value.log is not None
    assert tail(caught.value.log) == "so far"


def test_a_command_that_does_not_end_in_time_is_ended(runner: Runner) -> None:
    with pytest.raises(DemoError, match=r"slow did not end within 0.3 s"):
        runner.run("slow", python("import time; time.sleep(600)"), 0.3)
    assert runner.children.alive() == []


def test_a_command_is_ended_as_soon_as_the_demo_is_to_end(runner: Runner) -> None:
    threading.Timer(0.3, runner.halt.set).start()
    began_at = time.monotonic()
    with pytest.raises(InterruptedDemoError):
        runner.run("slow", python("import time; time.sleep(600)"), 60)
    assert time.monotonic() - began_at < 30
    assert runner.children.alive() == []


def test_a_program_that_is_not_there_is_told_with_its_remedy(runner: Runner) -> None:
    with pytest.raises(DemoError, match="cannot be started: No such file or directory; run make setup"):
        runner.run("nothing", ["/nonexistent/program"], 5)


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(map(str, range(100))) + "\n\n")
    assert tail(log, 2) == "98\n99"
    assert tail(tmp_path / "none") == ""


def test_a_line_that_is_still_being_written_is_not_read(tmp_path: Path) -> None:
    log = tmp_path / "traffic.jsonl"
    assert records(log) == []
    log.write_text('{"sent": 1}\n{"sent": 2}\n{"se')
    assert records(log) == [{"sent": 1}, {"sent": 2}]


def test_the_history_is_found_behind_log_lines() -> None:
    assert json_list('[{"id": 1}]\n') == [{"id": 1}]
    assert json_list('reading [the store]\n[\n  {"id": 1}\n]\ndone\n') == [{"id": 1}]
    for said in ("", "no such command", '{"id": 1}'):
        with pytest.raises(DemoError, match="swarmherd history --json printed no"):
            json_list(said)


def test_time_counts_from_the_command_but_not_from_yesterday_or_tomorrow() -> None:
    now = 1_800_000_000.0
    assert [began(text, now) for text in ("", "1799999990", "1700000000", "1900000000", "nan")] == [
        now, 1799999990.0, now, now, now,
    ]  # fmt: skip


def test_settings_come_from_the_environment() -> None:
    told = Settings.read({"NODES": "5", "KEEP": "1", "SHAPE": "random", "SEED": "7", "LAB_SUBNET": "10.99.0"})
    assert (told.nodes, told.keep, told.shape, told.shape_name) == (5, True, walk(7), "random, seed 7")
    assert (told.manager.address, told.target) == ("10.99.0.11", "http://10.99.0.11:8000")
    assert not Settings.read({"KEEP": "0"}).keep


def test_the_lab_is_where_its_inventory_says(tmp_path: Path) -> None:
    lab = tmp_path / "a lab"
    manager = Settings.read({"LAB_DIR": str(lab), "NODES": ""}).manager
    assert manager.key == lab / "id_ed25519"
    assert f'UserKnownHostsFile="{lab}/known_hosts"' in manager.ssh()


def test_what_another_user_left_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run, "HOME", tmp_path / "build" / "demo")
    (tmp_path / "build").mkdir(mode=0o500)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).stat().st_mode & mode << 6 != 0)  # also for root
    with pytest.raises(DemoError, match="build is another user's: run this as they did, or have it taken away"):
        run.require_own_folder()
