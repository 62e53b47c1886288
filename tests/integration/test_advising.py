# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service used, as a real Prometheus has it, becomes its reservation and its limit where that is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import lab as on

pytestmark = [pytest.mark.usefixtures("lab"), pytest.mark.slow]

NAME = "swarmherd-test-advised"
MIB = 2**20
USED = {
    "memory": f"vector(100 * {100 * MIB} / $capacity)",
    "cpu": "vector(100 * 0.2 / $capacity)",
}
"""100 MiB and a fifth of a core, at any time that Prometheus is asked about: it has scraped for no hour yet."""
POLICY = {"queries": USED, "defaults": {"advise": {"since": "1h", "at_least": "1h", "margin": "20%"}}}


@pytest.fixture
def service() -> Iterator[str]:
    words = ["service", "create", "--detach", "--no-resolve-image", "--name", NAME, "--replicas", "2"]
    quick = ["--restart-delay", "0s", "--stop-grace-period", "1s", "--limit-memory", "1g"]
    on.docker(*words, *quick, "swarmherd-lab/base:bookworm", "sleep", "infinity")
    on.wait_until(lambda: on.running(NAME) == 2, "the service runs", 60)
    yield NAME
    on.docker("service", "rm", NAME)


def resources(service: str) -> Any:
    (found,) = json.loads(on.docker("service", "inspect", service))
    return found["Spec"]["TaskTemplate"]["Resources"]


def differs(plans: Any, service: str) -> bool:
    """Whether the plan of the one cluster would have its reservations or limits otherwise."""
    (plan,) = plans
    (advice,) = (one for one in plan["reservations"] if one["service"] == service)
    return bool(advice["differs"])


def test_what_is_advised_is_applied_where_that_is_asked_for_and_then_there_is_nothing_more_to_say(
    service: str, tmp_path: Path
) -> None:
    inventory = str(on.inventory(tmp_path, {"prometheus_url": f"http://{on.address('manager1')}:9090"}, POLICY))

    def told(*words: str) -> Any:
        return json.loads(on.run(str(on.BIN / "swarmherd"), "-i", inventory, *words, "--json", timeout=180).stdout)

    before = resources(service)
    assert differs(told("plan"), service)
    assert resources(service) == before, "nothing but the word of a person changes it"
    assert told("advise", service, "--apply", "--reason", "a test")["outcome"] == "done"
    found = resources(service)
    assert found["Reservations"] == {"NanoCPUs": 240_000_000, "MemoryBytes": 120 * MIB}
    assert found["Limits"] == {"MemoryBytes": 120 * MIB}
    assert on.running(service) == 2
    assert not differs(told("plan"), service)
