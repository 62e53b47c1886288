# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test: what can be seen in a minute always, all of it on every Python with --all."""

from __future__ import annotations

import pytest

from tests.certify import matrix
from tests.certify.ansible_test import ours
from tests.certify.tree import ROOT

# Left to --all: import and pylint take the longest, and the others are among the linters already.
LONG = ("changelog", "import", "pylint", "yamllint")


def test_sanity_ignores_nothing() -> None:
    entries = {path.name: path.read_text() for path in (ROOT / "tests" / "sanity").glob("ignore-*.txt")}
    assert entries
    assert set(entries.values()) == {""}


def test_sanity_finds_nothing_of_what_is_quick_to_find() -> None:
    skipped = [word for name in LONG for word in ("--skip-test", name)]
    done = ours().run("sanity", *skipped, timeout=600)
    assert done.returncode == 0, done.stdout[-8000:]


def test_every_module_has_a_target_on_a_real_engine() -> None:
    modules = {path.stem for path in (ROOT / "plugins" / "modules").glob("[!_]*.py")}
    targets = {path.parent.name for path in (ROOT / "tests" / "integration" / "targets").glob("*/tasks")}
    assert modules
    assert modules - targets == set()


@pytest.mark.slow
@pytest.mark.parametrize("command", matrix.COMMANDS)
def test_on_every_python_that_hosts_can_have(command: str) -> None:
    done = ours().run(command, timeout=matrix.TIMEOUT_SECONDS)
    assert done.returncode == 0, done.stdout[-8000:]


@pytest.mark.slow
@pytest.mark.parametrize("command", matrix.COMMANDS)
@pytest.mark.parametrize(("python", "core"), matrix.COMBINATIONS)
def test_with_the_ansible_core_that_goes_with_a_python(python: str, core: str, command: str) -> None:
    if not matrix.found(python):
        pytest.skip(f"Python {python} was not found on this machine")
    outcome = matrix.certify(python, core, command)
    assert outcome.passed, outcome.said[-8000:]


def test_the_table_says_what_was_run_and_what_was_not_found() -> None:
    rows = [
        matrix.Row("3.11", "2.19", {"sanity": "passed", "units": "FAILED"}, 61.4),
        matrix.Row("3.12", "2.20", dict.fromkeys(matrix.COMMANDS, "not found"), 0.0),
    ]
    assert matrix.table(rows).splitlines() == [
        "Python  ansible-core  sanity     units      seconds",
        "3.11    2.19          passed     FAILED          61",
        "3.12    2.20          not found  not found        0",
    ]
