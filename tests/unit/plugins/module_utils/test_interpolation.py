# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables in a Compose file, and files of environment variables."""

from __future__ import annotations

import pytest
from ansible_collections.swarmherd.cluster.plugins.module_utils._errors import SwarmError
from ansible_collections.swarmherd.cluster.plugins.module_utils._interpolation import (
    env_file,
    interpolated,
    with_env_files,
)

GIVEN = {"TAG": "1.5", "EMPTY": "", "COUNT": 3}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("shop:$TAG", "shop:1.5"),
        ("shop:${TAG}-slim", "shop:1.5-slim"),
        ("${COUNT}", "3"),
        ("${TAG:-1}", "1.5"),
        ("${GONE:-1}", "1"),
        ("${GONE:-}", ""),
        ("${EMPTY:-1}", "1"),
        ("${EMPTY-1}", ""),
        ("${TAG:?say it}", "1.5"),
        ("${TAG:+tagged}", "tagged"),
        ("${GONE:+tagged}", ""),
        ("${EMPTY+there}", "there"),
        ("costs 5$$", "costs 5$"),
        ("$${TAG}", "${TAG}"),
        ("{{ TAG }}", "{{ TAG }}"),
    ],
)
def test_a_variable_becomes_its_value(text, value):
    assert interpolated({"a": [text]}, GIVEN, "") == {"a": [value]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${GONE}", r"^services\.web: the variable GONE is not given; give it, or write \$\{GONE:-DEFAULT\}$"),
        ("$GONE", "the variable GONE is not given"),
        ("${GONE:?which version}", "^services.web: the variable GONE is not given: which version$"),
        ("${EMPTY:?say it}", "the variable EMPTY is not given: say it"),
        ("costs 5$", "write \\$\\$ for a dollar sign"),
        ("${TAG", "a dollar sign begins no variable"),
        ("${GONE:-${TAG}}", "a variable within the default of GONE is not supported; give GONE itself"),
        ("${TAG/1/2}", "a dollar sign begins no variable"),
    ],
)
def test_a_variable_without_a_value_is_never_nothing(text, message):
    with pytest.raises(SwarmError, match=message):
        interpolated({"services": {"web": text}}, GIVEN, "")


def test_names_and_what_is_no_text_stay_as_they_are():
    document = {"$TAG": 1, "list": [True, None, 2.5]}
    assert interpolated(document, GIVEN, "") == document


def test_a_file_of_variables_is_taken_as_it_stands():
    text = "# comment\n\nA=1\nB = two words \nC='quoted # no comment'\nD=\nE\nF=x=y\n"
    assert env_file(text, "app.env") == {
        "A": "1",
        "B": "two words",
        "C": "quoted # no comment",
        "D": "",
        "E": None,
        "F": "x=y",
    }


def test_a_line_that_is_no_variable_is_told_by_its_number_and_never_shown():
    with pytest.raises(SwarmError, match=r"^app\.env: line 2 is not NAME=value$"):
        env_file("A=1\nmy secret=geheim\n", "app.env")


def completed(service, **files):
    document = with_env_files({"services": {"web": service}}, GIVEN, files.__getitem__)
    return document["services"]["web"]


def test_what_stands_in_the_environment_wins_over_the_files_and_a_later_file_over_an_earlier():
    service = {"env_file": ["a", "b"], "environment": ["X=service"]}
    assert completed(service, a="X=a\nY=a\nZ=a", b="Y=b") == {"environment": {"X": "service", "Y": "b", "Z": "a"}}


def test_a_variable_without_a_value_takes_the_given_one_or_is_left_out():
    assert completed({"environment": {"TAG": None, "GONE": None, "N": 1}}) == {"environment": {"TAG": "1.5", "N": 1}}
    assert completed({"env_file": "a"}, a="TAG\nGONE") == {"environment": {"TAG": "1.5"}}


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {"DEBUG": True},
            r"services\.web\.environment\.DEBUG: a value is text or a number, not true or false; quote it",
        ),
        ({"LIST": [1]}, "not a list"),
        ("A=1", r"services\.web\.environment: write NAME: value"),
        ([{"A": 1}], r"services\.web\.environment: write NAME: value"),
    ],
)
def test_an_environment_that_is_none_is_refused(environment, message):
    with pytest.raises(SwarmError, match=message):
        completed({"environment": environment})
