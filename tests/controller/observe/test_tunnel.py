# SPDX-License-Identifier: GPL-3.0-or-later
"""The tunnel's own part: waiting for the far side, its end, and ours. A program in place of `ssh` forwards to loopback.

That real ssh takes these words, and its settings are Ansible's, is the lab's to show.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from swarmherd.observe.connection import Connection, Ssh
from swarmherd.observe.docker import Docker
from swarmherd.observe.errors import UnreachableError
from swarmherd.observe.tunnel import Tunnel

from tests.controller.conftest import Engine
from tests.waiting import until

FORWARD = """#!{python}
import socket, sys, threading
path = sys.argv[sys.argv.index("-L") + 1].split(":")[0]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
def copy(a, b):
    while data := a.recv(65536):
        b.sendall(data)
    b.shutdown(socket.SHUT_WR)
def serve():
    while True:
        near, _address = listener.accept()
        far = socket.create_connection(("127.0.0.1", {port}))
        for pair in ((near, far), (far, near)):
            threading.Thread(target=copy, args=pair, daemon=True).start()
threading.Thread(target=serve, daemon=True).start()
print("Welcome to this host!", flush=True)
print("swarmherd-tunnel-ready", flush=True)
sys.stdin.read()
"""


def stand_in(tmp_path: Path, text: str) -> Ssh:
    program = tmp_path / "ssh"
    program.write_text(text)
    program.chmod(0o755)
    return Ssh("far", executable=str(program))


def forwarding(tmp_path: Path, engine: Engine) -> Ssh:
    port = engine.url.rpartition(":")[2]
    return stand_in(tmp_path, FORWARD.format(python=sys.executable, port=port))


def test_the_engine_is_read_through_the_tunnel_and_a_broken_one_is_opened_again(tmp_path: Path, engine: Engine) -> None:
    with Docker([Connection("m1", ssh=forwarding(tmp_path, engine))], 5) as one:
        assert one.read().services[0].name == "web"
        first = one.engines[0].tunnel
        assert first is not None
        os.kill(first.pid, signal.SIGKILL)
        until("the tunnel to be seen broken", lambda: not first.alive, 10)
        assert one.read().services[0].name == "web"
        second = one.engines[0].tunnel
        assert second is not None
        assert second.pid != first.pid
    assert not second.alive
    assert not Path(second.url.removeprefix("unix://")).parent.exists()


def test_a_refused_login_is_said_in_ssh_own_words(tmp_path: Path) -> None:
    ssh = stand_in(tmp_path, "#!/bin/sh\necho 'Warning: added' >&2\necho 'root@far: Permission denied' >&2\nexit 255\n")
    with pytest.raises(UnreachableError, match="ssh to far: root@far: Permission denied"):
        Tunnel(ssh, 5)


def test_a_far_side_that_says_nothing_is_given_up_and_its_child_ended(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    ssh = stand_in(tmp_path, f"#!/bin/sh\necho $$ > {pid}\nexec sleep 300\n")
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="no answer within 1 s"):
        Tunnel(ssh, 1)
    assert time.monotonic() - started < 4
    assert not Path("/proc", pid.read_text().strip()).exists()


def test_a_process_with_many_open_files_hears_the_far_side_too(tmp_path: Path, engine: Engine) -> None:
    """As one that watches many clusters."""
    many, (soft, hard) = 1024, resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * many), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _number in range(many)]
    try:
        tunnel = Tunnel(forwarding(tmp_path, engine), 20)
        assert tunnel.alive
        tunnel.close()
    finally:
        for number in held:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_ssh_at_all_is_one_sentence() -> None:
    with pytest.raises(UnreachableError, match="/nowhere/ssh cannot be started"):
        Tunnel(Ssh("far", executable="/nowhere/ssh"), 1)


def test_the_child_ends_however_we_end(tmp_path: Path, engine: Engine) -> None:
    ssh = forwarding(tmp_path, engine)
    code = (
        "import time; from swarmherd.observe.tunnel import Tunnel; from swarmherd.observe.connection import Ssh\n"
        f"one = Tunnel(Ssh('far', executable={ssh.executable!r}), 5); print(one.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as ours:
        assert ours.stdout is not None
        pid = ours.stdout.readline().strip()
        assert Path("/proc", pid).exists()
        ours.kill()
    until("the child to end", lambda: not Path("/proc", pid).exists(), 10)
