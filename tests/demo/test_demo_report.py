# SPDX-License-Identifier: GPL-3.0-or-later
"""The page and its pictures: whole, safe, and fetching nothing."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from swarmherd.simulate.picture import Frame, Mark, Series, chart, corners, ticks, time_step

from demo import report
from demo.figures import Recording, scalings
from tests.demo.test_demo_figures import GOOD, entry

VOID = {"meta"}


class Outline(HTMLParser):
    """Fails on a tag that is closed out of order, and keeps what the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        if tag in {"script", "link", "img", "iframe", "object", "image", "use"}:
            self.fetched.append(tag)
        self.fetched += [f"{tag} {name}" for name, _value in attrs if name in {"src", "href", "xlink:href", "srcset"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing() -> None:
    html = report.page(GOOD, "day")
    outline = Outline()
    outline.feed(html)
    assert (outline.open, outline.fetched) == ([], [])
    assert not re.search(r"url\(|@import|https?://", html)


def test_the_page_tells_the_figures_and_each_decision_with_its_reason() -> None:
    html = report.page(GOOD, "day")
    assert "60 requests were sent to a shop on 3 hosts and 3 were lost" in html
    assert html.count("requests_per_replica 9 is over target 7</td>") == 2
    assert "1 → 3" in html
    assert "prefers-color-scheme: dark" in html


def test_what_was_simulated_is_a_line_of_its_own_beside_the_real_replicas() -> None:
    simulated = tuple(record | {"wanted": 2} for record in GOOD.replicas)
    html = report.page(replace(GOOD, simulated=simulated), "day")
    assert html.count('<path d="M') == report.page(GOOD, "day").count('<path d="M') + 1
    assert 'class="line simulated"' in html
    assert "wanted in simulation</span>" in html
    assert "In simulation the same traffic asked for 2 to 2 replicas" in html


def test_what_a_reason_says_is_never_markup() -> None:
    history = scalings([entry(10, 1, 3, reason='<script>alert("x")</script>'), entry(20, 3, 1)])
    html = report.page(replace(GOOD, scalings=history), "day")
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_a_run_that_fell_short_says_so_first() -> None:
    html = report.page(replace(GOOD, scalings=()), "day")
    assert "This run fell short: no scale-up happened; no scale-down happened." in html


def test_a_run_without_traffic_still_makes_a_page() -> None:
    assert "No traffic was recorded." in report.page(Recording(), "day")


def test_both_files_are_written(tmp_path: Path) -> None:
    report.write(GOOD, "day", tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["requests_sent"] == 60
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_a_picture_is_well_formed_and_has_a_title_and_a_description() -> None:
    lost = Series("lost", "lost", "bars", ((1, 0), (2, 5)))
    running = Series("running & more", "running", "step-area", ((0, 1), (5, 3), (10, 3)))
    drawn = chart("A < B", "1 to 3", (lost, running), 10, marks=(Mark(5, "up", "1 → 3"),))
    svg = ElementTree.fromstring(drawn)  # noqa: S314 - our own text
    assert svg.get("role") == "img"
    names = (svg.get("aria-labelledby") or "").split()
    assert {child.get("id"): child.text for child in svg if child.get("id")} == dict(
        zip(names, ("A < B", "1 to 3"), strict=True)
    )
    assert len(svg.findall("g[@class='bars lost']/rect")) == 1  # nothing is drawn where nothing was lost


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        (0, [0, 1]),
        (1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (7, [0, 2, 4, 6, 8]),
        (65, [0, 20, 40, 60, 80]),
        (60, [0, 10, 20, 30, 40, 50, 60]),
    ],
)
def test_axes_have_round_numbers_that_reach_the_top(top: float, expected: list[float]) -> None:
    assert ticks(top) == expected


@pytest.mark.parametrize(("seconds", "step"), [(30, 5), (153, 15), (300, 30), (90_000, 21_600)])
def test_the_time_axis_has_at_most_a_dozen_marks(seconds: float, step: int) -> None:
    assert time_step(seconds) == step


def test_a_count_holds_until_it_changes() -> None:
    assert corners(((0, 1), (5, 3))) == [(0, 1), (5, 1), (5, 3)]


def test_what_lies_outside_the_time_shown_is_drawn_at_its_edge() -> None:
    frame = Frame(seconds=10, top=5)
    assert frame.x(-3) == frame.x(0)
    assert frame.x(99) == frame.x(10)
    assert frame.y(5) < frame.y(0)
