# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that move tasks by hand: move, drain, activate. Journaled, run by playbook and verified like any action."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from swarmherd.by_hand import manual_availability, manual_move
from swarmherd.cli import documents, tables
from swarmherd.cli.base import AsJson, InputError, app, console, one_sentence, print_json, single
from swarmherd.cli.before_after import BeforeAfter
from swarmherd.loop import act
from swarmherd.model import Action, Availability, ClusterView, Outcome
from swarmherd.policy import Policy
from swarmherd.service import clock, new_id, open_cluster

Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the journal.")]
NodeName = Annotated[str, typer.Argument(metavar="NODE", help="The node's hostname or id.")]
ASKED = "it was asked for on the command line"


@app.command(
    epilog="Example: swarmherd -i inventories/lab move shop_web --from worker1 --to worker3\n\n"
    "Example: swarmherd -i inventories/lab move shop_db --from worker1 --task 8fh2k --reason 'its disk is slow'"
)
@one_sentence
def move(
    context: typer.Context,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service's name.")],
    source: Annotated[str, typer.Option("--from", metavar="NODE", help="The node to leave: hostname or id.")],
    target: Annotated[
        str, typer.Option("--to", metavar="NODE", help="The node to go to; by default Swarm's choice.")
    ] = "",
    task: Annotated[
        str, typer.Option("--task", metavar="ID", help="Only this task; the beginning of its id will do.")
    ] = "",
    reason: Reason = ASKED,
    leave_data: Annotated[
        bool, typer.Option("--leave-data", help="Move it although a volume or path of its node stays behind.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Move SERVICE's tasks off a node, and nothing else. A service that may run twice for a moment starts before it
    stops; of any other one task is stopped, and starts elsewhere."""

    def build(view: ClusterView, policy: Policy) -> Action:
        return manual_move(
            view, policy, service, source, reason, new_id, target_name=target, task=task, leave_data=leave_data
        )

    do(context, service, build, as_json)


@app.command(epilog="Example: swarmherd -i inventories/lab drain worker2 --reason 'a new kernel'")
@one_sentence
def drain(
    context: typer.Context,
    node: NodeName,
    undo: Annotated[bool, typer.Option("--undo", help="Let it take tasks again, as activate does.")] = False,
    reason: Reason = ASKED,
    as_json: AsJson = False,
) -> None:
    """Move everything off NODE and keep it empty, until it is made active again. Waits until it is empty."""
    wanted = Availability.ACTIVE if undo else Availability.DRAIN
    do(context, node, lambda view, _policy: manual_availability(view, node, wanted, reason, new_id), as_json)


@app.command(epilog="Example: swarmherd -i inventories/lab activate worker2")
@one_sentence
def activate(context: typer.Context, node: NodeName, reason: Reason = ASKED, as_json: AsJson = False) -> None:
    """Let NODE take tasks again after a drain or a pause. Swarm moves nothing back by itself."""
    do(
        context,
        node,
        lambda view, _policy: manual_availability(view, node, Availability.ACTIVE, reason, new_id),
        as_json,
    )


def do(context: typer.Context, about: str, build: Callable[[ClusterView, Policy], Action], as_json: bool) -> None:
    """One action by hand, after what an earlier one left in mid-action has been brought to an end (S15)."""
    with open_cluster(single(context)) as cluster:
        cluster.recover()
        before = cluster.view()
        try:
            action = build(before, cluster.policy)
        except (LookupError, ValueError) as error:
            raise InputError(str(error.args[0] if error.args else error)) from error
        result = act(cluster.steps(cluster.playbooks()), action, clock())
        seen = BeforeAfter(before, cluster.look(None))
    if result is None:  # a playbook enactor always says what became of it
        raise typer.Exit(1)
    if as_json:
        print_json(documents.result(action, result) | seen.document(action.service))
    else:
        typer.echo(f"{about}: {result.outcome.value.replace('_', ' ')}: {result.detail}")
        console.print(tables.before_after(seen))
    if result.outcome is not Outcome.DONE:
        raise typer.Exit(1)
