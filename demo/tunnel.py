# SPDX-License-Identifier: GPL-3.0-or-later
"""The manager's Docker socket, brought here by `ssh -L` with the lab's own key."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from demo.children import Children
from demo.steps import stop, tail

OPEN_SECONDS = 10.0


class TunnelError(Exception):
    """The forward does not stand; the text says what ssh said."""


@dataclass(frozen=True, slots=True)
class Manager:
    """How the lab's first manager is reached."""

    address: str
    key: Path
    known_hosts: Path

    def ssh(self, *options: str) -> list[str]:
        """The start of a command line; what is to be run there may follow."""
        settings = {
            "BatchMode": "yes",
            "ConnectTimeout": "5",
            "ControlMaster": "no",
            "ControlPath": "none",
            "ExitOnForwardFailure": "yes",
            "ServerAliveInterval": "5",
            "StrictHostKeyChecking": "accept-new",
            "UserKnownHostsFile": f'"{self.known_hosts}"',  # several would be parted by blanks
        }
        words = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-i", str(self.key), *words, *options, f"root@{self.address}"]


class Tunnel:
    """An open forward; `url` is for the Docker SDK."""

    def __init__(self, manager: Manager, children: Children, log: Path, env: dict[str, str]) -> None:
        """Raises TunnelError when the socket does not accept a connection in time."""
        # Linux limits a socket's path to 107 bytes, so it does not stand under the checkout.
        self._folder = tempfile.TemporaryDirectory(prefix="swarmherd-demo-")
        self._socket = Path(self._folder.name) / "docker.sock"
        try:
            self._process = children.start(
                "tunnel", manager.ssh("-N", "-L", f"{self._socket}:/var/run/docker.sock"), log, env
            )
        except OSError as error:
            self._folder.cleanup()
            raise TunnelError(f"ssh cannot be started: {error.strerror}") from error
        if not self._stands(OPEN_SECONDS):
            self.close()
            raise TunnelError(tail(log, 1) or f"ssh did not open the way within {OPEN_SECONDS:g} s")

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def close(self) -> None:
        if self._process.poll() is None:
            stop(self._process, patience_seconds=2.0)
        self._folder.cleanup()

    def _stands(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(self._socket)) == 0:
                    return True
            self._nap()
        return False

    def _nap(self) -> None:
        try:
            self._process.wait(0.05)
        except subprocess.TimeoutExpired:
            return
