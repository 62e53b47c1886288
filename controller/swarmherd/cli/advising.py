# SPDX-License-Identifier: GPL-3.0-or-later
"""The command advise: what services should reserve and may use at most, by what they have used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from swarmherd.by_hand import find_service, manual_resources
from swarmherd.cli.advice import advice_for, document, full
from swarmherd.cli.advice_by_hand import by_hand
from swarmherd.cli.base import AsJson, InputError, app, console, one_sentence, print_json, single
from swarmherd.cli.moving import ASKED, Reason, do
from swarmherd.cli.progress import told
from swarmherd.cli.times import duration
from swarmherd.decide.advise import Advice
from swarmherd.decide.words import duration as in_words
from swarmherd.model import ClusterView, Service
from swarmherd.policy import DEFAULT_ADVISE, AdviseKeys, advise_keys
from swarmherd.policy.advising import LONGEST_PAST
from swarmherd.service import Cluster, new_id, open_cluster

EXAMPLES = """
The use of the busiest task is read from Prometheus: CPU is reserved by its 90th percentile, memory by its 99th and
limited by its peak, each with a margin of 15 %. The policy's key advise says otherwise. With SERVICE the
same is printed for a Compose file, for a shell and for a playbook; --apply sets it.

Example: swarmherd -i inventories/shop advise shop_web --since 7d
"""
TITLES = {
    "compose": "In the Compose file:",
    "shell": "On a manager, at once; its tasks are replaced:",
    "task": "In a playbook; its tasks are replaced:",
}


@app.command(name="advise", epilog=EXAMPLES)
@one_sentence
def advise_command(
    context: typer.Context,
    service: Annotated[str, typer.Argument(metavar="[SERVICE]", help="A service's name; all without it.")] = "",
    since: Annotated[str, typer.Option("--since", help="How much of the past; the policy's, or 7d.")] = "",
    apply: Annotated[
        bool, typer.Option("--apply", help="Set what is proposed for SERVICE, by playbook; its tasks are replaced.")
    ] = False,
    reason: Reason = ASKED,
    as_json: AsJson = False,
) -> None:
    """Propose reservations and limits from what tasks have used. Nothing is changed without --apply."""
    if apply and not service:
        raise InputError("--apply: give the SERVICE that is to get what is proposed; one at a time")
    seconds = duration("--since", since) if since else None
    with open_cluster(single(context)) as cluster:
        if cluster.prometheus is None:
            raise InputError("swarmherd_cluster.prometheus_url is not set; what tasks have used is asked of Prometheus")
        view = cluster.view()
        found = _advice(cluster, view, _asked_for(cluster, view, service, seconds))
        name = cluster.settings.name
    if apply and (found[0].differs or not by_hand(found[0])):  # where nothing is proposed, it refuses and says why
        do(context, service, lambda view, _policy: manual_resources(view, found[0], reason, new_id), as_json)
        return
    if as_json:
        print_json({"cluster": name, "advice": [document(one) | {"by_hand": by_hand(one)} for one in found]})
        return
    console.print(full(name, found))
    if apply:
        typer.echo(f"{service}: what is set is near enough: nothing was done")
        return
    for form, text in (by_hand(found[0]) if service else {}).items():
        typer.echo(f"\n{TITLES[form]}\n\n{text}")


def _asked_for(
    cluster: Cluster, view: ClusterView, name: str, seconds: float | None
) -> Sequence[tuple[Service, AdviseKeys]]:
    """With the keys of each. Who is switched off in the policy is advised on by name only."""
    try:
        services = [find_service(view, name)] if name else sorted(view.services, key=lambda one: one.name)
    except LookupError as error:
        raise InputError(str(error.args[0])) from None
    known = [(one, advise_keys(cluster.policy, one.name) or DEFAULT_ADVISE) for one in services]
    return [(one, _looking_back(keys, seconds)) for one, keys in known if name or keys.enabled]


def _looking_back(keys: AdviseKeys, seconds: float | None) -> AdviseKeys:
    if seconds is None:
        return keys
    if seconds > LONGEST_PAST:
        raise InputError(f"--since: more than {in_words(LONGEST_PAST)} are not read; write 30d")
    if seconds < keys.at_least:
        raise InputError(
            f"--since: {in_words(seconds)} are too little to advise by; write at least {in_words(keys.at_least)}, or a "
            "smaller advise.at_least in the policy"
        )
    return keys.model_copy(update={"since": seconds})


def _advice(cluster: Cluster, view: ClusterView, asked: Sequence[tuple[Service, AdviseKeys]]) -> list[Advice]:
    return [
        advice_for(cluster, view, service, keys)
        for service, keys in told("reading what tasks have used", asked, len(asked))
    ]
