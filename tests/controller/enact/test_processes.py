# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a process still runs, told from what it wrote down of itself, as far as Linux lets us see (S15, S16)."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from swarmherd.enact import processes
from swarmherd.enact.processes import HOSTS_OWN, identity, is_gone, of_this_host, owner_lives

HERE, PARENT, NOBODY = socket.gethostname(), os.getppid(), 4194305


def identity_of(pid: int, namespace: str = "", began: str = "") -> str:
    return f"{HERE}:{pid}:{namespace or processes._namespace()}.{began or processes._began(pid) or '7'}"


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """As /proc mounted with hidepid=2: another user's process is not there."""

    def read(path: Path, *_words: Any, **_named: Any) -> str:
        if path.parts[:2] == ("/", "proc") and path.name == "stat" and path.parts[2] != str(os.getpid()):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return path.read_bytes().decode()

    monkeypatch.setattr(Path, "read_text", read)


def test_a_process_that_is_hidden_from_us_is_not_gone(hidden: None) -> None:  # noqa: ARG001  (it sets the scene)
    assert not is_gone(f"{identity_of(PARENT)}:lease")
    assert owner_lives(identity_of(PARENT))
    assert is_gone(f"{identity_of(NOBODY)}:lease")
    assert not owner_lives(identity_of(NOBODY))


def test_another_users_process_answers_although_we_may_not_tell_it_anything(
    hidden: None,  # noqa: ARG001  (it sets the scene)
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refuse)
    assert not is_gone(identity_of(PARENT))


@pytest.mark.parametrize("seen", [True, False])
def test_an_owner_is_known_by_its_begin_also_where_its_number_is_used_again(seen: bool) -> None:
    assert owner_lives(identity_of(PARENT)) is True
    assert owner_lives(identity_of(PARENT, began="1")) is False
    assert owner_lives(identity()) is False, "our own, of a cycle that broke off"
    assert owner_lives(f"{HERE}:{PARENT}" if seen else f"{HERE}:{NOBODY}") is seen, "as earlier versions wrote it"


def test_of_a_process_in_another_namespace_nobody_here_can_tell() -> None:
    """Two containers may have one host name, and neither sees the other's processes."""
    boot = processes._namespace().rpartition(".")[0]
    there = identity_of(NOBODY, f"{boot}.17")
    assert owner_lives(there)
    assert not of_this_host(there)
    assert not is_gone(there)


def test_what_ran_before_its_host_was_started_anew_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_namespace", lambda: f"now.{HOSTS_OWN}")
    before = identity_of(PARENT, f"before.{HOSTS_OWN}")
    assert of_this_host(before)
    assert not owner_lives(before)
    assert owner_lives(identity_of(PARENT, "before.17")), "that may be a container of another machine"


@pytest.mark.parametrize("owner", ["", HERE, f"{HERE}:", f"{HERE}:web", f"{HERE}:{10**30}", ":::", "a:b:c:d"])
def test_what_is_no_identity_is_no_error(owner: str) -> None:
    assert owner_lives(owner) is (not owner.startswith(HERE))
    assert not is_gone(owner)
