# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests of the commands share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are not to wrap the sentences that are looked for."""
    monkeypatch.setattr("swarmherd.cli.base.console.width", 250)
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("TERM", "dumb")
