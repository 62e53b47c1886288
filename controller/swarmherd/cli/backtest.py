# SPDX-License-Identifier: GPL-3.0-or-later
"""`swarmherd backtest`: what a policy would have done with a demand of old: a file's, or a service's own past."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import active_children
from pathlib import Path
from signal import SIG_BLOCK, SIG_UNBLOCK, SIGINT, pthread_sigmask
from typing import Annotated

import typer

from swarmherd.cli.backtest_shown import Judged, document, shown
from swarmherd.cli.base import AsJson, InputError, app, console, one_sentence, print_json, single
from swarmherd.cli.files import check_page, read_keys, write_page
from swarmherd.cli.own_past import Assumed, OwnPast, own_past
from swarmherd.cli.progress import told
from swarmherd.cli.times import duration
from swarmherd.policy import PolicyError, Problem, ScaleKeys, ScalePolicy
from swarmherd.policy.merge import Contradiction, complete, contradictions, incomplete
from swarmherd.policy.metrics import RatesMetric, RequestsMetric
from swarmherd.policy.parse import POLICY, parse
from swarmherd.policy.queueing import QueueMetric
from swarmherd.policy.units import LARGEST_COUNT, as_number, as_seconds, resembling
from swarmherd.service import open_cluster
from swarmherd.simulate import (
    OPPONENTS,
    Account,
    Backtest,
    Demand,
    Grid,
    TraceError,
    advice,
    backtest,
    happened,
    read_trace,
    settings,
    tried,
)
from swarmherd.simulate.report import page
from swarmherd.simulate.trace import LARGEST_RATE
from swarmherd.simulate.trial import LATEST_SECOND

SCALE = "scale"
WHOLE_POLICY = frozenset({"services", POLICY})

STARTUP_SECONDS = 60.0
SINCE = "7d"

EXAMPLES = """
[bold]The own past[/bold]: with -i and --service, what the service was asked for, and how many replicas it had, are read
from Prometheus, the policy from the inventory, and how fast a replica starts from the journal.

[bold]The trace[/bold]: CSV with the columns time_s,requests_per_s, ordered by time; .csv or .csv.gz.

[bold]The policy[/bold]: YAML with what stands under a service's scale:, for example

strategy: predictive
min: 2
max: 40
metrics: [{requests_per_replica: 40}]

[bold]The model[/bold]: steps of 15 s; what is known is the mean of the last 60 s, 30 s ago; a replica serves --startup
after the decision and is paid for from the decision on; demand above the ready capacity is lost.

[bold]The grid[/bold]: with --grid other settings are tried on the same demand, and one is recommended.

Exits 0 when it could be computed; 2 when the input is wrong.

Examples:

swarmherd -i inventories/shop backtest --service shop_api --since 7d --grid --report week.html

swarmherd backtest --trace week.csv.gz --policy scale.yml --replica-capacity 50 --compare hpa,oracle

