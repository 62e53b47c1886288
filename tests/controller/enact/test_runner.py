# SPDX-License-Identifier: GPL-3.0-or-later
"""Real runs of ansible-playbook: how each way of ending is told, and that nothing of a run outlives its deadline."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from swarmherd.enact.hands import Processes
from swarmherd.enact.processes import end_marked, marked
from swarmherd.enact.runner import KEEP_RUNS, Ending, Run, Setting, run_playbook, untemplated

HEAD = "- hosts: all\n  connection: local\n  gather_facts: false\n  tasks:\n"
PYTHON = "{{ ansible_playbook_python }}"


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    (tmp_path / "hosts").write_text(f"one ansible_python_interpreter='{PYTHON}'\n")
    return Setting(tmp_path / "hosts", tmp_path / "runs")


def run(setting: Setting, tasks: str, seconds: float = 60, action_id: str = "a1", **variables: object) -> Run:
    playbook = setting.inventory.parent / "play.yml"
    playbook.write_text(HEAD + tasks)
    return run_playbook(playbook, variables, action_id, seconds, setting)


def test_a_good_run_tells_its_last_result_and_leaves_no_secret(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "hunter2")
    done = run(setting, "    - ansible.builtin.set_fact: {version: '{{ n }}'}\n", n=7)
    assert done.ending is Ending.OK
    assert done.problem == ""
    assert done.hosts["one"]["ansible_facts"] == {"version": 7}
    written = [f for f in setting.directory.rglob("*") if f.is_file()]
    assert written, "the run's output is kept"
    assert not [f for f in written if b"hunter2" in f.read_bytes()]


def test_no_environment_is_left_where_its_controller_is_killed_in_the_midst_of_a_run(setting: Setting) -> None:
    artifacts = setting.directory / "artifacts" / "a1"
    done = run(setting, f"    - ansible.builtin.find: {{paths: {artifacts}, recurse: true}}\n")
    names = [Path(one["path"]).name for one in done.hosts["one"]["files"]]
    assert "stdout" in names
    assert "command" not in names


def test_a_failed_task_is_one_sentence_that_names_the_host(setting: Setting) -> None:
    done = run(setting, "    - ansible.builtin.fail: {msg: 'no room\n\n        for it'}\n")
    assert done.ending is Ending.FAILED
    assert done.problem == "one: no room for it"


def test_a_conflict_is_found_in_the_result_of_the_task_that_failed(setting: Setting) -> None:
    module = setting.inventory.parent / "library" / "conflicting.py"
    module.parent.mkdir()
    module.write_text(
        "from ansible.module_utils.basic import AnsibleModule\n"
        "AnsibleModule({}).fail_json(msg='changed', conflict=True, found={'replicas': 4, 'version': 8})\n"
    )
    done = run(setting, "    - conflicting:\n")
    conflict = done.result_with("conflict")
    assert done.ending is Ending.FAILED
    assert conflict is not None
    assert conflict["found"] == {"replicas": 4, "version": 8}


def test_an_unreachable_host_is_a_failure(setting: Setting) -> None:
    setting.inventory.write_text("one ansible_host=127.0.0.1 ansible_port=1\n")
    playbook = setting.inventory.parent / "play.yml"
    playbook.write_text(HEAD.replace("  connection: local\n", "") + "    - ansible.builtin.ping:\n")
    done = run_playbook(playbook, {}, "a1", 60, setting)
    assert done.ending is Ending.FAILED
    assert done.problem.startswith("one: unreachable: ")
    assert not done.reached


def test_a_delegate_that_was_not_reached_is_told_in_the_playbooks_own_words(setting: Setting) -> None:
    setting.inventory.write_text("one ansible_connection=local\ngone ansible_host=127.0.0.1 ansible_port=1\n")
    playbook = setting.inventory.parent / "play.yml"
    delegated = "    - ansible.builtin.ping:\n      delegate_to: gone\n      ignore_unreachable: true\n"
    playbook.write_text(
        HEAD.replace("all", "one").replace("  connection: local\n", "")
        + delegated
        + "    - ansible.builtin.fail: {msg: the load balancer on gone could not be reached}\n"
    )
    done = run_playbook(playbook, {}, "a1", 60, setting)
    assert done.problem == "one: the load balancer on gone could not be reached"
    assert done.reached


def test_a_playbook_that_meets_no_host_has_done_nothing(setting: Setting) -> None:
    playbook = setting.inventory.parent / "play.yml"
    playbook.write_text(HEAD.replace("all", "nobody") + "    - ansible.builtin.ping:\n")
    done = run_playbook(playbook, {}, "a1", 60, setting)
    assert done.ending is Ending.FAILED
    assert "no host" in done.problem


def test_a_broken_playbook_says_what_ansible_said(setting: Setting) -> None:
    done = run(setting, "    - ansible.builtin.no_such_module:\n")
    assert done.ending is Ending.FAILED
    assert "no_such_module" in done.problem


def test_past_the_deadline_every_process_of_the_run_is_ended(setting: Setting, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    for seconds in (4, 8, 16, 32):  # on a busy machine a task begins late, and it is its children that must be ended
        started = time.monotonic()
        done = run(
            setting, f"    - ansible.builtin.shell: touch {seen}; sleep 300\n", seconds=seconds, action_id=f"a{seconds}"
        )
        assert done.ending is Ending.DEADLINE
        assert done.problem == f"the playbook was ended at its deadline of {seconds} s"
        assert time.monotonic() - started < 3 * seconds + 8
        assert marked(f"a{seconds}") == []
        if seen.exists():
            return
    pytest.fail("the task did not even begin within 32 s")


def test_a_run_that_is_killed_has_not_come_to_its_end(setting: Setting, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    tasks = f"    - ansible.builtin.ping:\n    - ansible.builtin.shell: touch {seen}; sleep 300\n"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, setting, tasks, 120)
        bound = time.monotonic() + 100
        while not seen.exists():
            assert time.monotonic() < bound, "the second task did not begin within 100 s"
            time.sleep(0.1)
        os.kill(first_of(marked("a1")), signal.SIGKILL)
        done = running.result()
    end_marked("a1")
    assert (done.ending, done.broken_off, done.answered) == (Ending.FAILED, True, False)


@pytest.mark.parametrize("at_once", [True, False], ids=["before any task", "in the midst of a task"])
def test_a_run_is_called_off_once_there_is_no_use_in_it(setting: Setting, tmp_path: Path, at_once: bool) -> None:
    seen, playbook = tmp_path / "seen", tmp_path / "play.yml"
    playbook.write_text(HEAD + f"    - ansible.builtin.shell: touch {seen}; sleep 300\n")

    def in_vain() -> str:
        return "n2 went down" if at_once or seen.exists() else ""

    done = Processes().play(playbook, {}, "a1", 120, setting, in_vain)
    assert (done.ending, done.problem) == (Ending.CALLED_OFF, "called off, since n2 went down")
    assert marked("a1") == []


def test_a_run_that_has_come_to_its_end_is_not_called_off_any_more(setting: Setting, tmp_path: Path) -> None:
    playbook = tmp_path / "play.yml"
    playbook.write_text(HEAD + "    - ansible.builtin.ping:\n")
    ended = setting.directory / "artifacts" / "a1" / "rc"
    done = Processes().play(playbook, {}, "a1", 120, setting, lambda: "n2 went down" if ended.exists() else "")
    assert done.ending is Ending.OK


def first_of(pids: list[int]) -> int:
    """The one that none of the others has started: ansible-playbook itself."""
    parents = {pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in pids}
    return next(pid for pid, parent in parents.items() if parent not in pids)


def test_a_run_that_fails_by_its_own_word_is_not_broken_off(setting: Setting) -> None:
    done = run(setting, "    - ansible.builtin.ping:\n    - ansible.builtin.fail: {msg: no}\n")
    assert (done.ending, done.broken_off, done.answered) == (Ending.FAILED, False, True)


def test_old_runs_are_rotated_away(setting: Setting) -> None:
    artifacts = setting.directory / "artifacts"
    for number in range(KEEP_RUNS + 5):
        (artifacts / f"old{number}").mkdir(parents=True)
    run(setting, "    - ansible.builtin.ping:\n")
    assert len(list(artifacts.iterdir())) <= KEEP_RUNS + 1


def test_text_from_outside_is_no_template(setting: Setting, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    reason = "{{ lookup('pipe', 'touch " + str(trap) + "') }} {% raw %}"
    done = run(setting, "    - ansible.builtin.debug: {msg: '{{ reason }}'}\n", reason=reason)
    assert done.ending is Ending.OK
    assert not trap.exists()
    assert untemplated(reason).startswith("{ { lookup")
    assert untemplated(3) == 3


def test_nor_is_text_inside_of_lists_and_mappings() -> None:
    nested = {"dependents": [{"name": "{{ x }}", "expected_version": 7}], "nodes": ("{% y %}",)}
    assert untemplated(nested) == {"dependents": [{"name": "{ { x }}", "expected_version": 7}], "nodes": ["{ % y %}"]}
