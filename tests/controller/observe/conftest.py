# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the adapter for Prometheus share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from swarmherd.observe.prometheus import Prometheus

from tests.controller.conftest import Metrics


@pytest.fixture
def prometheus(metrics: Metrics) -> Iterator[Prometheus]:
    client = Prometheus(metrics.url, timeout_seconds=0.5, scrape_interval_seconds=15)
    yield client
    client.close()