swarmherd backtest --trace week.csv --policy scale.yml --replica-capacity 50 --startup 2m --report week.html
"""


def _policy(file: Path) -> tuple[ScaleKeys, ScalePolicy]:
    """What `file` says. Raises InputError and PolicyError, each with file, key and remedy."""
    document = read_keys(file, "write what stands under a service's scale:, such as max: 10")
    if whole := WHOLE_POLICY & set(document):
        raise InputError(f"{file}: {min(whole)}: this is a whole policy; write what stands under one service's scale:")
    keys = parse(ScaleKeys, document[SCALE] if set(document) == {SCALE} else document, str(file), SCALE)
    wrong = [*incomplete(keys), *(list(_not_in_a_trace(keys)) or _contradictions(keys))]
    if wrong:
        raise PolicyError(Problem(str(file), f"{SCALE}.{key}", message, remedy) for key, message, remedy in wrong)
    return keys, complete(keys)


def _not_in_a_trace(keys: ScaleKeys) -> Iterator[Contradiction]:
    remedy = "write requests_per_replica, rates or queue"
    if "metrics" not in keys.model_fields_set:
        yield Contradiction("metrics", "it is missing, and by default it is cpu and memory, which no trace has", remedy)
        return
    for place, metric in enumerate(keys.metrics):
        if not isinstance(metric, RequestsMetric | RatesMetric | QueueMetric):
            yield Contradiction(f"metrics[{place}]", "a trace has requests alone", remedy)


def _contradictions(keys: ScaleKeys) -> Iterator[Contradiction]:
    """As of any policy; but what could be foretold is in a trace one metric alone."""
    for one in contradictions(keys):
        yield one._replace(remedy="give a target to requests_per_replica") if one.key == "strategy" else one


def _opponents(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in OPPONENTS:
            remedy = resembling(name, OPPONENTS) or f"choose from {','.join(OPPONENTS)}"
            raise InputError(f"--compare: {name[:40]!r} is not known; {remedy}")
    return names


def _seconds(option: str, text: str) -> float:
    seconds = as_seconds(text)
    if seconds is None or not 0 <= seconds <= 86400:
        raise InputError(f"{option}: {text[:40]!r} is no duration up to a day; write seconds, or 90s, 5m")
    return seconds


Trace = Annotated[Path | None, typer.Option("--trace", metavar="FILE", help="The demand: time_s,requests_per_s.")]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="With --trace: what is under scale:.")
]
OfService = Annotated[str, typer.Option("--service", help="Instead of --trace: the own past of this service.")]
Since = Annotated[str, typer.Option("--since", help="With --service: how much of its past; 12h; 7d unless told.")]
Capacity = Annotated[
    float | None,
    typer.Option("--replica-capacity", metavar="RPS", help="Requests per second that one replica serves."),
]
Startup = Annotated[
    str, typer.Option("--startup", metavar="SECONDS", help="From a decision until its replicas serve; 60, or measured.")
]
Compare = Annotated[
    str, typer.Option("--compare", metavar="NAMES", help=f"Others on the same demand: {','.join(OPPONENTS)}.")
]
Queue = Annotated[
    str, typer.Option("--queue", metavar="SECONDS", help="How long a request waits for room before it is lost.")
]
TryGrid = Annotated[bool, typer.Option("--grid", help="Try other settings too, and recommend one.")]
MayLose = Annotated[
    str, typer.Option("--may-lose", metavar="PERCENT", help="Of a grid: the most to lose, such as 0.5%; as the policy.")
]
Report = Annotated[Path | None, typer.Option("--report", metavar="FILE.html", help="Write pictures here.")]


@app.command(name="backtest", epilog=EXAMPLES)
@one_sentence
def backtest_command(
    context: typer.Context,
    trace: Trace = None,
    policy: PolicyFile = None,
    service: OfService = "",
    since: Since = "",
    replica_capacity: Capacity = None,
    startup: Startup = "",
    compare: Compare = "",
    queue: Queue = "0",
    grid: TryGrid = False,
    may_lose: MayLose = "",
    report: Report = None,
    as_json: AsJson = False,
) -> None:
    """Say what a policy would have done with a demand of old: of a file, offline, or of a service's own past."""
    if (trace is None) == (not service):
        raise InputError("give either --trace FILE, or --service NAME with an inventory: one of them is the demand")
    most = _may_lose(may_lose)
    if replica_capacity is not None and not 0 < replica_capacity <= LARGEST_RATE:
        remedy = f"write requests per second, above 0 and up to {LARGEST_RATE:g}"
        raise InputError(f"--replica-capacity: {replica_capacity:g} is no capacity; {remedy}")
    if report is not None:
        check_page("--report", report, [one for one in (trace, policy, *context.find_root().obj) if one is not None])
    assumed = Assumed(replica_capacity, _seconds("--startup", startup) if startup else None, _seconds("--queue", queue))
    opponents = _opponents(compare)
    grid = grid or bool(may_lose)
    if trace is not None:
        if since:
            remedy = "leave it out, and shorten the trace instead"
            raise InputError(f"--since: it is about the past of a --service; {remedy}")
        given = _traced(trace, policy, assumed)
    else:
        given = _own(context, policy, service, since or SINCE, assumed, ahead=grid)
    _check_size(str(trace or service), given)
    found = backtest(given.demand, given.policy, given.keys, given.account, opponents)
    was = None if given.course is None else happened(given.demand, given.course, given.account)
    judged = Judged(given, found, was, _grid(given, found, most) if grid else None)
    if report is not None:
        write_page("--report", report, page(given.service, given.demand, given.account, found, was, judged.grid))
    if as_json:
        print_json(document(judged))
    else:
        console.print(shown(judged))


