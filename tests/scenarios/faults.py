# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, as words of a sentence: each is a context that breaks one thing and puts it right at its end.

    with host_killed("worker1") as began:
        …

`began` is time.monotonic() right before the fault was brought about: times count from there.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.integration import lab as on

from . import hosts

MANAGERS, WORKERS = ("manager1", "manager2", "manager3"), ("worker1", "worker2", "worker3")
NODES = (*MANAGERS, *WORKERS)
SHOP_PORT = "8000"
CHAIN = "swarmherd-fault"
NO_RESTART = "/run/systemd/system/docker.service.d/swarmherd-fault.conf"
START_SECONDS = 60


def _fault(bring_about: Callable[..., None], undo: Callable[..., None]) -> Callable[..., Any]:
    """A context of two functions that take the same arguments; the second is called whatever the first came to."""

    @contextmanager
    def fault(*arguments: Any) -> Iterator[float]:
        began = time.monotonic()
        try:
            bring_about(*arguments)
            yield began
        finally:
            undo(*arguments)

    fault.__doc__ = bring_about.__doc__
    return fault


# ------------------------------------------------------------ hosts


def kill_host(host: str) -> None:
    """The host loses its power."""
    hosts.outer("kill", hosts.container(host))


def start_host(host: str) -> None:
    hosts.outer("start", hosts.container(host))
    on.wait_until(lambda: _up(host), f"{host} is up again with its engine", START_SECONDS)


def freeze_host(host: str) -> None:
    """The host stands still: it accepts what is sent to it, and never answers."""
    # An engine that is busy cannot freeze all of a host's processes at the first try.
    paused = ["inspect", "--format", "{{.State.Paused}}", hosts.container(host)]

    def frozen() -> bool:
        hosts.outer("pause", hosts.container(host), check=False)
        return hosts.outer(*paused).strip() == "true"

    on.wait_until(frozen, f"{host} stands still", 20)


def thaw_host(host: str) -> None:
    hosts.outer("unpause", hosts.container(host), check=False)


def _up(host: str) -> bool:
    return hosts.run(host, "systemctl", "is-active", "docker", check=False).strip() == "active"


host_killed = _fault(kill_host, start_host)
host_frozen = _fault(freeze_host, thaw_host)

# ------------------------------------------------------------ engines


def kill_engine(host: str) -> None:
    """dockerd is killed and stays away; the host, its other services and its containers live on."""
    hosts.run(
        host, "sh", "-c", f"mkdir -p {Path(NO_RESTART).parent}; printf '[Service]\\nRestart=no\\n' > {NO_RESTART}"
    )
    hosts.run(host, "systemctl", "daemon-reload")
    # Its socket would start it again, and cannot be stopped before it without stopping it, in order, as well.
    kill = "systemctl kill --signal=SIGKILL --kill-who=main docker.service"
    hosts.run(host, "sh", "-ec", f"{kill}; systemctl stop docker.socket docker.service")


def start_engine(host: str) -> None:
    hosts.run(host, "rm", "-f", NO_RESTART)
    hosts.run(host, "systemctl", "daemon-reload")
    hosts.run(host, "systemctl", "reset-failed", "docker.service", check=False)
    hosts.run(host, "systemctl", "start", "docker.socket", "docker.service", timeout=START_SECONDS)


def freeze_engine(host: str) -> None:
    """dockerd is stopped in its tracks (SIGSTOP); what it started runs on."""
    hosts.run(host, "systemctl", "kill", "--signal=SIGSTOP", "--kill-who=main", "docker.service")


def thaw_engine(host: str) -> None:
    hosts.run(host, "systemctl", "kill", "--signal=SIGCONT", "--kill-who=main", "docker.service")


engine_killed = _fault(kill_engine, start_engine)
engine_frozen = _fault(freeze_engine, thaw_engine)

# ------------------------------------------------------------ the network


def drop(host: str, rules: Sequence[Sequence[str]]) -> None:
    """On `host`, drop what comes in by any of these rules of iptables, connections that stand included."""
    script = [f"iptables -t raw -N {CHAIN}", f"iptables -t raw -I PREROUTING -j {CHAIN}"]
    script += [f"iptables -t raw -A {CHAIN} {' '.join(rule)} -j DROP" for rule in rules]
    hosts.run(host, "sh", "-ec", "; ".join(script))


def drop_no_more(host: str, _rules: Sequence[Sequence[str]] = ()) -> None:
    script = f"iptables -t raw -D PREROUTING -j {CHAIN}; iptables -t raw -F {CHAIN}; iptables -t raw -X {CHAIN}"
    hosts.run(host, "sh", "-c", f"{script} 2>/dev/null", check=False)


_dropping = _fault(drop, drop_no_more)


def gateway() -> str:
    """The address that this machine, and so the controller, has in the lab's network."""
    return f"{os.environ.get('LAB_SUBNET') or '10.213.0'}.1"


@contextmanager
def cut_off(host: str, others: Sequence[str]) -> Iterator[float]:
    """The host and these others hear nothing of each other any more."""
    began = time.monotonic()
    with ExitStack() as faults:
        faults.enter_context(_dropping(host, [["-s", on.address(other)] for other in others]))
        for other in others:
            faults.enter_context(_dropping(other, [["-s", on.address(host)]]))
        yield began


