# SPDX-License-Identifier: GPL-3.0-or-later
"""The program around its commands: what it writes where, and what it takes from its surroundings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import structlog
import typer
from swarmherd import __main__ as beginning
from swarmherd.cli import app, base
from typer.testing import CliRunner


def run(*words: str | Path, **how: Any) -> subprocess.CompletedProcess[bytes]:
    """The program in a process of its own."""
    command = [sys.executable, "-m", "swarmherd", *map(str, words)]
    return subprocess.run(command, stderr=subprocess.PIPE, timeout=60, check=False, **how)


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


@pytest.mark.parametrize("words", [["schema"], ["--version"], ["--help"]])
def test_output_that_finds_no_room_is_one_sentence(words: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(*words, stdout=full)
    said = b"swarmherd: standard output cannot be written: No space left on device; give it room\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_output_that_nobody_reads_to_its_end_is_no_mistake() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run("schema", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_what_the_terminal_has_no_character_for_is_written_out(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("name\nnö\n")
    (tmp_path / "t.csv").write_text("name\ntask\n")
    words = ["fit", "--nodes", tmp_path / "n.csv", "--tasks", tmp_path / "t.csv"]
    done = run(*words, stdout=subprocess.PIPE, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"n\\xf6" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pause", "--service", "", "--reason", "x"], "--service: it is given nothing; write a value, or leave"),
        (["pause", "--service=", "--reason", "x"], "--service: it is given nothing"),
        (["-i", "", "plan"], "-i: it is given nothing"),
        (["explain", ""], "a word: it is given nothing"),
        (["explain", "\x1b[31mweb"], r"'\x1b[31mweb' holds what is no UTF-8 text, or steers a terminal"),
        (["explain", "\udcff"], r"'\udcff' holds what is no UTF-8 text"),
    ],
)
def test_words_that_cannot_be_meant_are_refused(words: list[str], said: str) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert f"swarmherd: {said}" in done.output


def test_an_error_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    @base.one_sentence
    def command() -> None:
        raise base.InputError("n\x1b[2J: gone\n\tö\x9b")

    with pytest.raises(typer.Exit):
        command()
    assert capsys.readouterr().err == "swarmherd: n\\x1b[2J: gone\n\tö\\x9b\n"


def test_ctrl_c_is_quiet_while_the_program_still_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    class Loading:
        def __getattr__(self, name: str) -> Any:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "swarmherd.cli", Loading())
    with pytest.raises(SystemExit) as ended:
        beginning.main()
    assert ended.value.code == 130
