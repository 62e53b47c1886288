# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the demo finds and leaves things, and what the environment may change."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.shape import Shape, TrafficError, allowed_target, chosen_shape, lab_network
from demo.steps import DemoError
from demo.tunnel import Manager

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "build" / "demo"
INVENTORY = "inventories/lab"
MADE_BY = "demo"
"""What the lab's size.json says of a lab that a demo made."""
SERVICE = "shop_web"
SIMULATED = "simulated.jsonl"
"""Where agreement.py leaves, in HOME, what the same traffic asked for in simulation."""
SHOP_PORT = 8000
ONE_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Settings:
    began: float
    """time.time() of the command that a person typed."""
    nodes: int
    keep: bool
    """Leave the lab standing at the end."""
    lab: Path
    """The lab's folder."""
    shape: Shape
    shape_name: str
    subnet: str
    target: str
    """Where the shop is, as the balancer offers it."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Reads KEEP, LAB_SUBNET, DEMO_TARGET, DEMO_BEGAN, the shape's, and through the inventory NODES and others.

        Raises DemoError, naming one.
        """
        try:
            shape = chosen_shape(environment)
            subnet = environment.get("LAB_SUBNET") or "10.213.0"
            target = environment.get("DEMO_TARGET") or f"http://{subnet}.11:{SHOP_PORT}"
            allowed_target(target, lab_network(environment))
        except TrafficError as error:
            raise DemoError(str(error), status=2) from error
        seed = environment.get("SEED") or "1"
        told = inventory_variables(environment)
        return cls(
            began=began(environment.get("DEMO_BEGAN", ""), time.time()),
            nodes=told["lab_size"]["NODES"],
            keep=environment.get("KEEP", "") not in ("", "0", "no", "false"),
            lab=Path(told["lab_dir"]),
            shape=shape,
            shape_name=f"random, seed {seed}" if environment.get("SHAPE") == "random" else "deterministic",
            subnet=subnet,
            target=target,
        )

    @property
    def manager(self) -> Manager:
        return Manager(f"{self.subnet}.11", self.lab / "id_ed25519", self.lab / "known_hosts")

    @property
    def lab_of_others(self) -> bool:
        """Whether the lab that was made last, and not taken down since, was made by something else than a demo."""
        size = self.lab / "size.json"
        return size.exists() and json.loads(size.read_text()).get("LAB_MADE_BY") != MADE_BY


def inventory_variables(environment: Mapping[str, str]) -> dict[str, Any]:
    """What the lab's inventory makes of the environment. Raises DemoError with its own sentence."""
    command = [sys.executable, str(ROOT / INVENTORY / "hosts.py")]
    given = {name: value for name, value in environment.items() if value}
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoError(done.stderr.strip(), status=2)
    return dict(json.loads(done.stdout)["all"]["vars"])


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
