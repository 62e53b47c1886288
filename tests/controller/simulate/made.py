# SPDX-License-Identifier: GPL-3.0-or-later
"""Demands that are made up: a rhythm, growth, bursts, noise, holes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from swarmherd.policy import ScaleKeys
from swarmherd.policy.merge import complete
from swarmherd.simulate import Account, Backtest, Demand, backtest

HOUR = 240
"""Steps."""
DAY = 24 * HOUR
ACCOUNT = Account(capacity=10.0, startup_seconds=60.0)


def demand(values: NDArray[np.float64]) -> Demand:
    return Demand(np.maximum(0.0, values), 0.0, 15.0)


def flat(steps: int, level: float = 200.0) -> NDArray[np.float64]:
    return np.full(steps, level)


def noisy(steps: int, level: float = 200.0, seed: int = 1) -> NDArray[np.float64]:
    """Poisson noise around a level, minute by minute."""
    minutes = np.random.default_rng(seed).poisson(level, steps // 4 + 2).astype(np.float64)
    return np.interp(np.arange(steps) / 4, np.arange(len(minutes)), minutes)


def hourly_burst(steps: int, level: float = 100.0, times: float = 4.0) -> NDArray[np.float64]:
    """Five minutes of many times the level, from minute 32 of each hour on."""
    minute = np.arange(steps) / 4 % 60
    return level * np.where((minute >= 32) & (minute < 37), times, 1.0) * noisy(steps) / 200


def tried(values: NDArray[np.float64], others: tuple[str, ...] = ("hpa",), **keys: Any) -> Backtest:
    """A policy with the target of the opponents, and whatever else `keys` say."""
    written = ScaleKeys.model_validate({"max": 1000, "metrics": [{"requests_per_replica": 8}], **keys})
    return backtest(demand(values), complete(written), written, ACCOUNT, others)


def turns(counts: NDArray[np.int64]) -> int:
    """How often a count that had gone one way went the other."""
    moves = np.diff(counts)
    moves = np.sign(moves[moves != 0])
    return int((moves[1:] != moves[:-1]).sum())
