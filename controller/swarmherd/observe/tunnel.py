# SPDX-License-Identifier: GPL-3.0-or-later
"""A manager's Docker socket, brought here by an `ssh` child with the same settings that Ansible uses.

The child runs `cat` on the far side and reads from a pipe of ours. When we are gone, however we went, the pipe
closes, `cat` ends, and so does the child: none is left behind. That the far side has said its word also tells that
the forward stands.
"""

from __future__ import annotations

import select
import shlex
import shutil
import subprocess
import tempfile
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import IO

from swarmherd.observe.connection import REMOTE_SOCKET, Ssh
from swarmherd.observe.errors import UnreachableError

READY = b"swarmherd-tunnel-ready"
STOP_SECONDS = 2.0


class Tunnel:
    """An open forward. `url` is for the Docker SDK; `close` ends the child and removes the private directory."""

    def __init__(self, ssh: Ssh, connect_seconds: float) -> None:
        """Raises UnreachableError when the far side has not answered within `connect_seconds`."""
        self._directory = Path(tempfile.mkdtemp(prefix="swarmherd-"))
        self._socket = self._directory / "docker.sock"
        self._errors = self._directory / "stderr"
        try:
            self._child = _start(command(ssh, self._socket, connect_seconds), self._errors)
        except OSError as error:
            shutil.rmtree(self._directory, ignore_errors=True)
            raise UnreachableError(f"{ssh.executable} cannot be started: {error.strerror}") from error
        self._finish = weakref.finalize(self, _end, self._child, self._directory)
        try:
            self._wait(ssh, connect_seconds)
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    def last_words(self) -> str:
        """The last line that ssh complained with: why the far side's socket cannot be opened, for one."""
        try:
            lines = self._errors.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""

    def close(self) -> None:
        self._finish()

    def _wait(self, ssh: Ssh, seconds: float) -> None:
        assert self._child.stdout is not None  # noqa: S101  (it was started with a pipe)
        if _says(self._child.stdout, READY, time.monotonic() + seconds):
            return
        with suppress(subprocess.TimeoutExpired):  # what it has to say, it says before it ends
            self._child.wait(0.2)
        raise UnreachableError(f"ssh to {ssh.host}: {self.last_words() or f'no answer within {seconds:g} s'}")


def command(ssh: Ssh, local: Path, connect_seconds: float) -> list[str]:
    """The `ssh` command line. Ours stands first: of an option given twice, ssh takes the first."""
    ours = {
        "ControlMaster": "no",
        "ControlPath": "none",
        "BatchMode": "yes",
        "ExitOnForwardFailure": "yes",
        "StreamLocalBindUnlink": "yes",
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "3",
        "ConnectTimeout": str(max(1, round(connect_seconds))),
    }
    if not ssh.check_host_key:
        ours["StrictHostKeyChecking"] = "no"
    words = [ssh.executable, "-T", "-L", f"{local}:{REMOTE_SOCKET}"]
    words += [word for name, value in ours.items() for word in ("-o", f"{name}={value}")]
    words += ["-i", ssh.private_key_file] if ssh.private_key_file else []
    words += ["-p", str(ssh.port)] if ssh.port else []
    words += ["-l", ssh.user] if ssh.user else []
    words += [*ssh.arguments, "--", ssh.host]
    return [*words, f"echo {shlex.quote(READY.decode())}; exec cat >/dev/null"]


def _start(words: list[str], errors: Path) -> subprocess.Popen[bytes]:
    with errors.open("wb") as stderr:
        # A session of its own: a Ctrl-C in our terminal must not cut the cycle in hand off from its engine.
        return subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True
        )


def _says(stream: IO[bytes], word: bytes, deadline: float) -> bool:
    """Whether `word` comes out of `stream` before the deadline and before its end."""
    heard = b""
    poll = select.poll()  # select.select cannot take descriptors from 1024 on
    poll.register(stream, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if not poll.poll(left * 1000):
            return False
        chunk = stream.read1(4096)  # type: ignore[attr-defined]  # a pipe opened for reading is a BufferedReader
        if not chunk:
            return False
        heard = (heard + chunk)[-65536:]
        if word in heard:
            return True
    return False


def _end(child: subprocess.Popen[bytes], directory: Path) -> None:
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            stream.close()
    shutil.rmtree(directory, ignore_errors=True)
