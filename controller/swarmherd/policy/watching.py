# SPDX-License-Identifier: GPL-3.0-or-later
"""How failures are seen: our own look at every node's host, and when an outside thing is no longer asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, model_validator

from swarmherd.model import Probe
from swarmherd.policy.document import Part
from swarmherd.policy.units import LARGEST_COUNT, PositiveCount, PositiveSeconds, Switch, resembling, shown, wrong

SHORTEST_INTERVAL = 0.2
HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how patiently hosts are looked at."""

    interval_seconds: float
    timeout_seconds: float
    misses: int


PACES: Mapping[str, Pace] = {
    "quick": Pace(1.0, 2.0, 2),
    "calm": Pace(3.0, 2.0, 2),
    "patient": Pace(5.0, 3.0, 3),
}
"""By preset: the default, that of a health check every 3 s, and one for networks that lose packets."""


def _preset(value: object) -> str:
    if not isinstance(value, str) or value not in PACES:
        near = resembling(value, PACES) if isinstance(value, str) else ""
        raise wrong(f"{shown(value)} is no preset", near or f"write one of {', '.join(PACES)}")
    return value


def _interval(seconds: float) -> float:
    if seconds < SHORTEST_INTERVAL:
        raise wrong(f"{seconds:g} s is too often", f"write at least {SHORTEST_INTERVAL:g} seconds")
    return seconds


def _port(number: int) -> int:
    if number > HIGHEST_PORT:
        raise wrong(f"{number} is no port", f"write a number from 1 to {HIGHEST_PORT}")
    return number


Preset = Annotated[str, BeforeValidator(_preset)]
Interval = Annotated[PositiveSeconds, AfterValidator(_interval)]
Port = Annotated[PositiveCount, AfterValidator(_port)]
assert HIGHEST_PORT < LARGEST_COUNT  # noqa: S101  (what a count may be is what a port may be)


class ProbeKeys(Part):
    """Our own look at the host of every node, whatever Swarm says of it: the second witness of a failure (S9)."""

    enabled: Switch = True
    """False looks at no host; then there is no second witness."""
    preset: Preset = "quick"
    """`quick` (every 1 s, 2 s timeout, 2 misses), `calm` (3 s, 2 s, 2) or `patient` (5 s, 3 s, 3)."""
    interval: Interval | None = None
    """From one look to the next; the preset's by default, as for the two below."""
    timeout: PositiveSeconds | None = None
    """How long a host may take to answer."""
    misses: PositiveCount | None = None
    """Looks in a row that nothing answered, after which a host counts as silent."""
    exporter_port: Port = 9100
    """Where node_exporter answers, unless the inventory's `node_exporter_listen_address` says otherwise."""
    tcp_port: Port | None = None
    """A port that is to take a connection where node_exporter does not answer; by default SSH's, which greets."""

    @property
    def pace(self) -> Pace:
        preset = PACES[self.preset]
        return Pace(
            preset.interval_seconds if self.interval is None else self.interval,
            preset.timeout_seconds if self.timeout is None else self.timeout,
            preset.misses if self.misses is None else self.misses,
        )

    def silent(self, probe: Probe | None) -> bool:
        """Whether what was seen says that nothing on the host answers. Not looked at is no evidence (S1)."""
        return probe is not None and probe.misses >= self.pace.misses


class BreakerKeys(Part):
    """When an outside thing that fails is left alone for a while, instead of costing a timeout in every cycle."""

    after: PositiveCount = 3
    """Failures in a row after which it is not asked."""
    pause: PositiveSeconds = 10.0
    """For how long, at first; doubled with each attempt that fails."""
    longest: PositiveSeconds = 120.0
    """The longest pause."""

    @model_validator(mode="after")
    def _grows(self) -> BreakerKeys:
        if self.longest < self.pause:
            raise wrong(f"longest {self.longest:g} is below pause {self.pause:g}", "write a longer one")
        return self
