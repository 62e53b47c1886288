# SPDX-License-Identifier: GPL-3.0-or-later
"""`swarmherd backtest`: its answer, its pictures, and one clear error for each mistake."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from swarmherd.cli import app
from swarmherd.cli.base import InputError
from swarmherd.cli.files import check_page, write_page
from typer.testing import CliRunner, Result

from tests.waiting import until

KEYS = {
    "lost_fraction",
    "replica_seconds",
    "oracle_replica_seconds",
    "changes",
    "max_replicas",
    "seconds_under_capacity",
}
POLICY = "strategy: predictive\nmin: 2\nmax: 40\nmetrics: [{requests_per_replica: 8}]\n"
TARGET = POLICY.replace("predictive", "target")


class Files:
    """A trace and a policy in a folder of the test's own, and the command over them."""

    def __init__(self, folder: Path) -> None:
        self.trace, self.policy = folder / "trace.csv", folder / "scale.yml"
        rows = "".join(f"{60 * minute},{40 + 30 * (minute % 20 > 10)}\n" for minute in range(240))
        self.trace.write_text("time_s,requests_per_s\n" + rows)
        self.policy.write_text(POLICY)

    def call(self, *words: str, code: int = 0) -> Result:
        command = ["backtest", "--trace", str(self.trace), "--policy", str(self.policy), *words]
        result = CliRunner().invoke(
            app, command if "--replica-capacity" in words else [*command, "--replica-capacity", "10"]
        )
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.setattr("swarmherd.cli.base.console.width", 200)
    monkeypatch.setenv("TERM", "dumb")
    return Files(tmp_path)


def test_json_has_the_keys_that_are_promised(files: Files) -> None:
    found = json.loads(files.call("--json", "--compare", "hpa,keda,nomad,oracle").stdout)
    assert set(found) == {"policy", "compare"}
    assert set(found["compare"]) == {"hpa", "keda", "nomad", "oracle"}
    assert all(set(one) == KEYS for one in (found["policy"], *found["compare"].values()))
    assert found["compare"]["oracle"]["lost_fraction"] == 0


def test_without_compare_there_is_the_policy_alone(files: Files) -> None:
    assert set(json.loads(files.call("--json").stdout)) == {"policy"}


def test_people_get_a_table_and_the_last_reason(files: Files) -> None:
    said = files.call("--compare", "hpa").stdout
    assert "policy" in said
    assert "hpa" in said
    assert "The last change: scale service from" in " ".join(said.split())


def test_the_report_fetches_nothing_and_escapes_the_name(files: Files, tmp_path: Path) -> None:
    files.trace = files.trace.rename(tmp_path / "a<b&.csv")
    files.call("--report", str(tmp_path / "report.html"), "--compare", "hpa")
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 2
    assert "a&lt;b&amp;.csv" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_longer_start_up_loses_more_and_a_queue_loses_less(files: Files) -> None:
    def lost(*words: str) -> float:
        return float(json.loads(files.call("--json", *words).stdout)["policy"]["lost_fraction"])

    files.policy.write_text(TARGET)
    assert lost("--startup", "5m") > lost("--startup", "15") > 0
    assert lost("--queue", "10m") < lost()


def test_a_latency_target_is_tried_and_says_how_fast_its_replicas_would_be(files: Files) -> None:
    queue = "{{max: 40, stabilization: 0, metrics: [{{queue: {{replica_capacity: 10}}, target: {{p95: {}}}}}]}}"
    found = {}
    for target in ("320ms", "2s"):
        files.policy.write_text(queue.format(target))
        found[target] = json.loads(files.call("--json", "--startup", "0").stdout)["policy"]
    assert found["320ms"]["lost_fraction"] < found["2s"]["lost_fraction"]
    assert found["320ms"]["replica_seconds"] > found["2s"]["replica_seconds"]
    said = " ".join(files.call().stdout.split())
    assert "requests/s at 10/s each: " in said
    assert "would answer 95 % within" in said
    assert "(target 2 s)" in said


