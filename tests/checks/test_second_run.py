# SPDX-License-Identifier: GPL-3.0-or-later
"""The idempotence harness of the integration targets can fail: shown with modules that deserve it.

They live in a throw-away collection and run on this machine; no engine is needed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CALLBACKS = Path(__file__).resolve().parents[1] / "integration" / "plugins" / "callback"

# Counts its runs in a file. It reports a change in the first, and in each later one where it is told to.
MODULE = """#!/usr/bin/python
import os
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule({
    "path": {"type": "path", "required": True}, "steady": {"type": "bool"}, "secret": {"type": "str", "no_log": True},
    "breaks": {"type": "bool"}, "expected_runs": {"type": "int"}, "force_update": {"type": "bool"},
}, supports_check_mode=True)
given = module.params
runs = len(open(given["path"]).read()) if os.path.exists(given["path"]) else 0
if given["expected_runs"] not in (None, runs):
    module.fail_json(msg="conflict: found %s" % runs)
if given["breaks"] and runs:
    module.fail_json(msg="it is there already")
if not module.check_mode:
    open(given["path"], "a").write(".")
module.exit_json(changed=runs == 0 or not given["steady"], diff={"before": {"runs": runs}, "after": {"runs": runs + 1}})
"""

HIDDEN = "so-secret"

Play = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Runs tasks on this machine with the harness, and gives back what the program said and how it ended."""
    modules = tmp_path / "ansible_collections" / "throw" / "away" / "plugins" / "modules"
    modules.mkdir(parents=True)
    (modules / "count.py").write_text(MODULE)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "ANSIBLE_COLLECTIONS_PATH": str(tmp_path),
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
        "ANSIBLE_CALLBACKS_ENABLED": "second_run",
        "SECOND_RUN_COLLECTION": "throw.away",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "NO_COLOR": "1",
        "COLUMNS": "2000",
    }

    def run(*tasks: dict[str, Any], **more: str) -> subprocess.CompletedProcess[str]:
        book = tmp_path / "play.yml"
        book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": list(tasks)}]))
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-c", "local", str(book)]
        command += ["-e", f"ansible_python_interpreter={sys.executable}"]
        return subprocess.run(
            command,
            env={**environment, **more},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def count(path: Path, **options: Any) -> dict[str, Any]:
    return {"throw.away.count": {"path": str(path), **options}}


def test_a_second_run_that_changes_again_fails_the_play(play: Play, tmp_path: Path) -> None:
    done = play({"name": "Count", **count(tmp_path / "runs", secret=HIDDEN)})
    assert done.returncode == 2
    assert "not idempotent: throw.away.count in task 'Count': its second run changes again" in done.stdout + done.stderr
    assert '"before": {"runs": 1}' in done.stderr
    assert str(tmp_path / "runs") in done.stderr
    assert HIDDEN not in done.stdout + done.stderr
    assert (tmp_path / "runs").read_text() == ".."


def test_a_second_run_that_fails_fails_the_play(play: Play, tmp_path: Path) -> None:
    done = play(count(tmp_path / "runs", breaks=True))
    assert done.returncode == 2
    assert "its second run failed: it is there already" in done.stderr


@pytest.mark.slow
def test_nothing_that_a_task_says_excuses_it(play: Play, tmp_path: Path) -> None:
    excuses: list[dict[str, Any]] = [
        {"failed_when": False},
        {"changed_when": False},
        {"until": True, "retries": 2},
        {"delegate_to": "other", "vars": {"ansible_connection": "local"}},
    ]
    counted = [count(tmp_path / f"runs{number}") for number in range(6)]
    done = play(
        *({**task, **excuse, "ignore_errors": True} for task, excuse in zip(counted, excuses, strict=False)),
        {**count(tmp_path / "loop{{ item }}"), "loop": [1, 2], "ignore_errors": True},
        {"block": [counted[5]], "rescue": [{"ansible.builtin.debug": {"msg": "on we go"}}]},
    )
    assert done.returncode == 2
    assert "on we go" in done.stdout
    said = done.stderr[done.stderr.index("second_run: ") :]
    assert said.count("its second run changes again") == 7


def test_a_hidden_task_is_named_and_nothing_of_it_shown(play: Play, tmp_path: Path) -> None:
    done = play({"name": "Count", **count(tmp_path / "runs"), "no_log": True})
    assert done.returncode == 2
    assert "throw.away.count in task 'Count': its second run changes again (no_log" in done.stderr
    assert str(tmp_path / "runs") not in done.stderr


def test_a_module_in_the_background_cannot_hide(play: Play, tmp_path: Path) -> None:
    done = play({**count(tmp_path / "runs"), "async": 10, "poll": 1})
    assert done.returncode == 2
    assert "it runs in the background" in done.stderr


def test_what_is_idempotent_passes_and_is_registered_as_its_first_run_was(play: Play, tmp_path: Path) -> None:
    first, second, third, fourth = (tmp_path / name for name in ("steady", "expected", "forced", "checked"))
    done = play(
        {**count(first, steady=True), "register": "seen"},
        {"ansible.builtin.assert": {"that": ["seen is changed", "seen.diff.before.runs == 0"]}},
        count(second, steady=True, expected_runs=0),
        count(third, force_update=True),
        {**count(fourth), "check_mode": True},
        {**count(second, expected_runs=7), "register": "refused", "failed_when": "refused is not failed"},
        {"ansible.builtin.command": "true"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [len(path.read_text()) for path in (first, second, third)] == [2, 2, 1]
    assert not fourth.exists()


def test_modules_of_other_collections_run_once(play: Play, tmp_path: Path) -> None:
    done = play(count(tmp_path / "runs"), SECOND_RUN_COLLECTION="swarmherd.cluster")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "runs").read_text() == "."
