# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: the --all flag, and the one line that a run closes with."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import pytest

OLDEST = "bookworm"
RELEASES = f"{OLDEST},trixie"
"""Debian releases of the lab's hosts, with engines 20.10 and 26.1; forky's, 28.5, is for those who ask for it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run the slow tests too (make test-all)")
    parser.addoption("--tally", type=Path, help="a file that carries the counts of the run before this one")
    parser.addoption("--releases", help=f"Debian releases of the lab's hosts (bookworm; with --all {RELEASES})")


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what runs in its background deaf to Ctrl-C, and all that it starts in turn: tests send that signal.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.option.releases is None:
        config.option.releases = RELEASES if config.option.all else OLDEST
    config.addinivalue_line("markers", "slow: left to `make test-all`")
    config.addinivalue_line(
        "markers", "one_release: of the lab's releases only the first, what it shows is no engine's"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--all"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run by make test-all"))


def pytest_unconfigure(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not reporter.stats or hasattr(config, "workerinput"):
        return  # of several processes the one that started the others counts
    count = Counter({kind: len(reporter.stats.get(kind, [])) for kind in ("passed", "failed", "error", "skipped")})
    if (tally := config.option.tally) is not None:
        count.update(json.loads(tally.read_text()) if tally.exists() else {})
        tally.parent.mkdir(parents=True, exist_ok=True)
        tally.write_text(json.dumps(count))
    print(f"{count['passed']} passed, {count['failed'] + count['error']} failed, {count['skipped']} skipped")  # noqa: T201 the closing line is for print
