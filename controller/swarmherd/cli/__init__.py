# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line. `app` is the program; each command is a few lines over the rooms below."""

from __future__ import annotations

from swarmherd.cli import (
    acting,
    advising,
    backtest,
    explaining,
    fencing,
    fit,
    healing,
    history,
    keeping,
    moving,
    pausing,
    reading,
    rebalancing,
    simulating,
)
from swarmherd.cli.base import app, main

__all__ = [
    "acting",
    "advising",
    "app",
    "backtest",
    "explaining",
    "fencing",
    "fit",
    "healing",
    "history",
    "keeping",
    "main",
    "moving",
    "pausing",
    "reading",
    "rebalancing",
    "simulating",
]
