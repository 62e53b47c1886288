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
HOSTS_OWN = str(0xEFFFFFFC)
"""The namespace of processes that Linux begins with has this number on every machine, after every boot."""


def identity() -> str:
    """This process and no other that there ever was: host and number, then boot, process namespace and begin."""
    return f"{socket.gethostname()}:{os.getpid()}:{_namespace()}.{_began(os.getpid())}"


def owner_lives(owner_name: str) -> bool:
    """Whether another process that began an action may still be at it. Where we do not see it that is taken to be so.

    `owner_name` is its identity, or host and number alone, as earlier versions wrote it.
    """
    if not of_this_host(owner_name):
        return True
    _host, pid, namespace, began = _parts(owner_name)
    if not pid.isdecimal() or (namespace and namespace != _namespace()):
        return False
    if not namespace:
        return int(pid) != os.getpid() and _began(int(pid)) != ""
    return owner_name != identity() and not _ended(int(pid), began)


def of_this_host(owner_name: str) -> bool:
    """Whether it began where we see what becomes of it: on this host and in our namespace of processes; or, on a host
    that was started anew since, in its own."""
    host, _pid, namespace, _began_at = _parts(owner_name)
    if host != socket.gethostname():
        return False
    ours = _namespace()
    return not namespace or namespace == ours or _number(namespace) == _number(ours) == HOSTS_OWN


def is_gone(identity_of_it: str) -> bool:
    """Whether that process certainly runs no more. Of another machine, or namespace of processes, nobody can tell."""
    _host, pid, namespace, began = _parts(identity_of_it)
    return bool(namespace) and pid.isdecimal() and namespace == _namespace() and _ended(int(pid), began)


def _parts(identity_of_it: str) -> tuple[str, str, str, str]:
    """Host, number, namespace and begin; the last two are empty where they are not told."""
    host, pid, seen = (*identity_of_it.split(":"), "", "")[:3]
    namespace, _dot, began = seen.rpartition(".")
    return host, pid, namespace, began


def _ended(pid: int, began: str) -> bool:
    now = _began(pid)
    return now is not None and now != began


def _namespace() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}.{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _number(namespace: str) -> str:
    return namespace.rpartition(".")[2]


def _began(pid: int) -> str | None:
    """When the kernel started it, in ticks since the boot; empty where there is no such process, and None where it is
    another user's and hidden from us."""
    try:
        text = Path("/proc", str(pid), "stat").read_text()
    except OSError:
        return None if _answers(pid) else ""
    state, *rest = text.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


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
