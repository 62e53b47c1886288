# SPDX-License-Identifier: GPL-3.0-or-later
"""`swarmherd backtest`: what a policy would have done with a demand of old. Offline, from two files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from swarmherd.cli.base import AsJson, InputError, app, console, one_sentence, print_json
from swarmherd.policy import PolicyError, Problem, ScaleKeys, ScalePolicy
from swarmherd.policy.merge import Contradiction, complete, contradictions, incomplete
from swarmherd.policy.metrics import RatesMetric, RequestsMetric
from swarmherd.policy.parse import parse
from swarmherd.policy.units import as_seconds, resembling
from swarmherd.simulate import OPPONENTS, Account, Backtest, Demand, Outcome, TraceError, backtest, read_trace
from swarmherd.simulate.report import page

LARGEST_POLICY_BYTES = 2**20
SCALE = "scale"

EXAMPLES = """
[bold]The trace[/bold]: CSV with the columns time_s,requests_per_s, ordered by time; .csv or .csv.gz.

[bold]The policy[/bold]: YAML with what stands under a service's scale:, for example

strategy: predictive
min: 2
max: 40
metrics: [{requests_per_replica: 40}]

[bold]The model[/bold]: steps of 15 s; what is known is the mean of the last 60 s, 30 s ago; a replica serves --startup
after the decision and is paid for from the decision on; demand above the ready capacity is lost.

Exits 0 when it could be computed; 2 when the input is wrong.

Examples:

swarmherd backtest --trace week.csv.gz --policy scale.yml --replica-capacity 50 --compare hpa,oracle

swarmherd backtest --trace week.csv --policy scale.yml --replica-capacity 50 --startup 2m --report week.html
"""


def _policy(file: Path) -> tuple[ScaleKeys, ScalePolicy]:
    """What `file` says. Raises InputError and PolicyError, each with file, key and remedy."""
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_POLICY_BYTES + 1)
        document = yaml.safe_load(content.decode("utf-8-sig")) if len(content) <= LARGEST_POLICY_BYTES else None
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}; check the path") from None
    except (UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{file}: {' '.join(str(error).split())}; write valid YAML") from None
    if not isinstance(document, dict):
        raise InputError(f"{file}: there are no keys; write what stands under a service's scale:, such as max: 10")
    if set(document) == {SCALE}:
        document = document[SCALE]
    keys = parse(ScaleKeys, document, str(file), SCALE)
    wrong = [*incomplete(keys), *contradictions(keys)]
    wrong += [
        Contradiction(f"metrics[{place}]", "a trace has requests alone", "write requests_per_replica, or rates")
        for place, metric in enumerate(keys.metrics)
        if not isinstance(metric, RequestsMetric | RatesMetric)
    ]
    if wrong:
        raise PolicyError(Problem(str(file), f"{SCALE}.{key}", message, remedy) for key, message, remedy in wrong)
    return keys, complete(keys)


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


@app.command(name="backtest", epilog=EXAMPLES)
@one_sentence
def backtest_command(
    trace: Annotated[Path, typer.Option("--trace", metavar="FILE", help="The demand: time_s,requests_per_s.")],
    policy: Annotated[Path, typer.Option("--policy", metavar="FILE", help="What stands under scale:.")],
    replica_capacity: Annotated[
        float, typer.Option("--replica-capacity", metavar="RPS", help="Requests per second that one replica serves.")
    ],
    startup: Annotated[
        str, typer.Option("--startup", metavar="SECONDS", help="From a decision until its replicas serve.")
    ] = "60",
    compare: Annotated[
        str, typer.Option("--compare", metavar="NAMES", help=f"Others on the same trace: {','.join(OPPONENTS)}.")
    ] = "",
    queue: Annotated[
        str, typer.Option("--queue", metavar="SECONDS", help="How long a request waits for room before it is lost.")
    ] = "0",
    report: Annotated[Path | None, typer.Option("--report", metavar="FILE.html", help="Write pictures here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a policy would have done with a demand of old. Offline: it needs two files, and no inventory."""
    if not 0 < replica_capacity < float("inf"):
        raise InputError(f"--replica-capacity: {replica_capacity:g} is no capacity; write requests per second above 0")
    account = Account(replica_capacity, _seconds("--startup", startup), _seconds("--queue", queue))
    keys, complete_policy = _policy(policy)
    opponents = _opponents(compare)
    try:
        demand = read_trace(trace)
    except TraceError as error:
        raise InputError(str(error)) from None
    found = backtest(demand, complete_policy, keys, account, opponents)
    if report is not None:
        _write(report, page(trace.name, demand, account, found))
    if as_json:
        print_json(_document(found))
    else:
        console.print(_shown(demand, found))


def _document(found: Backtest) -> dict[str, Any]:
    document: dict[str, Any] = {"policy": dataclasses.asdict(found.outcome)}
    if found.compared:
        document["compare"] = {name: dataclasses.asdict(one) for name, one in found.compared.items()}
    return document


def _shown(demand: Demand, found: Backtest) -> RenderableType:
    table = Table("", "lost", "replica hours", "over the oracle", "changes", "most replicas", "minutes under capacity")
    for name, one in {"policy": found.outcome, **found.compared}.items():
        table.add_row(escape(name), *_row(one))
    parts: list[RenderableType] = [table]
    if demand.gaps:
        parts.append(f"The trace has gaps ({demand.gaps}); in each the demand was drawn as a line.")
    if found.decisions:
        parts.append(f"The last change: {escape(found.decisions[-1].because)}.")
    return Group(*parts)


def _row(one: Outcome) -> tuple[str, ...]:
    return (
        f"{one.lost_fraction:.3%}",
        f"{one.replica_seconds / 3600:.1f}",
        f"{one.replica_seconds / one.oracle_replica_seconds:.3f}",
        str(one.changes),
        str(one.max_replicas),
        f"{one.seconds_under_capacity / 60:.1f}",
    )


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{file}: cannot be written: {error.strerror}; check the path of --report") from None
