# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds and ends all the processes of one playbook run.

A process group is not enough: Ansible's workers make sessions of their own, and outlive the group's end. But all of
them inherit a variable that names the action, and Linux shows it.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

MARK = "SWARMHERD_ACTION"
END_SECONDS = 5.0


def owner() -> str:
    """This process, as other processes of this host may look it up."""
    return f"{socket.gethostname()}:{os.getpid()}"


def owner_lives(owner_name: str) -> bool:
    """Whether another process that began an action may still be at it. On another host that is taken to be so."""
    host, _colon, pid = owner_name.rpartition(":")
    if host != socket.gethostname():
        return True
    return int(pid) != os.getpid() and Path("/proc", pid).exists()


def of_this_host(owner_name: str) -> bool:
    return owner_name.rpartition(":")[0] == socket.gethostname()


def undo_of(action_id: str) -> str:
    """The mark of the run that sets an action back."""
    return f"{action_id}-back"


def marked(action_id: str) -> list[int]:
    """The processes that carry the action's mark, as far as this user may see them."""
    mark = f"{MARK}={action_id}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile, or is another user's
            continue
        if mark in variables and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def end_marked(action_id: str) -> bool:
    """Kills them all, looking again until none is left; False when some still are after END_SECONDS."""
    deadline = time.monotonic() + END_SECONDS
    while pids := marked(action_id):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
