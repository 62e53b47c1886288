# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that hold a controller back: pause and resume (S19). They hold from the next cycle on."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.markup import escape

from swarmherd.cli.base import AsJson, InputError, app, inventories, one_sentence, print_json
from swarmherd.cli.times import duration
from swarmherd.lease import Lease, holder_name
from swarmherd.model import Direction, Pause
from swarmherd.service import Cluster, clock, open_cluster
from swarmherd.store import UnreadableError


class Way(StrEnum):
    """A direction that can be paused."""

    UP = "up"
    DOWN = "down"
    MOVES = "moves"
    ANCHORS = "anchors"
    FAILOVER = "failover"
    HEALING = "healing"


OfService = Annotated[str, typer.Option("--service", help="Only this service.")]
OfDirection = Annotated[
    Way | None,
    typer.Option("--direction", help="Only scaling up or down, moves, anchors' labels, failover or healing."),
]


@app.command(epilog='Example: swarmherd -i inventories/lab pause --direction down --reason "sale" --for 2h')
@one_sentence
def pause(
    context: typer.Context,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is said with all that is then left alone.")],
    service: OfService = "",
    direction: OfDirection = None,
    who: Annotated[str, typer.Option("--who", help="Who asks for it; you, unless told.")] = "",
    lasts: Annotated[str, typer.Option("--for", help="Ends by itself after that time: 30m, 2h, 1d.")] = "",
    as_json: AsJson = False,
) -> None:
    """Leave everything alone, or one service, or one direction, until resumed. One of the same scope is replaced.

    The action in hand is finished, and none is begun after it.
    """
    if not reason.strip():
        raise InputError("a pause needs a reason: others will ask why")
    now = clock()
    until = now + timedelta(seconds=duration("--for", lasts)) if lasts else None
    way = Direction(direction) if direction else Direction.NONE
    one = Pause(who.strip() or user(), reason.strip(), now, service, way, until)
    with _all(context) as clusters:
        for cluster in clusters:
            cluster.store.pause(one)
        _show(clusters, now, as_json)
        for cluster in clusters:
            if service and not _known(cluster, service):
                typer.echo(f"{cluster.settings.name}: no service {service} was seen there so far", err=True)


@app.command(epilog="Example: swarmherd -i inventories/lab resume --direction down")
@one_sentence
def resume(
    context: typer.Context,
    service: OfService = "",
    direction: OfDirection = None,
    everything: Annotated[bool, typer.Option("--all", help="Every pause, whatever its scope.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take away the pause of that scope: the one that was set with the same --service and --direction."""
    if everything and (service or direction):
        raise InputError("--all is every pause; leave --service and --direction out")
    scope = (None, None) if everything else (service, Direction(direction) if direction else Direction.NONE)
    with _all(context) as clusters:
        for cluster in clusters:
            held = cluster.store.memory().pauses
            if not any(everything or (one.service, one.direction) == scope for one in held):
                there = "; ".join(sentence(one) for one in in_force(cluster, clock())) or "nothing is paused"
                raise InputError(f"{cluster.settings.name}: there is no such pause; {there}")
        for cluster in clusters:
            cluster.store.resume(*scope)
        _show(clusters, clock(), as_json)


@contextmanager
def _all(context: typer.Context) -> Iterator[list[Cluster]]:
    """Every cluster that was named, opened before any is changed."""
    with ExitStack() as opened:
        yield [opened.enter_context(open_cluster(path)) for path in inventories(context)]


def in_force(cluster: Cluster, now: datetime) -> tuple[Pause, ...]:
    return cluster.store.memory().at(now).pauses


def sentence(one: Pause) -> str:
    """`ana paused scaling down of web until 2026-03-01 14:00:00 UTC: release`"""
    what = one.paused or "everything"
    of = f" of {one.service}" if one.service else ""
    until = f" until {one.until:%Y-%m-%d %H:%M:%S} UTC" if one.until else ""
    return f"{one.who} paused {what}{of}{until}: {one.why}"


def document(one: Pause) -> dict[str, Any]:
    return {
        "service": one.service or None,
        "direction": None if one.direction is Direction.NONE else one.direction.value,
        "who": one.who,
        "why": one.why,
        "at": one.at.isoformat(),
        "until": one.until.isoformat() if one.until else None,
    }


def documents_of(pauses: Iterable[Pause]) -> list[dict[str, Any]]:
    return [document(one) for one in sorted(pauses, key=lambda one: (one.service, one.direction.value))]


def kept_of(pauses: Iterable[Pause], lease: Lease | None) -> dict[str, Any]:
    """What `status` adds: who holds the controllers back, and which of them leads."""
    host, pid = holder_name(lease.holder) if lease is not None else ("", "")
    led = None if lease is None or lease.free else {"host": host, "pid": pid, "since": lease.since.isoformat()}
    return {"pauses": documents_of(pauses), "leader": led}


def leader(lease: Lease | None) -> str:
    """Who leads, as the lease says; whether that controller lives is not looked at."""
    if lease is None or lease.free:
        return "no controller leads"
    host, pid = holder_name(lease.holder)
    return escape(f"led by host {host}, pid {pid}, since {lease.since:%Y-%m-%d %H:%M:%S} UTC")


def lines(pauses: Iterable[Pause]) -> list[str]:
    return [escape(sentence(one)) for one in pauses]


def _show(clusters: Sequence[Cluster], now: datetime, as_json: bool) -> None:
    found = [(cluster.settings.name, in_force(cluster, now)) for cluster in clusters]
    if as_json:
        said = [{"cluster": name, "pauses": documents_of(pauses)} for name, pauses in found]
        print_json(said if len(said) > 1 else said[0])
        return
    for name, pauses in found:
        for one in pauses:
            typer.echo(f"{name}: {sentence(one)}")
        if not pauses:
            typer.echo(f"{name}: nothing is paused")


def _known(cluster: Cluster, service: str) -> bool:
    """Whether the last cycle saw it; true where there was none, or it cannot be read."""
    try:
        kept = cluster.store.kept()
    except UnreadableError:
        return True
    return kept is None or kept.inputs.view.service(service) is not None


def user() -> str:
    """The person, also behind sudo."""
    if name := os.environ.get("SUDO_USER"):
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return f"uid {os.getuid()}"
