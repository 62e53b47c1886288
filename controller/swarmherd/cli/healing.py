# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that heal by hand: restart, rollback. Journaled, run by playbook and verified like any action."""

from __future__ import annotations

from typing import Annotated

import typer

from swarmherd.by_hand import manual_restart, manual_rollback
from swarmherd.cli.base import AsJson, app, one_sentence
from swarmherd.cli.moving import ASKED, Reason, do
from swarmherd.service import new_id

ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="The service's name.")]


@app.command(epilog="Example: swarmherd -i inventories/lab restart shop_web --task 8fh2k --reason 'it hangs'")
@one_sentence
def restart(
    context: typer.Context,
    service: ServiceName,
    task: Annotated[
        str,
        typer.Option(
            "--task", metavar="ID", help="Which one, where it has several: the beginning of its id, or its slot."
        ),
    ] = "",
    reason: Reason = ASKED,
    as_json: AsJson = False,
) -> None:
    """Stop one task of SERVICE, and see Swarm start it anew. It is drained first where the policy names its balancer;
    one with a volume of its node starts on that node again."""
    do(context, service, lambda view, policy: manual_restart(view, policy, service, reason, new_id, task=task), as_json)


@app.command(epilog="Example: swarmherd -i inventories/lab rollback shop_web --reason 'version 4.2 loses orders'")
@one_sentence
def rollback(context: typer.Context, service: ServiceName, reason: Reason = ASKED, as_json: AsJson = False) -> None:
    """Put SERVICE's previous specification in force again, by the service's own rollback settings."""
    do(context, service, lambda view, _policy: manual_rollback(view, service, reason, new_id), as_json)
