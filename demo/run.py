# SPDX-License-Identifier: GPL-3.0-or-later
"""The command behind `make demo` and `make demo-down`."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

if __package__ in (None, ""):  # started as a file, not with -m
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo.children import DRIVER, Child
from demo.figures import Recording, report, shortcomings
from demo.settings import HOME, ROOT, Settings
from demo.stage import CONTROLLER_STOP_SECONDS, Demo
from demo.steps import DemoError, InterruptedDemoError, tail

DRIVER_STOP_SECONDS = 240.0

USAGE = """\
Runs the whole of Swarmherd once on real Docker engines and leaves build/demo/report.html and report.json.

settings, from the environment:
  NODES=3        hosts of the lab: one manager, the others workers
  KEEP=1         leave hosts and engine standing at the end
  SHAPE=…        the traffic: deterministic (the default: quiet, rise, plateau, spike, fall) or random
  SEED=1         of the random traffic: the same seed, the same traffic
  STRETCH=1      how long the traffic lasts; 1 is 150 seconds

exit status: 0 all shown as it must be, 1 failed, 2 something is missing or set wrongly, 130 interrupted"""


class Interruption:
    """Ctrl-C, SIGTERM or a closed terminal: noted once, and no longer while everything is being taken down."""

    def __init__(self) -> None:
        self.halt = threading.Event()
        self.closing = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # What nohup switched off stays off.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self.note)

    def note(self, _number: int, _frame: FrameType | None) -> None:
        if not self.closing:
            self.halt.set()

    def close(self) -> None:
        self.closing = True
        self.halt.clear()


def run(demo: Demo, interruption: Interruption) -> int:
    """The demo, and whatever happens its end: everything taken down, unless KEEP=1 asks for the lab to stay."""
    prepare(demo)
    status, told, recording = 1, "the demo broke off", None
    try:
        status, told, recording = attempt(demo)
    finally:
        interruption.close()
        status = max(status, end(demo, keep=demo.settings.keep and status != 130))
    if recording is not None:
        told = f"{told}\n{summary(demo.write_report())}"
    demo.screen.say(told)
    return status


def prepare(demo: Demo) -> None:
    """Raises DemoError when another demo runs, or a lab stands that is not a demo's to take down.

    What an interrupted one left of processes and results goes.
    """
    if other := driver(demo):
        raise DemoError(f"a demo runs already (process {other.pid}): wait for it, or run make demo-down", status=2)
    demo.leave_lab_of_others()
    for child in demo.children.alive():
        child.end(10.0)
    shutil.rmtree(HOME, ignore_errors=True)
    demo.children.note(DRIVER, os.getpid())


def require_own_folder() -> None:
    """Raises DemoError where nothing can be written, as after a demo that root ran."""
    folder = next(folder for folder in (HOME, *HOME.parents) if folder.exists())
    if not os.access(folder, os.W_OK):
        raise DemoError(f"{folder} is another user's: run this as they did, or have it taken away", status=2)


def driver(demo: Demo) -> Child | None:
    return next((c for c in demo.children.alive() if c.name == DRIVER and c.pid != os.getpid()), None)


def attempt(demo: Demo) -> tuple[int, str, Recording | None]:
    """Exit status, the sentence for the end, and the recording when it came to a report."""
    try:
        recording = demo.run()
    except InterruptedDemoError:
        demo.screen.say("interrupted: taking everything down")
        return 130, "interrupted: everything is taken down", None
    except DemoError as error:
        show_tail(demo, error)
        demo.keep_evidence()
        return (2 if error.status == 2 and error.log is None else 1), f"the demo failed: {error}", None
    if found := shortcomings(recording):
        demo.keep_evidence()
        return 1, f"the demo failed: {'; '.join(found)}", recording
    return 0, "the demo is over, and showed what it must", recording


def show_tail(demo: Demo, error: DemoError) -> None:
    if error.log is not None and error.log.exists():
        lines = tail(error.log).replace("\n", "\n    ")
        demo.screen.say(f"{error}; the last lines of {error.log.relative_to(ROOT)}:\n    {lines}")


def end(demo: Demo, keep: bool) -> int:
    """The last step. 1 when something could not be taken down."""
    demo.screen.number = demo.screen.steps - 1  # the last step, however far the run got
    with demo.screen.step("nothing is taken down: KEEP=1" if keep else "everything taken down"):
        demo.stop_controller(CONTROLLER_STOP_SECONDS)
        try:
            demo.end_children() if keep else demo.take_down()
        except DemoError as error:
            show_tail(demo, error)
            demo.screen.say(f"not everything could be taken down: {error}; run make demo-down once more")
            return 1
    if keep:
        demo.screen.say(
            f"DOCKER_HOST={demo.runner.env.get('DOCKER_HOST', '')}; make demo-down takes hosts and engine down"
        )
    return 0


def summary(recording: Recording) -> str:
    """The figures in a few lines."""
    figures = report(recording)
    took = figures["decision_to_running_seconds"]
    simulated = f"    {recording.apart.sentence()}\n" if recording.apart else ""
    return (
        f"    {figures['requests_sent']} requests sent, {figures['requests_failed']} lost;"
        f" replicas {figures['replicas_min']} to {figures['replicas_max']},"
        f" {figures['scale_ups']} times up and {figures['scale_downs']} times down\n"
        f"    from decision to running: median {took['median']} s, longest {took['max']} s;"
        f" set up in {figures['setup_seconds']:.0f} s, all in {figures['total_seconds']:.0f} s\n"
        f"{simulated}"
        f"    {(HOME / 'report.html').relative_to(ROOT)}"
    )


def down(demo: Demo) -> int:
    """Takes down what a run left behind, or is at; says so when that is nothing.

    Raises DemoError where the lab that stands is not a demo's.
    """
    if other := driver(demo):
        demo.screen.say(f"a demo runs (process {other.pid}): telling it to take everything down")
        other.signal(signal.SIGTERM)
        deadline = time.monotonic() + DRIVER_STOP_SECONDS
        while other.alive():
            if time.monotonic() > deadline:
                raise DemoError(f"process {other.pid} has not ended within {DRIVER_STOP_SECONDS:g} s")
            demo.runner.pause(0.2)
    demo.leave_lab_of_others()
    demo.find_engine()
    try:
        demo.take_down()
    except DemoError as error:
        show_tail(demo, error)
        raise
    demo.screen.say("everything is taken down")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="demo/run.py", description=USAGE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "command", nargs="?", choices=["up", "down"], default="up", help="up (default): the demo; down: clean up"
    )
    wanted = parser.parse_args(arguments)
    os.chdir(ROOT)
    interruption = Interruption()
    try:
        require_own_folder()
        demo = Demo(Settings.read(os.environ), interruption.halt)
        return down(demo) if wanted.command == "down" else run(demo, interruption)
    except InterruptedDemoError:
        sys.stderr.write("interrupted\n")
        return 130
    except DemoError as error:
        sys.stderr.write(f"{error}\n")
        return 2 if error.status == 2 else 1


if __name__ == "__main__":
    sys.exit(main())
