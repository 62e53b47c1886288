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


def identity() -> str:
    """This process and no other that there ever was: host and number, then boot, process namespace and begin."""
    return f"{owner()}:{_namespace()}.{_began(os.getpid())}"


def is_gone(identity_of_it: str) -> bool:
    """Whether that process certainly runs no more. Of another machine, or namespace of processes, nobody can tell."""
    _host, pid, seen = (*identity_of_it.split(":"), "", "")[:3]
    namespace, _dot, began = seen.rpartition(".")
    return bool(namespace) and pid.isdigit() and namespace == _namespace() and began != _began(int(pid))


def _namespace() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}.{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _began(pid: int) -> str:
    """When the kernel started it, in ticks since the boot; empty where there is no such process."""
    try:
        text = Path("/proc", str(pid), "stat").read_text()
    except OSError:
        return ""
    state, *rest = text.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]


def undo_of(action_id: str) -> str:
    """The mark of the run that sets an action back, or brings to its end what was left of it."""
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
