# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about tasks that are ill and updates that are stuck: scene -> remedies. Pure.

Swarm starts again what ends, and replaces what its own health check finds. Here is what it cannot know: how long a task
has been ill (`ailments`), where a remedy would put it (`cure`), that an update will not end by itself (`stuck`), and
which remedy is next, or why none is (`healing`).
"""

from __future__ import annotations

from swarmherd.decide.heal.ailments import PLACE, ailments, remember_remedy
from swarmherd.decide.heal.healing import heal

__all__ = ["PLACE", "ailments", "heal", "remember_remedy"]
