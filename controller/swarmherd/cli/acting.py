# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that may change the cluster: run and scale. Both act through the journal and the playbooks."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from swarmherd.cli import documents
from swarmherd.cli.base import AsJson, InputError, app, inventories, one_sentence, print_json, single
from swarmherd.cli.holding import held, still
from swarmherd.cli.times import duration
from swarmherd.exporter import Address, ListenError
from swarmherd.loop import act
from swarmherd.model import Outcome
from swarmherd.plan import manual_scale
from swarmherd.policy import Mode
from swarmherd.running import serve
from swarmherd.service import clock, new_id, open_cluster


@app.command(epilog="Example: swarmherd -i inventories/lab run --mode enforce --interval 5")
@one_sentence
def run(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="One cycle, then end.")] = False,
    mode: Annotated[Mode | None, typer.Option("--mode", help="Overrules the policy's mode.")] = None,
    interval: Annotated[
        float | None,
        typer.Option("--interval", min=0.1, max=86400.0, help="Seconds from one cycle's start to the next's."),
    ] = None,
    metrics: Annotated[
        str,
        typer.Option(
            "--metrics",
            metavar="ADDRESS",
            help="Tell Prometheus there how the controller fares: 127.0.0.1:9427, or :9427 everywhere.",
        ),
    ] = "",
) -> None:
    """Observe, decide and act, cycle after cycle. SIGTERM and Ctrl-C end the cycle in hand, and then the program.

    SIGHUP begins a full pass at once: the inventory is read again, and its hosts join the Swarm and get their labels.
    """
    try:
        address = Address.parsed(metrics) if metrics else None
        good = serve(inventories(context), mode, interval, once, address)
    except ListenError as error:
        raise InputError(f"--metrics: {error}; give it as 127.0.0.1:9427, with a port that is free") from error
    if not good:
        raise typer.Exit(1)


@app.command(epilog='Example: swarmherd -i inventories/lab scale shop_web 5 --reason "sale starts at noon"')
@one_sentence
def scale(
    context: typer.Context,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service's name.")],
    replicas: Annotated[int, typer.Argument(metavar="N", help="Replicas to have.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept in the journal.")],
    lasts: Annotated[
        str, typer.Option("--for", help="Hold it there so long: nothing scales it until then. 30m, 2h, 1d.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Scale SERVICE to N replicas by hand: journaled, run by playbook and verified like any other action."""
    until = clock() + timedelta(seconds=duration("--for", lasts)) if lasts else None
    longer: list[str] = []
    with open_cluster(single(context)) as cluster:
        try:
            action = manual_scale(cluster.view(), service, replicas, reason, new_id, cluster.policy)
        except (LookupError, ValueError) as error:
            raise InputError(str(error.args[0] if error.args else error)) from error
        steps = cluster.steps(cluster.playbooks())
        if until is None:
            result = act(steps, action, clock())
        else:
            with held(cluster, service, replicas, reason, until) as keep:
                result = act(steps, action, clock())
                if result is not None and result.outcome is Outcome.DONE:
                    keep()
                    longer = still(cluster, service, until)
    if result is None:  # a playbook enactor always says what became of it
        raise typer.Exit(1)
    if as_json:
        print_json(documents.result(action, result))
    else:
        typer.echo(f"{service}: {result.outcome.value.replace('_', ' ')}: {result.detail}")
        if until is not None and result.outcome is Outcome.DONE:
            typer.echo(f"{service} is held there until {until:%Y-%m-%d %H:%M:%S} UTC; see swarmherd resume")
            for one in longer:
                typer.echo(f"and for longer: {one}")
    if result.outcome is not Outcome.DONE:
        raise typer.Exit(1)
