# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parts of a query are limited to fresh samples, for a Prometheus that cannot be told."""

from __future__ import annotations

import pytest
from swarmherd.observe.promql import only_fresh


def fresh(selector: str) -> str:
    return f"({selector} and timestamp({selector}) >= 5.000)"


@pytest.mark.parametrize(
    ("query", "written"),
    [
        ("x", fresh("x")),
        ("job:x:rate5m", fresh("job:x:rate5m")),
        ('x{a="}",b=~"[x"}', fresh('x{a="}",b=~"[x"}')),
        ('{__name__="x"}', fresh('{__name__="x"}')),
        ("rate(x[1m])", "rate(x[1m])"),
        ('sum(rate(x{a="b"}[1m]))', 'sum(rate(x{a="b"}[1m]))'),
        ("sum by (a, b) (x)", f"sum by (a, b) ({fresh('x')})"),
        ("sum(x) by (a)", f"sum({fresh('x')}) by (a)"),
        ("SUM(x)", f"SUM({fresh('x')})"),
        ("x / on (a) group_left (b) y", f"{fresh('x')} / on (a) group_left (b) {fresh('y')}"),
        ("x > bool 1e3 and y", f"{fresh('x')} > bool 1e3 and {fresh('y')}"),
        ("x offset 5m + y", f"x offset 5m + {fresh('y')}"),
        ("x @ 1609746000", "x @ 1609746000"),
        ("x @ end() - y", f"x @ end() - {fresh('y')}"),
        ("max(timestamp(up))", "max(timestamp(up))"),
        ("max_over_time(x[5m:1m])", "max_over_time(x[5m:1m])"),
        ("avg_over_time(sum(x)[5m:1m])", f"avg_over_time(sum({fresh('x')})[5m:1m])"),
        ("vector(1) or scalar(x)", f"vector(1) or scalar({fresh('x')})"),
        ("-Inf + NaN", "-Inf + NaN"),
        ("x # and y\n", f"{fresh('x')} # and y\n"),
        ("quantile(0.9, x)", f"quantile(0.9, {fresh('x')})"),
        ('label_replace(x, "a", "$1", "b", "(.*)")', f'label_replace({fresh("x")}, "a", "$1", "b", "(.*)")'),
        ("what is ; this", "what is ; this"),
        ('x{a="open', 'x{a="open'),
        ("", ""),
    ],
)
def test_instant_selectors_are_limited_and_nothing_else(query: str, written: str) -> None:
    assert only_fresh(query, 5.0) == written
