# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit tests and sanity on every Python that ansible-core supports on controllers, and the ansible-cores of each."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NamedTuple

from tests.certify import pythons
from tests.certify.ansible_test import AnsibleTest

COMBINATIONS = (("3.11", "2.19"), ("3.12", "2.20"), ("3.12", "2.21"), ("3.13", "2.21"))
"""Python, and the ansible-core that goes with it: 2.20 and later need 3.12."""
COMMANDS = ("sanity", "units")
TIMEOUT_SECONDS = 1200


class Outcome(NamedTuple):
    passed: bool
    said: str


@dataclass
class Row:
    """A line of the table: what became of a combination."""

    python: str
    core: str
    results: dict[str, str]
    seconds: float


def found(python: str) -> bool:
    return pythons.find(python) is not None


def certify(python: str, core: str, command: str) -> Outcome:
    """Run sanity or units of one ansible-core on one Python, which must be there."""
    done = AnsibleTest(python, core).run(command, "--python", python, timeout=TIMEOUT_SECONDS)
    return Outcome(done.returncode == 0, done.stdout)


def every() -> int:
    """Run everything, print one table, and return the exit status: 1 when a combination failed, and only then."""
    rows = []
    for python, core in COMBINATIONS:
        began, results = time.monotonic(), {}
        for command in COMMANDS:
            if not found(python):
                results[command] = "not found"
                continue
            print(f"{command} with ansible-core {core} on Python {python} …", flush=True)
            outcome = certify(python, core, command)
            results[command] = "passed" if outcome.passed else "FAILED"
            if not outcome.passed:
                print(outcome.said)
        rows.append(Row(python, core, results, time.monotonic() - began))
    print(table(rows))
    return int(any("FAILED" in row.results.values() for row in rows))


def table(rows: list[Row]) -> str:
    lines = [f"{'Python':<8}{'ansible-core':<14}{'sanity':<11}{'units':<11}seconds"]
    lines += [
        f"{row.python:<8}{row.core:<14}{row.results['sanity']:<11}{row.results['units']:<11}{row.seconds:7.0f}"
        for row in rows
    ]
    return "\n".join(lines)
