# SPDX-License-Identifier: GPL-3.0-or-later
"""The command rebalance: what the controller would move to even out the load, done once, or only said."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from swarmherd.cli import documents, tables
from swarmherd.cli.base import AsJson, app, console, one_sentence, print_json, single
from swarmherd.decide import arrange, decide
from swarmherd.loop import act
from swarmherd.model import Action, Arrangement, Outcome, Plan, Result
from swarmherd.plan import plan
from swarmherd.policy import Mode, Policy, RebalanceKeys
from swarmherd.service import Cluster, clock, new_id, open_cluster


@app.command(epilog="Example: swarmherd -i inventories/lab rebalance --dry-run")
@one_sentence
def rebalance(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be moved and why, and move nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Even out the nodes' load by the moves of one cycle, within the policy's budgets and whatever its mode.

    Where the policy has no `rebalance`, its defaults hold. Only services that are opted in are moved.
    """
    with open_cluster(single(context)) as cluster:
        if not dry_run:
            cluster.recover()
        planned = _planned(cluster)
        results = [] if dry_run else _moved(cluster, planned)
    if as_json:
        done = [documents.result(action, result) for action, result in results]
        print_json(documents.plan(Mode.ENFORCE, planned) | {"results": done})
    else:
        console.print(tables.plan(Mode.ENFORCE, planned))
        for action, result in results:
            typer.echo(f"{action.service}: {result.outcome.value.replace('_', ' ')}: {result.detail}")
    if any(result.outcome is not Outcome.DONE for _action, result in results):
        raise typer.Exit(1)


def _planned(cluster: Cluster) -> Plan:
    """The part of a cycle's plan that evens out the load. What heals is a move as well, and left out before planning:
    it would use up the budgets."""
    now, policy = clock(), _evening_out(cluster.policy)
    view, memory = cluster.observer.observe(policy, now), cluster.store.memory().at(now)
    arrangement = replace(arrange(view, policy, memory, now), healing=())
    planned = plan(decide(view, policy, memory, now), view, policy, memory, now, new_id, arrangement, moves_alone=True)
    moves = tuple(action for action in planned.actions if action.kind == "move")
    loads = Arrangement(balances=planned.arrangement.balances, stays=planned.arrangement.stays)
    return replace(planned, actions=moves, decisions=(), arrangement=loads)


def _evening_out(policy: Policy) -> Policy:
    return policy if policy.rebalance is not None else policy.model_copy(update={"rebalance": RebalanceKeys()})


def _moved(cluster: Cluster, planned: Plan) -> list[tuple[Action, Result]]:
    """One move after the other, until one does not land."""
    done: list[tuple[Action, Result]] = []
    steps = cluster.steps(cluster.playbooks())
    for action in planned.actions:
        result = act(steps, action, planned.at)
        if result is not None:
            done.append((action, result))
        if result is None or result.outcome is not Outcome.DONE:
            break
    return done
