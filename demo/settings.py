# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the demo finds and leaves things, and what the environment may change."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.shape import Shape, TrafficError, allowed_target, chosen_shape, lab_network
from demo.steps import DemoError
from demo.tunnel import Manager

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "build" / "demo"
INVENTORY = "inventories/lab"
SERVICE = "shop_web"
SIMULATED = "simulated.jsonl"
"""Where agreement.py leaves, in HOME, what the same traffic asked for in simulation."""
SHOP_PORT = 8000
MOST_NODES = 50
ONE_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Settings:
    began: float
    """time.time() of the command that a person typed."""
    nodes: int
    keep: bool
    """Leave the lab standing at the end."""
    shape: Shape
    shape_name: str
    subnet: str
    target: str
    """Where the shop is, as the balancer offers it."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Reads NODES, KEEP, LAB_SUBNET, DEMO_TARGET, DEMO_BEGAN and the shape's. Raises DemoError, naming one."""
        try:
            shape = chosen_shape(environment)
            subnet = environment.get("LAB_SUBNET") or "10.213.0"
            target = environment.get("DEMO_TARGET") or f"http://{subnet}.11:{SHOP_PORT}"
            allowed_target(target, lab_network(environment))
        except TrafficError as error:
            raise DemoError(str(error), status=2) from error
        seed = environment.get("SEED") or "1"
        return cls(
            began=began(environment.get("DEMO_BEGAN", ""), time.time()),
            nodes=nodes(environment.get("NODES") or "3"),
            keep=environment.get("KEEP", "") not in ("", "0", "no", "false"),
            shape=shape,
            shape_name=f"random, seed {seed}" if environment.get("SHAPE") == "random" else "deterministic",
            subnet=subnet,
            target=target,
        )

    @property
    def manager(self) -> Manager:
        lab = ROOT / "build" / "lab"
        return Manager(f"{self.subnet}.11", lab / "id_ed25519", lab / "known_hosts")


def nodes(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_NODES:
        raise DemoError(f"NODES: {text!r} will not do; give a whole number from 1 to {MOST_NODES}", status=2)
    return int(text)


def began(text: str, now: float) -> float:
    """When the command was typed, as the Makefile tells it, so that its own work counts; else now."""
    try:
        told = float(text or now)
    except ValueError:
        raise DemoError(f"DEMO_BEGAN: {text!r} is not a time; give seconds since 1970, or nothing", status=2) from None
    return told if now - ONE_DAY_SECONDS < told <= now else now


def tool(name: str) -> str:
    """A program of the virtual environment that this one runs in."""
    return str(Path(sys.executable).parent / name)
