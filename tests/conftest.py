# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: the --all flag, and the one line that a run closes with."""

from __future__ import annotations

import signal

import pytest

OLDEST = "bookworm"
RELEASES = f"{OLDEST},trixie"
"""Debian releases of the lab's hosts, with engines 20.10 and 26.1; forky's, 28.5, is for those who ask for it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run the slow tests too (make test-all)")
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
    if reporter is None or not reporter.stats:
        return
    count = {kind: len(reporter.stats.get(kind, [])) for kind in ("passed", "failed", "error", "skipped")}
    print(f"{count['passed']} passed, {count['failed'] + count['error']} failed, {count['skipped']} skipped")  # noqa: T201 the closing line is for print