def _check_size(name: str, given: OwnPast) -> None:
    peak, capacity = float(given.demand.values.max()), given.account.capacity
    if not peak / capacity <= LARGEST_COUNT:
        raise InputError(
            f"{name}: its {peak:g} requests per second take more than {LARGEST_COUNT} replicas of {capacity:g} each; "
            "check them and --replica-capacity"
        )


def _traced(trace: Path, policy: Path | None, assumed: Assumed) -> OwnPast:
    """A demand, a policy and an account from files and options alone."""
    if policy is None:
        raise InputError("--policy: it is missing; a trace needs a FILE with what stands under a service's scale:")
    if assumed.replica_capacity is None:
        raise InputError("--replica-capacity: it is missing; write the requests per second that one replica serves")
    keys, complete_policy = _policy(policy)
    try:
        demand = read_trace(trace)
    except TraceError as error:
        raise InputError(str(error)) from None
    startup = STARTUP_SECONDS if assumed.startup_seconds is None else assumed.startup_seconds
    account = Account(assumed.replica_capacity, startup, assumed.queue_seconds)
    return OwnPast(trace.name, demand, keys, complete_policy, account, None, tuple(_notes(demand)))


def _notes(demand: Demand) -> Iterator[str]:
    if demand.gaps:
        yield f"the trace has gaps ({demand.gaps}); in each the demand was drawn as a line"
    if demand.first_second > LATEST_SECOND:
        yield (
            f"time_s {demand.first_second:.0f} is after the year 2096, so that the trace is taken to begin in 1970; "
            "where these are milliseconds, divide them by 1000"
        )


def _own(
    context: typer.Context, policy: Path | None, service: str, since: str, assumed: Assumed, *, ahead: bool
) -> OwnPast:
    if policy is not None:
        raise InputError("--policy: the inventory has the policy of a service's own past; leave it out")
    seconds = duration("--since", since)
    with open_cluster(single(context)) as cluster:
        return own_past(cluster, service, seconds, assumed, ahead=ahead)


def _grid(given: OwnPast, found: Backtest, may_lose: float | None) -> Grid:
    """As many settings at once as there are processors."""
    grid = tuple(settings(given.keys, given.account.capacity))
    try_one = partial(tried, demand=given.demand, account=given.account)
    workers = min(len(grid), os.cpu_count() or 1)
    pool = ProcessPoolExecutor(workers)
    pthread_sigmask(SIG_BLOCK, {SIGINT})  # the workers inherit it: an interrupt is ours alone, and ends them all
    try:
        begun = pool.map(try_one, grid)
        pthread_sigmask(SIG_UNBLOCK, {SIGINT})
        all_tried = tuple(told("trying settings", begun, len(grid)))
    except BrokenProcessPool:
        remedy = "see that there is memory enough, or try a shorter past"
        raise InputError(f"--grid: a process that tried settings was ended from outside; {remedy}") from None
    except BaseException:
        for worker in active_children():
            worker.terminate()  # the pool itself would wait for what they are at
        raise
    finally:
        pool.shutdown()
    return Grid(all_tried, advice(found.outcome, all_tried, may_lose))


def _may_lose(text: str) -> float | None:
    """A part of all requests."""
    if not text:
        return None
    percent = as_number(text.strip().removesuffix("%"))
    if percent is None or not 0 <= percent < 100:
        raise InputError(f"--may-lose: {text[:40]!r} is no share of the requests; write a percentage, such as 0.5%")
    return percent / 100
