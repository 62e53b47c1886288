# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's driver as a process: real children, real signals, real traffic to a real shop on loopback.

Engine, lab and controller are stood for by stubs.py; with the real ones, `make demo` is the test.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.children import Child, start_time
from tests.demo.conftest import ROOT
from tests.waiting import until

STUBS = Path(__file__).parent / "stubs.py"


OURS = ("DEMO_BEGAN", "NODES", "MANAGERS", "SPARES", "LAB_RELEASE", "LAB_DIR", "KEEP", "SHAPE", "SEED")
"""What a person may have set for a demo of their own."""


class Rig:
    """A checkout and a virtual environment of its own, in which only the demo is the real one."""

    def __init__(self, home: Path, port: int) -> None:
        self.root, self.state, self.port = home / "root", home / "rig", port
        self.programs = home / "venv" / "bin"
        shutil.copytree(ROOT / "demo", self.root / "demo", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "inventories", self.root / "inventories")
        (self.root / "playbooks").mkdir()
        shutil.copy(ROOT / "playbooks" / "demo.yml", self.root / "playbooks")
        for folder in (self.state, self.programs, self.root / "molecule"):
            folder.mkdir(parents=True)
        self.environment(home / "venv")
        self.stub(self.root / "molecule" / "engine.py")
        for name in ("ansible-playbook", "swarmherd", "ssh"):
            self.stub(self.programs / name)
        self.started: list[subprocess.Popen[bytes]] = []

    def environment(self, venv: Path) -> None:
        """The packages of the environment that runs the tests, and programs of our own."""
        (venv / "pyvenv.cfg").write_text(f"home = {Path(sys.base_prefix) / 'bin'}\n")
        packages = venv / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        packages.parent.mkdir(parents=True)
        packages.symlink_to(sysconfig.get_path("purelib"))
        (self.programs / "python").symlink_to(Path(sys.executable).resolve())

    def stub(self, path: Path) -> None:
        path.write_text(f"#!{self.programs / 'python'}\n{STUBS.read_text()}")
        path.chmod(0o755)

    def wish(self, name: str) -> None:
        (self.state / name).touch()

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
        """What it says goes into a file of its own: see `said`."""
        env = {key: value for key, value in os.environ.items() if key not in OURS}
        env |= {"RIG": str(self.state), "STRETCH": "0.02", "LAB_SUBNET": "127.0.0"}
        env |= {"DEMO_TARGET": f"http://127.0.0.1:{self.port}", **settings}
        with self._log(len(self.started)).open("wb") as output:
            process = subprocess.Popen(
                [str(self.programs / "python"), "demo/run.py", *arguments],
                cwd=self.root, env=env, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.started.append(process)
        return process

    def said(self, process: subprocess.Popen[bytes]) -> str:
        """So far."""
        return self._log(self.started.index(process)).read_text()

    def _log(self, number: int) -> Path:
        return self.state / f"said-{number}"

    def run(self, *arguments: str, **settings: str) -> tuple[int, str]:
        """Exit status and output."""
        process = self.start(*arguments, **settings)
        return process.wait(90), self.said(process)

    def journal(self) -> list[str]:
        path = self.state / "journal"
        return path.read_text().splitlines() if path.exists() else []

    def children(self) -> list[Child]:
        """Every process that the demo noted and that still runs."""
        path = self.root / "build" / "demo" / "pids"
        lines = path.read_text().splitlines() if path.exists() else []
        return [child for child in (Child(**json.loads(line)) for line in lines) if child.alive()]

    def close(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()
        for child in self.children():
            child.end(1.0)


@pytest.fixture
def rig(tmp_path: Path, free_port: int) -> Iterator[Rig]:
    rig = Rig(tmp_path, free_port)
    yield rig
    rig.close()


@pytest.fixture
def shop(free_port: int) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "demo" / "shop" / "shop.py")],
        env={**os.environ, "SHOP_PORT": str(free_port), "SHOP_CAPACITY": "500"}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    process.stderr.readline()
    yield
    process.kill()
    process.wait()
    process.stderr.close()


TAKEN_DOWN = ["ansible-playbook -i inventories/lab molecule/default/destroy.yml", "engine.py down"]


