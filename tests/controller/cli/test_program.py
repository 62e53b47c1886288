# SPDX-License-Identifier: GPL-3.0-or-later
"""The program around its commands: what it writes where, and what it takes from its surroundings."""

from __future__ import annotations

import pytest
import structlog
from swarmherd.cli import base


@pytest.mark.parametrize("eyes", [False, True])
def test_a_traceback_in_the_log_shows_no_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], eyes: bool
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: eyes)
    base._set_up_logs()

    def ask(url: str) -> None:
        raise OSError(f"no answer from {url.partition('@')[2]}")

    try:
        word = "hunter" + "2"
        ask(f"http://ops:{word}@prometheus")
    except OSError:
        structlog.get_logger().exception("cycle failed")
    finally:
        structlog.reset_defaults()
    said = capsys.readouterr().err
    assert "no answer from prometheus" in said
    assert "hunter2" not in said
