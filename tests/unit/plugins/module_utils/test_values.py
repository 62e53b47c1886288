# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes, durations and label values."""

from __future__ import annotations

import pytest
from ansible_collections.swarmherd.cluster.plugins.module_utils import _values as values
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("1048576", 1 << 20),
        (7, 7),
        ("512M", 512 << 20),
        ("512MiB", 512 << 20),
        ("1.5g", 3 << 29),
        ("2 KB", 2048),
        ("0", 0),
    ],
)
def test_sizes_are_powers_of_1024(written, size):
    assert values.size_bytes(written, "limits.memory") == size


@pytest.mark.parametrize("written", ["", "-1", "12X", "M", "1e3", "1.5.2G"])
def test_what_is_no_size_is_refused_with_its_key(written):
    with pytest.raises(SwarmError, match=r"^limits\.memory: .*not a size"):
        values.size_bytes(written, "limits.memory")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("10s", 10 * 10**9),
        ("1m30s", 90 * 10**9),
        ("500ms", 5 * 10**8),
        ("0", 0),
        (5, 5 * 10**9),
        ("1.5", 15 * 10**8),
        ("1h", 3600 * 10**9),
    ],
)
def test_durations_are_nanoseconds_and_bare_numbers_are_seconds(written, expected):
    assert values.nanoseconds(written, "delay") == expected


@pytest.mark.parametrize("written", ["", "5 apples", "s5", "5s later", "-5s", "1m 30s"])
def test_what_is_no_duration_is_refused_with_its_key(written):
    with pytest.raises(SwarmError, match=r"^delay: .*not a duration"):
        values.nanoseconds(written, "delay")


@pytest.mark.parametrize("written", ["much", -1, None, "nan", "inf"])
def test_what_is_no_number_of_cores_is_refused(written):
    with pytest.raises(SwarmError, match="not a number of cores"):
        values.nano_cpus(written, "limits.cpus")


def test_cores_are_billionths():
    assert values.nano_cpus(0.25, "limits.cpus") == 250_000_000


@pytest.mark.parametrize(("given", "text"), [(True, "true"), (False, "false"), (7, "7"), ("x", "x"), ("", "")])
def test_label_values_are_text_as_docker_writes_it(given, text):
    assert values.label_text(given, "labels.a") == text


def test_a_label_value_that_is_a_list_is_refused():
    with pytest.raises(SwarmError, match=r"^labels\.a: .*not list"):
        values.label_text(["x"], "labels.a")


def test_merging_sets_named_keys_removes_nulls_and_keeps_the_rest():
    assert values.merged_texts({"a": "1", "b": "2", "c": "3"}, {"b": 5, "c": None, "d": True}, "env") == {
        "a": "1",
        "b": "5",
        "d": "true",
    }


def test_stripped_leaves_out_what_docker_leaves_out():
    assert values.stripped({"a": 0, "b": {}, "c": {"d": ""}, "e": False, "f": [], "g": {"h": 1}}) == {"g": {"h": 1}}
