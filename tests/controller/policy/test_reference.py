# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/policy.md names every key, with the default that the code has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from swarmherd.policy import (
    AdviseKeys,
    BreakerKeys,
    ClusterSettings,
    FailoverKeys,
    FlappingKeys,
    HealKeys,
    HealthKeys,
    MoveKeys,
    PlacementKeys,
    Policy,
    ProbeKeys,
    Queries,
    RebalanceKeys,
    RefillKeys,
    ScaleKeys,
    ServiceFailover,
    ServicePolicy,
    WindowKeys,
)
from swarmherd.policy.document import CrashLoop, FallbackKeys
from swarmherd.policy.labels import LABELS, PREFIX
from swarmherd.policy.metrics import KINDS, QueryMetric, Rates
from swarmherd.policy.queueing import Queue
from swarmherd.policy.wanted import Predictive
from swarmherd.policy.windows import ScheduleKeys
from swarmherd.policy.wishes import ARRANGING_LABELS

TEXT = (Path(__file__).parents[3] / "docs" / "policy.md").read_text()
SECTIONS: dict[str, type[BaseModel]] = {
    "swarmherd_cluster": ClusterSettings,
    "swarmherd_policy": Policy,
    "probe": ProbeKeys,
    "breakers": BreakerKeys,
    "service": ServicePolicy,
    "move": MoveKeys,
    "heal": HealKeys,
    "health": HealthKeys,
    "advise": AdviseKeys,
    "placement": PlacementKeys,
    "rebalance": RebalanceKeys,
    "refill": RefillKeys,
    "failover": FailoverKeys,
    "flapping": FlappingKeys,
    "service failover": ServiceFailover,
    "scale": ScaleKeys,
    "predictive": Predictive,
    "fallback": FallbackKeys,
    "windows": WindowKeys,
    "schedules": ScheduleKeys,
    "crash_loop": CrashLoop,
    "query": QueryMetric,
    "rates": Rates,
    "queue": Queue,
    "queries": Queries,
}

NEEDED: dict[str, dict[str, Any]] = {
    "swarmherd_cluster": {"name": "shop"},
    "query": {"query": "x", "target": 1},
    "queue": {"service_time": 1},
    "windows": {"allow": "moves", "days": "mon-fri"},
    "schedules": {"min": 1, "days": "mon-fri"},
}
"""What a section's part cannot do without."""


def rows(section: str) -> dict[str, str]:
    """Key and default of each row of the section's table."""
    text = re.split(r"^#+ ", TEXT.split(f"# {section}\n", 1)[1], flags=re.MULTILINE)[0]
    return dict(re.findall(r"^\| `([\w.]+)` \| (.+?) \|", text, flags=re.MULTILINE))


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_there_and_no_other(section: str) -> None:
    assert set(rows(section)) == set(SECTIONS[section].model_fields)


@pytest.mark.parametrize(("section", "key"), [(s, key) for s, part in SECTIONS.items() for key in part.model_fields])
def test_the_default_is_the_one_that_the_code_has(section: str, key: str) -> None:
    part, said = SECTIONS[section], rows(section)[key]
    field = part.model_fields[key]
    if said == "required":
        assert field.is_required()
    elif said == "none":
        assert field.default is None
    else:
        written = said.strip("`") if part is Queries else yaml.safe_load(said.strip("`"))
        read = part.model_validate({**NEEDED.get(section, {}), key: written})
        assert getattr(read, key) == field.get_default(call_default_factory=True)


def test_every_label_and_every_metric_is_there() -> None:
    assert set(rows("Labels")) == {PREFIX + name for name in LABELS} | set(ARRANGING_LABELS)
    assert set(rows("Metrics")) == set(KINDS)


@pytest.mark.parametrize("block", re.findall(r"^```yaml\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL))
def test_the_examples_are_sound(block: str) -> None:
    document = yaml.safe_load(block)
    ClusterSettings.model_validate(document["swarmherd_cluster"])
    assert Policy.model_validate(document["swarmherd_policy"]).services
