# SPDX-License-Identifier: GPL-3.0-or-later
"""What the brake holds (S8).

While it is on nothing is done that takes anything away: no replica fewer, no task, label or constraint moved, no node
cordoned or opened, nothing brought up a second time. Replicas may still be added: that disrupts nobody where we are cut
off, and where half of the nodes really are gone the rest bear their load. What a person asks for by command is that
person's to judge.
"""

from __future__ import annotations

from swarmherd.model import Rescue


def frozen(rescue: Rescue) -> str | None:
    """Why nothing disruptive may be done, as part of a sentence, or None."""
    return f"the brake is on: {rescue.brake[0]}" if rescue.brake else None
