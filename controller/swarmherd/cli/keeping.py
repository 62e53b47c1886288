# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands about the controller's own state: backup and restore."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from swarmherd.cli.base import AsJson, InputError, app, one_sentence, print_json, single
from swarmherd.decide.words import count
from swarmherd.leading import Leadership
from swarmherd.lease import LeaseLostError
from swarmherd.service import Cluster, open_cluster
from swarmherd.store import StoreError
from swarmherd.store import backup as copies

LOOK_SECONDS = 0.1
File = Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False)]


@app.command(epilog="Example: swarmherd -i inventories/lab backup /var/backups/shop-2026-03-01.db")
@one_sentence
def backup(context: typer.Context, file: File, as_json: AsJson = False) -> None:
    """Write this cluster's state to FILE, while a controller works on."""
    with open_cluster(single(context)) as cluster, _told():
        rows = copies.backup(cluster.state_url, cluster.settings.name, file)
    _say(f"{file}: the state of {cluster.settings.name} is there", rows, as_json)


@app.command(epilog="Example: swarmherd -i inventories/lab restore /var/backups/shop-2026-03-01.db")
@one_sentence
def restore(context: typer.Context, file: File, as_json: AsJson = False) -> None:
    """Replace this cluster's state by what FILE holds. Refused while a controller leads the cluster."""
    with open_cluster(single(context)) as cluster, _leading(cluster) as token, _told():
        rows = copies.restore(cluster.state_url, cluster.settings.name, file, token)
    _say(f"{cluster.settings.name}: its state is that of {file}", rows, as_json)


@contextmanager
def _leading(cluster: Cluster) -> Iterator[int]:
    """Holds the lease, so that no controller begins meanwhile. One that was left behind is waited for."""
    ttl = cluster.settings.lease_ttl_seconds
    leadership = Leadership(cluster.leases(), cluster.settings.name, ttl)
    leadership.start()
    try:
        while (token := leadership.token) is None:
            if leadership.problem:
                raise StoreError(leadership.problem)
            if leadership.another_lives:
                raise InputError(f"{leadership.why_not}; stop it first")
            time.sleep(LOOK_SECONDS)
        yield token
    finally:
        leadership.stop()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except copies.BackupError as error:
        raise InputError(str(error)) from error
    except LeaseLostError as error:
        raise StoreError(f"nothing was restored: {error}") from error


def _say(sentence: str, rows: dict[str, int], as_json: bool) -> None:
    if as_json:
        print_json({"rows": rows})
    else:
        typer.echo(f"{sentence}: {count(rows['journal'], 'action')}, {count(rows['cycles'], 'cycle')}")