def test_a_scale_key_around_the_policy_is_fine(files: Files) -> None:
    policy = "{max: 40, metrics: [{requests_per_replica: 8}]}"
    files.policy.write_text(policy)
    bare = json.loads(files.call("--json").stdout)
    files.policy.write_text(f"scale: {policy}")
    assert json.loads(files.call("--json").stdout) == bare


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("", "there are no keys; write what stands under a service's scale:"),
        ("[1", "write valid YAML"),
        ("min: 2", "scale.max: it is missing"),
        ("{max: 4, metric: cpu}", "scale.metric: there is no such key; did you mean metrics?"),
        ("{max: 4, min: 9, metrics: [{requests_per_replica: 8}]}", "scale.min: min 9 is above max 4"),
        ("{max: 4, strategy: magic}", "scale.strategy: 'magic' is no strategy; write target or predictive"),
        (
            "{max: 4, strategy: predictive}",
            "scale.yml: scale.metrics: it is missing, and by default it is cpu and memory, which no trace has; "
            "write requests_per_replica, rates or queue\n",
        ),
        (
            "{max: 4, strategy: predictive, metrics: [{requests_per_replica: {up: 9, down: 2}}]}",
            "scale.strategy: none of the metrics can be foretold; give a target to requests_per_replica\n",
        ),
        ("max: 50\nmax: 5\nmetrics: [{requests_per_replica: 8}]", "'max' stands twice"),
        (
            "services: {shop: {scale: {max: 4}}}",
            "services: this is a whole policy; write what stands under one service's scale:",
        ),
        ("swarmherd_policy: {services: {}}", "swarmherd_policy: this is a whole policy; write what stands under one"),
        (f"max: 4 #{' ' * 2**20}", "it is larger than 1048576 bytes; check that it is the right file"),
        (
            "{max: 4, predictive: {spend: 90}, metrics: [{requests_per_replica: 8}]}",
            "scale.predictive: strategy is target, which does not look ahead; write strategy: predictive",
        ),
        (
            "{max: 4, strategy: predictive, predictive: {full: 80%}, metrics: [{requests_per_replica: 8}]}",
            "scale.predictive.full: '80%' is not the target or more; write a percentage of the target",
        ),
        (
            "{max: 4, strategy: predictive, predictive: {spend: 0}, metrics: [{requests_per_replica: 8}]}",
            "scale.predictive.spend: 0 cannot be aimed at",
        ),
        (
            "{max: 4, metrics: [{queue: {replica_capacity: 10}, target: {p95: 250ms}}]}",
            "scale.metrics[0].target: no number of replicas reaches p95 0.25 s: it is 0.2996 s by a replica that has",
        ),
        (
            "{max: 4, metrics: [{cpu: 70}]}",
            "scale.metrics[0]: a trace has requests alone; write requests_per_replica, rates or queue",
        ),
    ],
)
def test_a_mistake_in_the_policy_is_one_sentence(files: Files, policy: str, says: str) -> None:
    files.policy.write_text(policy)
    told = files.call(code=2).stderr
    assert says in told
    assert str(files.policy) in told


def test_the_same_key_in_two_places_and_one_over_a_merged_one_are_fine(files: Files) -> None:
    waits = "cooldown: &c {up: 5, down: 9}, stabilization: {<<: *c, up: 6}"
    files.policy.write_text(f"{{max: 4, {waits}, metrics: [{{requests_per_replica: 8}}]}}")
    files.call("--json")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--replica-capacity", "0"), "--replica-capacity: 0 is no capacity"),
        (("--replica-capacity", "nan"), "--replica-capacity: nan is no capacity"),
        (
            ("--replica-capacity", "1e308"),
            "--replica-capacity: 1e+308 is no capacity; write requests per second",
        ),
        *(
            (
                ("--replica-capacity", tiny, "--compare", "hpa,oracle"),
                f"trace.csv: its 70 requests per second take more than 100000 replicas of {tiny} each; check them and",
            )
            for tiny in ("1e-06", "1e-18", "1e-310")
        ),
        (("--since", "blah"), "--since: it is about the past of a --service; leave it out"),
        (("--startup", "soon"), "--startup: 'soon' is no duration"),
        (("--startup", "-5"), "--startup: '-5' is no duration"),
        (("--queue", "2d"), "--queue: '2d' is no duration up to a day"),
        (("--compare", "hpa,orcale"), "--compare: 'orcale' is not known; did you mean oracle?"),
        (("--report", "/nowhere/at/all.html"), "/nowhere/at/all.html: cannot be written"),
        (("--trace", "/nowhere.csv"), "/nowhere.csv: cannot be read: No such file or directory; check the path"),
        (("--policy", "/nowhere.yml"), "/nowhere.yml: cannot be read: No such file or directory; check the path"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence(files: Files, words: tuple[str, ...], says: str) -> None:
    assert says in files.call(*words, code=2).stderr


@pytest.mark.parametrize("what", ["trace", "policy"])
def test_a_report_never_takes_the_place_of_what_is_read(files: Files, what: str, tmp_path: Path) -> None:
    file: Path = getattr(files, what)
    before, link = file.read_text(), tmp_path / "link.html"
    link.symlink_to(file)
    for report in (file, link):
        said = files.call("--report", str(report), code=2).stderr
        assert f"{report}: --report would overwrite what is read; give another path" in said
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("no/x.html", "there is no such folder"),
        (".", "it is a folder"),
        ("shut/x.html", "permission"),
        (f"{'long' * 99}.html", "File name too long"),
    ],
)
def test_whether_a_report_can_be_written_is_seen_before_the_work(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, why: str
) -> None:
    (tmp_path / "shut").mkdir()
    monkeypatch.setattr("os.access", lambda of, _mode: Path(of).name != "shut")
    monkeypatch.setattr("swarmherd.cli.backtest.backtest", lambda *_all: pytest.fail("it worked for nothing"))
    said = files.call("--report", str(tmp_path / path), code=2).stderr
    assert f"cannot be written: {why}" in said
    assert "check the path of --report" in said


