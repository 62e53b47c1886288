# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's first command, as a new user gives it; and the same, interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration import lab as on
from tests.waiting import until

REPORT = on.ROOT / "build" / "demo" / "report.json"
KEYS = {
    "requests_sent", "requests_failed", "replicas_min", "replicas_max", "scale_ups", "scale_downs",
    "decision_to_running_seconds", "setup_seconds", "total_seconds", "engine_version", "nodes",
    "simulated",
}  # fmt: skip
ENVIRONMENT = {
    key: value for key, value in os.environ.items() if key not in ("DEMO_BEGAN", "KEEP", "NODES", "SHAPE", "SEED")
}


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Neither hosts nor networks of the lab, nor a private engine, nor any process of the demo's."""
    yield
    assert left_behind() == []


def left_behind() -> list[str]:
    """What of the demo is there still: its processes, and on an engine that answers what bears the lab's label."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, timeout=20, check=True)
    ours = (f"{on.ROOT}/build/engine", f"{on.BIN}/swarmherd", "-m locust -f demo/traffic.py", "-m demo.run")
    found = [line for line in listed.stdout.splitlines() if any(part in line for part in ours)]
    if on.run("python", "molecule/engine.py", "env", timeout=30, check=False).returncode == 0:
        for what in ("ps --all", "network ls"):
            listed = on.run("docker", *what.split(), "--quiet", "--filter", "label=io.swarmherd.lab", timeout=30)
            found += listed.stdout.split()
    return found


def demo(**settings: str) -> dict[str, Any]:
    """The report of a demo that went well."""
    environment = {**ENVIRONMENT, **settings}
    done = subprocess.run(
        ["make", "demo"], cwd=on.ROOT, env=environment, capture_output=True, text=True, timeout=480, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
    return json.loads(REPORT.read_text())


def test_make_demo_scales_up_and_down_by_playbook_and_leaves_its_report_and_nothing_else() -> None:
    report = demo()
    assert set(report) == KEYS
    assert report["scale_ups"] >= 1
    assert report["scale_downs"] >= 1
    assert report["replicas_max"] > report["replicas_min"]
    assert 0 < report["decision_to_running_seconds"]["median"] <= report["decision_to_running_seconds"]["max"]
    assert report["simulated"]["scale_ups"] >= 1
    assert report["simulated"]["mean_difference"] <= max(1.0, 0.15 * report["simulated"]["mean_replicas_real"])
    assert report["requests_failed"] < report["requests_sent"] / 10
    page = REPORT.with_name("report.html").read_text()
    assert page.count("<svg") >= 2
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "").replace("http://10.213.", "")


@pytest.mark.slow
def test_five_hosts_under_random_traffic_show_the_same() -> None:
    assert demo(NODES="5", SHAPE="random", SEED="7")["nodes"] == 5


@pytest.mark.slow  # the driver's own tests interrupt it too, without engines
def test_ctrl_c_in_the_middle_takes_everything_down_and_says_so_in_one_sentence(tmp_path: Path) -> None:
    log = tmp_path / "said"
    with (
        log.open("w") as output,
        subprocess.Popen(
            ["make", "demo"],
            cwd=on.ROOT,
            env=ENVIRONMENT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as demo,
    ):
        try:
            until("the third step", lambda: "step 3/9" in log.read_text(), 300)
            time.sleep(2)  # into the middle of the playbook; how far makes no difference
            os.killpg(demo.pid, signal.SIGINT)
            status = demo.wait(timeout=120)
        except BaseException:
            os.killpg(demo.pid, signal.SIGKILL)  # else it is waited for without a bound
            raise
    said = log.read_text()
    assert status != 0, said
    assert "Traceback" not in said
    assert "interrupted" in said.lower()
