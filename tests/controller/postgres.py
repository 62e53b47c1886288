# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL from Debian's package: a private server in a directory of its own, on a Unix socket alone.

Where the package is missing and we are root it is installed, without the server that Debian would start beside ours.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

BUILD = Path(__file__).resolve().parents[2] / "build"
NO_SERVER_OF_DEBIANS = Path("/etc/postgresql-common/createcluster.conf")
START_SECONDS, STOP_SECONDS, INSTALL_SECONDS = 60, 30, 600


class MissingError(Exception):
    """There is no PostgreSQL and no way to get one: one sentence."""


class Server:
    """A server that runs, and as many empty databases of it as are asked for."""

    def __init__(self, socket: Path, user: str) -> None:
        self._socket = socket
        self._user = user
        self._made = 0

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://{self._user}@/{database}?host={self._socket}"

    def database(self) -> str:
        """The address of a new, empty database."""
        self._made += 1
        engine = sa.create_engine(self.url(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE test{self._made}"))
        engine.dispose()
        return self.url(f"test{self._made}")


@contextmanager
def server() -> Iterator[Server]:
    """Raises MissingError."""
    programs = _found_or_installed()
    user = pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else "postgres"
    home = Path(tempfile.mkdtemp(prefix="swarmherd-pg-"))
    if not os.geteuid():
        shutil.chown(home, user)
    identity = {} if os.geteuid() else {"user": user, "group": user, "extra_groups": []}
    data, log = home / "data", home / "log"
    with log.open("wb") as output:
        made = [programs / "initdb", "-D", data, "-A", "trust", "-U", user, "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(made, cwd=home, stdout=output, stderr=output, check=True, timeout=START_SECONDS, **identity)
        quick = ["fsync=off", "full_page_writes=off", "listen_addresses=", f"unix_socket_directories={home}"]
        # Where the tests themselves are killed, nobody is left to end it: it ends with them.
        command = [
            "setpriv",
            "--pdeathsig",
            "INT",
            programs / "postgres",
            "-D",
            data,
            *(word for setting in quick for word in ("-c", setting)),
        ]
        process = subprocess.Popen(command, cwd=home, stdout=output, stderr=output, **identity)
    try:
        one = Server(home, user)
        _wait(one, process, log)
        yield one
    finally:
        process.send_signal(signal.SIGINT)  # "fast": connections that are open are closed
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(home)


def _found_or_installed() -> Path:
    """The programs; of tests in several processes one installs them, and the others wait for that."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "postgresql.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return find() or install()


def find() -> Path | None:
    """The newest version's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return found[-1].parent if found else None


def install() -> Path:
    if os.geteuid() or not shutil.which("apt-get"):
        raise MissingError("there is no PostgreSQL here, and only root could install Debian's package postgresql")
    if not NO_SERVER_OF_DEBIANS.exists():
        NO_SERVER_OF_DEBIANS.parent.mkdir(parents=True, exist_ok=True)
        NO_SERVER_OF_DEBIANS.write_text("create_main_cluster = false\n")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "-y", "--no-install-recommends", "postgresql"]):
        done = subprocess.run(
            ["apt-get", *words], env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    programs = find()
    if programs is None:
        raise MissingError(f"Debian's package postgresql could not be installed: {done.stderr.strip()[-300:]}")
    return programs


def _wait(one: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    engine = sa.create_engine(one.url())
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with engine.connect():
                break
        except sa.exc.OperationalError:
            assert process.poll() is None, f"PostgreSQL ended: {log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"waited {START_SECONDS} s for PostgreSQL to answer"
            time.sleep(0.1)
    engine.dispose()
