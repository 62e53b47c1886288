# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of a cluster in the database: read, taken, renewed, given up, each in one statement that says whether.

It has a connection of its own, with patience of its own: a cycle that writes for long does not cost the lease.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

import sqlalchemy as sa

from swarmherd.lease import Lease, LeaseLostError, attempt_seconds
from swarmherd.store import database
from swarmherd.store.schema import LEASES


class Leases:
    """One cluster's lease. Every method raises StoreError, one sentence, when the database fails."""

    def __init__(self, url: str, cluster: str, ttl_seconds: float) -> None:
        self._url = url
        self._cluster = cluster
        self._ttl = ttl_seconds
        self._engine = database.connect(url, attempt_seconds(ttl_seconds))

    def close(self) -> None:
        self._engine.dispose()

    def read(self) -> Lease | None:
        """None where nobody ever led."""
        with database.explained(self._url), self._engine.begin() as connection:
            return found(connection, self._cluster)

    def take(self, seen: Lease | None, holder: str, now: datetime) -> int | None:
        """The new token, if the lease still is as it was seen; None when somebody was quicker."""
        token = 1 if seen is None else seen.token + 1
        row = {"holder": holder, "token": token, "beat": 0, "ttl_seconds": self._ttl, "since": now}
        taken = self._first(row) if seen is None else self._next(seen, row)
        return token if taken else None

    def renew(self, holder: str, token: int) -> bool:
        """False when it is no longer ours."""
        return self._change(holder, token, {"beat": LEASES.c.beat + 1})

    def release(self, holder: str, token: int) -> bool:
        """Given up, so that another need not wait. The token stays, and the next one is larger."""
        return self._change(holder, token, {"holder": "", "beat": LEASES.c.beat + 1})

    def _first(self, row: dict[str, object]) -> bool:
        with database.explained(self._url), suppress(sa.exc.IntegrityError), self._engine.begin() as connection:
            connection.execute(LEASES.insert().values({**row, "cluster": self._cluster}))
            return True
        return False

    def _next(self, seen: Lease, row: dict[str, object]) -> bool:
        same = (LEASES.c.token == seen.token, LEASES.c.beat == seen.beat, LEASES.c.holder == seen.holder)
        with database.explained(self._url), self._engine.begin() as connection:
            changed = LEASES.update().where(LEASES.c.cluster == self._cluster, *same).values(row)
            return connection.execute(changed).rowcount == 1

    def _change(self, holder: str, token: int, values: dict[str, object]) -> bool:
        mine = (LEASES.c.cluster == self._cluster, LEASES.c.holder == holder, LEASES.c.token == token)
        with database.explained(self._url), self._engine.begin() as connection:
            return connection.execute(LEASES.update().where(*mine).values(values)).rowcount == 1


def found(connection: sa.Connection, cluster: str) -> Lease | None:
    """The lease as it is; None where nobody ever led."""
    row = connection.execute(sa.select(LEASES).where(LEASES.c.cluster == cluster)).mappings().first()
    if row is None:
        return None
    return Lease(row["holder"], row["token"], row["beat"], row["ttl_seconds"], row["since"])


def fence(connection: sa.Connection, cluster: str, token: int | None) -> None:
    """Ends a transaction of a leader that no longer leads. None writes without leading, as a person's commands do.

    It is itself a write, and the first of its transaction: until that ends, nobody else can take the lease.
    """
    if token is None:
        return
    mine = (LEASES.c.cluster == cluster, LEASES.c.token == token, LEASES.c.holder != "")
    if connection.execute(LEASES.update().where(*mine).values(beat=LEASES.c.beat)).rowcount != 1:
        raise LeaseLostError(f"the lease was lost: {found(connection, cluster) or 'it is gone from the database'}")
