# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens in a demo, step by step: engine, hosts, Swarm, shop, controller, traffic, report, and the end of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from demo import report
from demo.children import Children
from demo.cluster import UNREADABLE, Watcher
from demo.figures import Recording, is_over, scalings
from demo.records import records
from demo.settings import HOME, INVENTORY, MADE_BY, SERVICE, SIMULATED, Settings, tool
from demo.steps import (
    DemoError,
    InterruptedDemoError,
    Runner,
    Screen,
    docker_host,
    read,
    require_unchanged,
    stop,
    tail,
)
from demo.tunnel import Tunnel
from demo.view import LiveView, Scene, last_sentence

CONTROLLER_STOP_SECONDS = 60.0
SCALE_DOWN_SECONDS, SCALE_DOWN_SHARE = 3.0, 0.75
"""How long after the traffic the scale-down may still take: so much, and a share of the traffic's own time."""
TRAFFIC_GRACE_SECONDS = 40.0


DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""The lab is on this machine: a proxy from the environment knows nothing of it."""


class Demo:
    """One run. Every process that it starts is noted in build/demo/pids, every command has its log."""

    def __init__(self, settings: Settings, halt: threading.Event) -> None:
        self.settings = settings
        self.screen = Screen(settings.began)
        self.children = Children(HOME / "pids")
        env = {
            **os.environ,
            "ANSIBLE_NOCOLOR": "1",
            "LAB_MADE_BY": MADE_BY,
            "NODES": str(settings.nodes),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
            "DEMO_TARGET": settings.target,
            "DEMO_TRAFFIC_LOG": str(HOME / "traffic.jsonl"),
        }
        self.runner = Runner(self.children, HOME / "logs", env, halt, self.screen.beat)
        self.controller: tuple[subprocess.Popen[bytes], Path] | None = None
        self.traffic_began = 0.0
        self.setup_seconds = 0.0
        self.engine_version = ""
        self.has_engine = False
        self.provisioned = False

    # ------------------------------------------------------------ the steps

    def run(self) -> Recording:
        """Steps 1 to 8. Raises DemoError with the sentence to show."""
        with self.screen.step("a Docker engine"):
            self.engine()
        with self.screen.step(f"the lab's hosts, {self.settings.nodes} of them"):
            self.playbook("hosts", "molecule/default/create.yml", 420)
        with self.screen.step("playbooks/provision.yml: a Swarm, its metrics and its balancer"):
            self.playbook("provision", "playbooks/provision.yml", 420)
        with self.screen.step("playbooks/provision.yml again: nothing may change"):
            require_unchanged(self.playbook("provision-again", "playbooks/provision.yml", 240), self.runner.latest)
        self.provisioned = True
        with self.screen.step("playbooks/demo.yml: the shop"):
            self.playbook("shop", "playbooks/demo.yml", 240)
            self.await_shop(60)
        with self.screen.step("the controller, in enforce mode"):
            self.start_controller(60)
        with self.screen.step(f"traffic ({self.settings.shape_name}, {self.settings.shape.seconds:.0f} s)"):
            self.setup_seconds = self.screen.seconds()
            self.traffic_began = time.time()
            self.traffic()
        with self.screen.step("the same traffic in simulation, and the report"):
            self.stop_controller(CONTROLLER_STOP_SECONDS)
            self.keep_history()
            self.simulate(120)
            return self.write_report()

    def engine(self) -> None:
        try:
            said = self.runner.run("engine", [sys.executable, "molecule/engine.py", "up"], 420)
        except InterruptedDemoError:
            raise
        except DemoError as error:
            # Exit status 2 is engine.py's own clear sentence: nothing to add.
            if error.status == 2 and error.log is not None:
                raise DemoError(tail(error.log), status=2) from error
            raise
        self.use_engine(said)

    def use_engine(self, said: str) -> None:
        self.runner.env["DOCKER_HOST"] = docker_host(said)
        self.has_engine = True

    def playbook(self, name: str, path: str, deadline_seconds: float) -> str:
        return self.runner.run(name, [tool("ansible-playbook"), "-i", INVENTORY, path], deadline_seconds)

    def await_shop(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (said := answer(self.settings.target)) != "200":
            if time.monotonic() > deadline:
                raise DemoError(f"the shop at {self.settings.target} did not answer within {seconds:g} s: {said}")
            self.runner.pause(0.3)

    def start_controller(self, seconds: float) -> None:
        command = [tool("swarmherd"), "-i", INVENTORY, "run", "--mode", "enforce"]
        _process, log = self.controller = self.runner.start("controller", command)
        deadline = time.monotonic() + seconds
        while not read(log).strip():
            self.require_controller()
            if time.monotonic() > deadline:
                raise DemoError(f"the controller said nothing within {seconds:g} s", log)
            self.runner.pause(0.2)

    def require_controller(self) -> None:
        """Raises DemoError when the controller has ended."""
        if self.controller and (status := self.controller[0].poll()) is not None:
            raise DemoError(f"the controller ended with exit status {status}", self.controller[1])

    def stop_controller(self, patience_seconds: float) -> None:
        if self.controller:
            stop(self.controller[0], patience_seconds)
            self.controller = None

    def traffic(self) -> None:
        tunnel_log = self.runner.log_for("tunnel")
        watcher = Watcher(
            lambda: Tunnel(self.settings.manager, self.children, tunnel_log, self.runner.env),
            SERVICE,
            HOME / "replicas.jsonl",
        )
        try:
            with watcher, LiveView(self.screen.say) as view:
                self.engine_version = watcher.engine_version
                self.watch_traffic(watcher, view)
        except UNREADABLE as error:
            raise DemoError(f"Docker on {self.settings.manager.address} cannot be read: {error}", tunnel_log) from error

    def watch_traffic(self, watcher: Watcher, view: LiveView) -> None:
        command = [sys.executable, "-m", "locust", "-f", "demo/traffic.py", "--headless", "--only-summary"]
        process, log = self.runner.start(
            "traffic", [*command, "--stop-timeout", "10", "--exit-code-on-error", "0", "--loglevel", "WARNING"]
        )
        ends_at = time.monotonic() + self.settings.shape.seconds + TRAFFIC_GRACE_SECONDS
        try:
            while process.poll() is None:
                if time.monotonic() > ends_at:
                    raise DemoError("the traffic did not end in time", log)
                self.show(watcher, view, "")
        finally:
            stop(process, 5.0)
        if process.returncode:
            raise DemoError(f"the traffic ended with exit status {process.returncode}", log)
        ends_at = time.monotonic() + SCALE_DOWN_SECONDS + SCALE_DOWN_SHARE * self.settings.shape.seconds
        while not is_over(records(HOME / "replicas.jsonl")) and time.monotonic() < ends_at:
            self.show(watcher, view, "waiting for the scale-down")

    def show(self, watcher: Watcher, view: LiveView, waiting: str) -> None:
        self.require_controller()
        said = last_sentence(read(self.controller[1])) if self.controller else ""
        lines, counts = records(HOME / "traffic.jsonl"), records(HOME / "replicas.jsonl")
        view.show(Scene(self.screen.seconds(), watcher.latest, watcher.problem, lines, counts, said, waiting))
        self.runner.pause(1.0)

    def keep_history(self) -> None:
        said = self.runner.run("history", [tool("swarmherd"), "-i", INVENTORY, "history", "--json"], 60)
        (HOME / "history.json").write_text(json.dumps(json_list(said), indent=1))

    def simulate(self, seconds: float) -> None:
        """The same traffic in simulation. Where that fails there is a report of the real run nevertheless."""
        try:
            self.runner.run("agreement", [sys.executable, "-m", "demo.agreement"], seconds)
        except InterruptedDemoError:
            raise
        except DemoError:
            self.write_report()
            raise

    def write_report(self) -> Recording:
        """Called again when all is taken down: only then is the total known."""
        history = json.loads((HOME / "history.json").read_text())
        # What was decided before, on a lab that KEEP=1 left, was not for this traffic and proves nothing.
        ours = [s for s in scalings(history) if s.service == SERVICE and s.decided_at >= self.traffic_began]
        counts = records(HOME / "replicas.jsonl")
        recording = Recording(
            traffic=records(HOME / "traffic.jsonl"),
            replicas=counts,
            scalings=ours,
            simulated=records(HOME / SIMULATED),
            setup_seconds=self.setup_seconds,
            total_seconds=self.screen.seconds(),
            engine_version=self.engine_version,
            nodes=max((sample["nodes"] for sample in counts), default=0),
            steps=tuple(self.screen.took),
        )
        report.write(recording, self.settings.shape_name, HOME)
        return recording

    # ------------------------------------------------------------ the end

    def keep_evidence(self) -> None:
        """What the lab looks like when a run failed, before it is gone: a log for whoever looks for the reason."""
        if not self.provisioned:
            return
        asked = f"docker node ls; docker service ls; docker service ps --no-trunc {SERVICE}; docker ps --all"
        with contextlib.suppress(DemoError):
            self.runner.run("evidence", [*self.settings.manager.ssh(), asked], 20)

    def end_children(self) -> None:
        for child in self.children.alive():
            if child.pid != os.getpid():
                child.end(10.0)

    def take_down(self) -> None:
        """Ends every child and takes lab and engine away, however far the run got. Raises DemoError at the end
        when one of these failed; the others are done nevertheless."""
        self.end_children()
        commands = {"engine-down": [sys.executable, "molecule/engine.py", "down"]}
        if self.has_engine:
            destroy = [tool("ansible-playbook"), "-i", INVENTORY, "molecule/default/destroy.yml"]
            commands = {"destroy": destroy, **commands}
        failures = []
        for name, command in commands.items():
            try:
                self.runner.run(name, command, 120)
            except DemoError as error:
                failures.append(error)
        self.children.forget()
        if failures:
            raise failures[0]

    def leave_lab_of_others(self) -> None:
        """Raises DemoError when a lab stands that no demo made: to take that down is not a demo's affair."""
        if self.settings.lab_of_others:
            self.find_engine()  # What was noted of a lab may outlive it; without an engine none stands.
            if self.has_engine:
                raise DemoError("a lab stands that no demo made; make lab-down takes it down", status=2)

    def find_engine(self) -> None:
        """Takes up the engine that a run left behind; what has no engine has no hosts to be destroyed."""
        try:
            self.use_engine(self.runner.run("engine-env", [sys.executable, "molecule/engine.py", "env"], 60))
        except InterruptedDemoError:
            raise
        except DemoError:
            self.has_engine = False


def answer(url: str) -> str:
    """The status code of one request, or what went wrong."""
    try:
        with DIRECT.open(url, timeout=3) as response:
            return str(response.status)
    except urllib.error.HTTPError as error:
        return str(error.code)
    except OSError as error:
        return str(error)


def json_list(output: str) -> list[Any]:
    """The JSON list in a command's output, which may log before it. Raises DemoError when there is none."""
    at = 0 if output.startswith("[") else output.find("\n[") + 1
    try:
        found, _end = json.JSONDecoder().raw_decode(output, at)
    except ValueError as error:
        raise DemoError(f"swarmherd history --json printed no JSON: {error}") from error
    if not isinstance(found, list):
        raise DemoError("swarmherd history --json printed no list")
    return found