def test_a_report_that_cannot_be_looked_at_is_one_sentence(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that is shut to us, as `root` never sees it."""
    stat = Path.stat

    def shut(path: Path, **how: bool) -> os.stat_result:
        if path.name == "shut.html":
            raise PermissionError(13, "Permission denied")
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", shut)
    said = files.call("--report", "/somewhere/shut.html", code=2).stderr
    assert "/somewhere/shut.html: cannot be written: Permission denied; check the path of --report" in said


def test_a_report_is_there_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report, link = tmp_path / "week.html", tmp_path / "link.html"
    report.write_text("of last week")
    report.chmod(0o640)
    link.symlink_to(report)
    write_page("--report", link, "of this week")
    assert (report.read_text(), report.stat().st_mode & 0o777, link.is_symlink()) == ("of this week", 0o640, True)

    def full(_draft: Path, *_all: str, **_how: str) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InputError, match=r"week\.html: cannot be written: No space left on device"):
        write_page("--report", report, "of next week")
    assert report.read_text() == "of this week"
    assert sorted(tmp_path.iterdir()) == [link, report]


def test_a_report_may_go_into_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        check_page("--report", pipe, [])
        write_page("--report", pipe, "pictures")
        assert os.read(reading, 99) == b"pictures"
    finally:
        os.close(reading)


def test_times_in_milliseconds_are_noted(files: Files) -> None:
    files.trace.write_text(
        "time_s,requests_per_s\n" + "".join(f"{1700000000000 + 60000 * n},{40 + n % 3}\n" for n in range(5))
    )
    [note] = json.loads(files.call("--json").stdout)["notes"]
    assert note.startswith("time_s 1700000000000 is after the year 2096")
    assert "divide them by 1000" in note


def test_a_mistake_in_the_trace_names_file_and_line(files: Files) -> None:
    files.trace.write_text("time_s,requests_per_s\n0,1\n15,-1\n")
    assert f"{files.trace}: line 3, column requests_per_s: -1 is negative" in files.call(code=2).stderr


OUT_OF_MEMORY = """
import os, signal
from swarmherd.cli import app, backtest
def killed(*_setting, **_demand):
    os.kill(os.getpid(), signal.SIGKILL)
backtest.tried = killed
app()
"""


def test_a_worker_that_the_kernel_ends_is_told_and_not_waited_for(files: Files) -> None:
    words = ["--trace", str(files.trace), "--policy", str(files.policy), "--replica-capacity", "10", "--grid"]
    program = [sys.executable, "-c", OUT_OF_MEMORY, "backtest", *words]
    ended = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert "--grid: a process that tried settings was ended from outside" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_interrupt_ends_a_grid_with_all_its_workers(files: Files) -> None:
    rows = "".join(f"{60 * minute},{40 + 30 * (minute % 20 > 10)}\n" for minute in range(60 * 24 * 4))
    files.trace.write_text("time_s,requests_per_s\n" + rows)
    words = [
        "backtest",
        "--trace",
        str(files.trace),
        "--policy",
        str(files.policy),
        "--replica-capacity",
        "10",
        "--grid",
    ]
    program = [sys.executable, "-c", "from swarmherd.cli import app; app()", *words]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            until("its workers", children.read_text)
            os.killpg(process.pid, signal.SIGINT)
            _out, said = process.communicate(timeout=30)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert "Traceback" not in said
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
