# SPDX-License-Identifier: GPL-3.0-or-later
"""What each cycle was decided on, compressed, so that it can be decided again (S20); bounded in number and in bytes.

Cycles with actions are kept for longer: of the others only the last hour or so is asked for.
"""

from __future__ import annotations

import json
import zlib
from datetime import datetime

import sqlalchemy as sa

import swarmherd
from swarmherd.codec import CodecError, decode, encode
from swarmherd.model import Plan
from swarmherd.replay import Inputs, Kept
from swarmherd.store.schema import INPUTS

KEEP_ACTING = 1000
KEEP_STILL = 240
KEEP_BYTES = 64 * 2**20
LARGEST_BYTES = 512 * 2**20
"""Of one document, unpacked."""


class UnreadableError(Exception):
    """What was kept of a cycle cannot be read by this program: one sentence."""


def write(connection: sa.Connection, cluster: str, inputs: Inputs, plan: Plan) -> None:
    document = packed(Kept(inputs, plan, swarmherd.__version__))
    row = {"cluster": cluster, "at": inputs.now, "acts": bool(plan.actions), "size": len(document)}
    # A clock that was put right may come by the same instant again.
    connection.execute(INPUTS.delete().where(INPUTS.c.cluster == cluster, INPUTS.c.at == inputs.now))
    last = connection.execute(sa.select(sa.func.max(INPUTS.c.number)).where(INPUTS.c.cluster == cluster)).scalar()
    connection.execute(INPUTS.insert().values({**row, "document": document, "number": (last or 0) + 1}))
    _trim(connection, cluster)


def read(connection: sa.Connection, cluster: str, at: datetime) -> Kept | None:
    """The cycle that was decided at that instant; None when it is not kept. Raises UnreadableError."""
    query = sa.select(INPUTS.c.document).where(INPUTS.c.cluster == cluster, INPUTS.c.at == at)
    document = connection.execute(query).scalar()
    return None if document is None else unpacked(document)


def newest(connection: sa.Connection, cluster: str) -> Kept | None:
    """The last cycle. Raises UnreadableError."""
    query = sa.select(INPUTS.c.document).where(INPUTS.c.cluster == cluster).order_by(INPUTS.c.number.desc()).limit(1)
    document = connection.execute(query).scalar()
    return None if document is None else unpacked(document)


def packed(kept: Kept) -> bytes:
    return zlib.compress(json.dumps(encode(kept, Kept), separators=(",", ":")).encode(), 6)


def unpacked(document: bytes) -> Kept:
    """Raises UnreadableError."""
    try:
        text = zlib.decompressobj().decompress(document, LARGEST_BYTES)
        return decode(json.loads(text), Kept)
    except (CodecError, ValueError, zlib.error) as error:
        raise UnreadableError(
            f"what was kept of this cycle cannot be read ({error}); use the version of swarmherd that wrote it"
        ) from error


def _trim(connection: sa.Connection, cluster: str) -> None:
    for acts, keep in ((True, KEEP_ACTING), (False, KEEP_STILL)):
        mine = (INPUTS.c.cluster == cluster, INPUTS.c.acts.is_(acts))
        edge = sa.select(INPUTS.c.number).where(*mine).order_by(INPUTS.c.number.desc()).offset(keep).limit(1)
        connection.execute(INPUTS.delete().where(*mine, INPUTS.c.number <= edge.scalar_subquery()))
    _trim_bytes(connection, cluster)


def _trim_bytes(connection: sa.Connection, cluster: str) -> None:
    """The oldest go first, whatever they are; the newest always stays."""
    order = INPUTS.c.number.desc()
    sizes = sa.select(INPUTS.c.number, INPUTS.c.size).where(INPUTS.c.cluster == cluster).order_by(order)
    total = 0
    for place, (number, size) in enumerate(connection.execute(sizes)):
        total += size
        if total > KEEP_BYTES and place:
            connection.execute(INPUTS.delete().where(INPUTS.c.cluster == cluster, INPUTS.c.number <= number))
            return