@pytest.mark.usefixtures("shop")
def test_a_demo_runs_from_nothing_to_nothing_and_leaves_its_report(rig: Rig) -> None:
    status, said = rig.run(NODES="4")
    assert status == 0, said
    assert [f"step {n}/9" in said for n in range(1, 11)] == [True] * 9 + [False]
    assert "the demo is over, and showed what it must" in said
    assert "replicas 1/1, offered" in said
    home = rig.root / "build" / "demo"
    figures = json.loads((home / "report.json").read_text())
    assert figures["requests_sent"] == 78
    assert (figures["requests_failed"], figures["replicas_min"], figures["replicas_max"]) == (0, 1, 3)
    assert (figures["scale_ups"], figures["scale_downs"], figures["engine_version"]) == (1, 1, "20.10.24")
    assert 0.7 <= figures["decision_to_running_seconds"]["median"] <= 3
    assert 0 < figures["setup_seconds"] < figures["total_seconds"] < 90
    assert figures["simulated"]["mean_replicas_simulated"] == 1  # three seconds of traffic ask for no more
    assert "in simulation the same traffic asked for 1 to 1 replicas" in said
    assert "the rig wants it" in (home / "report.html").read_text()
    assert rig.journal()[-2:] == TAKEN_DOWN
    assert rig.children() == []
    assert [path.name.split("-", 1)[1] for path in sorted((home / "logs").iterdir())] == [
        "engine.log", "hosts.log", "provision.log", "provision-again.log", "shop.log", "controller.log", "tunnel.log",
        "traffic.log", "history.log", "agreement.log", "destroy.log", "engine-down.log",
    ]  # fmt: skip


@pytest.mark.usefixtures("shop")
@pytest.mark.slow
def test_a_demo_without_scaling_waits_for_it_then_fails_and_says_why_and_reports_nevertheless(rig: Rig) -> None:
    rig.wish("no-scaling")
    status, said = rig.run()
    assert status == 1
    assert "waiting for the scale-down" in said
    assert "the demo failed: no scale-up happened; no scale-down happened" in said
    home = rig.root / "build" / "demo"
    assert json.loads((home / "report.json").read_text())["requests_sent"] == 78
    assert [path.read_text() for path in (home / "logs").glob("*-evidence.log")] == ["the evidence\n"]
    assert rig.journal()[-2:] == TAKEN_DOWN


@pytest.mark.usefixtures("shop")
def test_interrupted_under_traffic_nothing_is_kept_even_with_keep(rig: Rig) -> None:
    process = rig.start(KEEP="1")
    until("the first line of the view", lambda: "replicas 1/1" in rig.said(process))
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert rig.journal()[-2:] == TAKEN_DOWN
    assert rig.children() == []
    assert not (rig.root / "build" / "demo" / "report.json").exists()


def test_an_engine_that_cannot_be_had_is_told_in_its_own_sentence(rig: Rig) -> None:
    rig.wish("engine-fails")
    status, said = rig.run()
    assert status == 2
    assert "No Docker engine answers, and a private one can be started by root alone." in said
    assert "Traceback" not in said
    assert rig.journal() == ["engine.py up", "engine.py down"]  # without an engine there are no hosts


def test_a_provisioning_that_changes_something_twice_fails_with_the_tail_of_its_log(rig: Rig) -> None:
    rig.wish("not-idempotent")
    status, said = rig.run()
    assert status == 1
    assert "provision.yml is not idempotent: its second run changed things (manager1 5, worker1 5)" in said
    assert "the last lines of build/demo/logs/04-provision-again.log" in said
    assert rig.journal()[-2:] == TAKEN_DOWN


def test_keep_leaves_the_lab_standing_also_when_the_demo_fails(rig: Rig) -> None:
    rig.wish("not-idempotent")
    status, said = rig.run(KEEP="1")
    assert status == 1
    assert "make demo-down takes hosts and engine down" in said
    assert not any("destroy" in line or "down" in line for line in rig.journal())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_the_middle_everything_is_taken_down(rig: Rig, number: signal.Signals) -> None:
    rig.wish("create-hangs")
    process = rig.start()
    hanging = int(until("the hosts' step", lambda: read(rig.state / "hanging")))
    process.send_signal(number)
    assert process.wait(60) == 130
    said = rig.said(process)
    assert said.splitlines()[-1].endswith("interrupted: everything is taken down")
    assert "Traceback" not in said
    assert rig.journal()[-2:] == TAKEN_DOWN
    assert rig.children() == []
    until("the grandchild's end", lambda: start_time(hanging) is None)


