# SPDX-License-Identifier: GPL-3.0-or-later
"""What hypothesis draws for the model's annotations: times with a zone, numbers that equal themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])


def register() -> None:
    """Draw these from now on; a test module calls it before its first example."""
    st.register_type_strategy(datetime, st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=ZONES))  # noqa: DTZ001  (the zone is drawn)
    st.register_type_strategy(float, st.floats(allow_nan=False))
    st.register_type_strategy(object, st.none() | st.booleans() | st.integers() | st.text())