@contextmanager
def unreachable_to_us(some: Sequence[str], *which: str) -> Iterator[float]:
    """These hosts hear nothing of this machine any more, but for the load on the shop; `which` narrows it to a port."""
    began = time.monotonic()
    what = ["-s", gateway(), "-p", "tcp", *(which or ("!", "--dport", SHOP_PORT))]
    with ExitStack() as faults:
        for host in some:
            faults.enter_context(_dropping(host, [what]))
        yield began


@contextmanager
def partitioned(some: Sequence[str]) -> Iterator[float]:
    """These nodes hear nothing of the others nor of this machine, and those nothing of them."""
    began = time.monotonic()
    others = [host for host in NODES if host not in some]
    with ExitStack() as faults:
        for host in some:
            faults.enter_context(_dropping(host, [["-s", on.address(o)] for o in others] + [["-s", gateway()]]))
        for host in others:
            faults.enter_context(_dropping(host, [["-s", on.address(one)] for one in some]))
        yield began


def controller_cut_off_from_managers() -> Any:
    """No manager answers the controller's SSH any more."""
    return unreachable_to_us(MANAGERS, "--dport", "22")


def controller_cut_off_from_prometheus() -> Any:
    return unreachable_to_us(["manager1"], "--dport", "9090")


# ------------------------------------------------------------ what watches


def stop_prometheus() -> None:
    """Prometheus is down."""
    hosts.docker("kill", "prometheus")


def start_prometheus() -> None:
    hosts.docker("start", "prometheus")


def stop_exporter(host: str) -> None:
    """The host's node_exporter is down."""
    hosts.run(host, "systemctl", "stop", "prometheus-node-exporter")


def start_exporter(host: str) -> None:
    hosts.run(host, "systemctl", "start", "prometheus-node-exporter")


prometheus_down = _fault(stop_prometheus, start_prometheus)
node_exporter_down = _fault(stop_exporter, start_exporter)

# ------------------------------------------------------------ what acts

ADMIN = "/run/swarmherd/haproxy/admin.sock"
PYTHON = "/usr/bin/python3"


def hide_balancer_socket() -> None:
    """The load balancer serves, but cannot be told anything."""
    hosts.run("manager1", "mv", ADMIN, f"{ADMIN}.hidden")


def show_balancer_socket() -> None:
    hosts.run("manager1", "mv", f"{ADMIN}.hidden", ADMIN, check=False)


def replace_python(host: str, script: str) -> None:
    """What Ansible starts on the host is this shell script instead of Python."""
    write = (
        f"printf '#!/bin/sh\\n%s\\n' '{script}' > /tmp/fault; chmod 755 /tmp/fault; mount --bind /tmp/fault {PYTHON}"
    )
    hosts.run(host, "sh", "-ec", write)


def restore_python(host: str, _script: str) -> None:
    hosts.run(host, "umount", PYTHON, check=False)


balancer_unreachable = _fault(hide_balancer_socket, show_balancer_socket)
python_replaced = _fault(replace_python, restore_python)


@contextmanager
def playbooks_hang(some: Sequence[str] = MANAGERS) -> Iterator[float]:
    """Every module that Ansible starts there hangs."""
    began = time.monotonic()
    with ExitStack() as faults:
        for host in some:
            faults.enter_context(python_replaced(host, "exec sleep 600"))
        yield began


def playbooks_fail_on(host: str) -> Any:
    """Every module that Ansible starts there fails."""
    return python_replaced(host, "echo broken >&2; exit 1")


def disk_full(place: Path) -> Any:
    """No byte more can be written below `place`, which is a file system of its own."""
    return _fault(lambda: _fill(place / "fill"), lambda: (place / "fill").unlink(missing_ok=True))()


def _fill(file: Path) -> None:
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            os.write(descriptor, b"x" * 512)
    except OSError:
        return
    finally:
        os.close(descriptor)


@contextmanager
def small_disk(place: Path, size: str = "2m") -> Iterator[Path]:
    """A file system of its own and of that size."""
    place.mkdir(parents=True)
    on.run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place), timeout=10)
    try:
        yield place
    finally:
        on.run("umount", "-l", str(place), timeout=10)


def clock_moved(file: Path, by_seconds: str) -> Any:
    """Whoever reads its clock through libfaketime and this file has it so much ahead."""
    return _fault(lambda: _write(file, f"{by_seconds}\n"), lambda: _write(file, "+0\n"))()


def _write(file: Path, text: str) -> None:
    file.write_text(text)


def fake_clock() -> Path:
    """libfaketime's library, from Debian's package, which root installs where it is missing."""
    found = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if found is None:
        for command in (
            ["apt-get", "update", "-q"],
            ["apt-get", "install", "-yq", "--no-install-recommends", "libfaketime"],
        ):
            subprocess.run(command, check=True, capture_output=True, timeout=300)
        found = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return found


# ------------------------------------------------------------ whatever happened


def put_right() -> list[str]:
    """Takes back whatever of the above is still there, and says what that was: nothing, when all went well."""
    found = []
    for host in NODES:
        state = hosts.outer("inspect", "--format", "{{.State.Status}}", hosts.container(host)).strip()
        if state != "running":
            found.append(f"{host} was {state}")
            thaw_host(host) if state == "paused" else start_host(host)
        if CHAIN in hosts.run(host, "iptables", "-t", "raw", "-S"):
            found.append(f"{host} dropped packets")
            drop_no_more(host)
    return found