def made_by_hand(rig: Rig) -> Path:
    """What is noted of a lab that `make lab` made."""
    size = rig.root / "build" / "lab" / "size.json"
    size.parent.mkdir(parents=True)
    size.write_text('{"NODES": 2, "MANAGERS": 1, "SPARES": 0, "LAB_RELEASE": "bookworm", "LAB_MADE_BY": ""}')
    return size


def test_a_lab_that_no_demo_made_is_neither_used_nor_taken_down(rig: Rig) -> None:
    made_by_hand(rig)
    for command in ("up", "down"):
        status, said = rig.run(command)
        assert (status, said.splitlines()[-1]) == (2, "a lab stands that no demo made; make lab-down takes it down")
    assert rig.journal() == ["engine.py env"] * 2


def test_what_was_noted_of_a_lab_whose_engine_is_gone_is_not_in_the_way(rig: Rig) -> None:
    made_by_hand(rig)
    rig.wish("no-engine")
    rig.wish("engine-fails")
    assert rig.run()[0] == 2
    assert rig.journal() == ["engine.py env", "engine.py up", "engine.py down"]


def test_the_lab_that_a_demo_kept_is_the_next_ones(rig: Rig) -> None:
    rig.wish("not-idempotent")
    rig.run(KEEP="1", NODES="4")
    status, said = rig.run()
    assert (status, "the lab's hosts, 4 of them" in said) == (1, True), said
    assert rig.journal()[-2:] == TAKEN_DOWN


def test_a_lab_elsewhere_is_noted_there(rig: Rig, tmp_path: Path) -> None:
    rig.wish("create-hangs")
    lab = tmp_path / "a lab"
    process = rig.start(LAB_DIR=str(lab))
    until("the hosts' step", lambda: read(rig.state / "hanging"))
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert json.loads((lab / "size.json").read_text())["LAB_MADE_BY"] == "demo"
    assert not (rig.root / "build" / "lab").exists()


def test_after_a_driver_that_was_killed_down_cleans_up_and_may_be_called_again(rig: Rig) -> None:
    rig.wish("create-hangs")
    process = rig.start()
    hanging = int(until("the hosts' step", lambda: read(rig.state / "hanging")))
    process.kill()
    process.wait()
    assert [child.name for child in rig.children()] == ["hosts"]
    for _attempt in range(2):
        status, said = rig.run("down")
        assert (status, said.splitlines()[-1].endswith("everything is taken down")) == (0, True), said
        assert rig.children() == []
    assert start_time(hanging) is None
    assert rig.journal()[-3:] == ["engine.py env", *TAKEN_DOWN]


def test_a_second_demo_is_refused_and_down_ends_the_first(rig: Rig) -> None:
    rig.wish("create-hangs")
    first = rig.start()
    until("the hosts' step", lambda: read(rig.state / "hanging"))
    status, said = rig.run()
    assert (status, said) == (
        2,
        f"a demo runs already (process {first.pid}): wait for it, or run make demo-down\n",
    )
    # Somebody must read the first one's exit status, or it stays a zombie; a zombie counts as ended.
    status, _said = rig.run("down")
    assert status == 0
    assert first.wait(30) == 130


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"NODES": "zero"},
            "NODES, MANAGERS and SPARES must be whole numbers: invalid literal for int() with base 10: 'zero'",
        ),
        ({"NODES": "21"}, "The lab takes 1 to 20 NODES, at least 1 and at most NODES MANAGERS, and 0 to 10 SPARES."),
        ({"LAB_RELEASE": "etch"}, "LAB_RELEASE: the lab has no hosts of 'etch', only of bookworm, trixie, forky."),
        ({"SHAPE": "random", "SEED": "x"}, "SEED: 'x' is not a whole number"),
        ({"DEMO_BEGAN": "noon"}, "DEMO_BEGAN: 'noon' is not a time; give seconds since 1970, or nothing"),
    ],
)
def test_a_setting_that_will_not_do_is_named_before_anything_happens(
    rig: Rig, settings: dict[str, str], sentence: str
) -> None:
    assert rig.run(**settings) == (2, f"{sentence}\n")
    assert rig.journal() == []


def test_help_says_what_can_be_set(rig: Rig) -> None:
    status, said = rig.run("--help")
    assert status == 0
    for name in ("NODES", "KEEP", "SHAPE", "SEED", "STRETCH", "down"):
        assert name in said


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
