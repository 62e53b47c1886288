# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a query blind to old samples, for a Prometheus that cannot be told how far to look back. Pure.

From version 2.43 on Prometheus takes `lookback_delta` with a query. For older ones each instant selector `x{…}` is
written as `(x{…} and timestamp(x{…}) >= T)`, which drops the same series. Ranges (`x[1m]`) see only their window
anyway, and a selector with `offset` or `@` asks for old samples on purpose: both stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""(?P<blank>\s+|\#[^\n]*)
      | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
      | (?P<number>(?:0[xX][0-9a-fA-F]+|[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+)[a-z0-9]*)
      | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
      | (?P<sign>[][(){},@:]|[-+*/%^=!<>~]+)""",
    re.VERBOSE,
)
_AGGREGATIONS = frozenset(
    ["sum", "min", "max", "avg", "group", "stddev", "stdvar", "count", "count_values"]
) | frozenset(["bottomk", "topk", "quantile", "limitk", "limit_ratio"])
_LABELS_FOLLOW = frozenset(["by", "without", "on", "ignoring", "group_left", "group_right"])
_WORDS = frozenset(["and", "or", "unless", "bool", "offset", "inf", "nan", "atan2"])
_ON_PURPOSE = ("[", "@", "offset")
Token = tuple[str, int, int]
"""Its text, and where it begins and ends."""


def only_fresh(promql: str, since: float | str) -> str:
    """`promql` with every instant selector limited to samples not older than `since`: seconds of the epoch, or a
    scalar in PromQL, such as `time() - 45` where the query is asked for many instants.

    A text that this reader does not understand comes back as it is.
    """
    tokens = _tokens(promql)
    if tokens is None:
        return promql
    written, end = [], 0
    limit = since if isinstance(since, str) else f"{since:.3f}"
    for first, last in _selectors(tokens):
        selector = promql[tokens[first][1] : tokens[last][2]]
        written.append(promql[end : tokens[first][1]])
        written.append(f"({selector} and timestamp({selector}) >= {limit})")
        end = tokens[last][2]
    return "".join((*written, promql[end:]))


def _tokens(promql: str) -> list[Token] | None:
    found, at = [], 0
    while at < len(promql):
        match = _TOKEN.match(promql, at)
        if match is None:
            return None
        at = match.end()
        if match.lastgroup != "blank":
            found.append((match[0], match.start(), at))
    return found


def _selectors(tokens: list[Token]) -> Iterator[tuple[int, int]]:
    """First and last token of each instant selector."""
    at = 0
    while at < len(tokens):
        word, following = tokens[at][0], _text(tokens, at + 1)
        if word in _LABELS_FOLLOW and following == "(":
            at = _closing(tokens, at + 1, ")") + 1
        elif word == "[":
            at = _closing(tokens, at, "]") + 1
        elif word == "{" or (_is_name(word) and following != "("):
            last = at if word != "{" and following != "{" else _closing(tokens, at + (word != "{"), "}")
            if _text(tokens, last + 1) not in _ON_PURPOSE and not _in_timestamp(tokens, at):
                yield at, last
            at = last + 1
        else:
            at += 1


def _is_name(word: str) -> bool:
    known = word.lower()
    return bool(re.match(r"[a-zA-Z_:]", word)) and known not in _AGGREGATIONS | _LABELS_FOLLOW | _WORDS


def _in_timestamp(tokens: list[Token], at: int) -> bool:
    """`timestamp` takes a bare selector: of anything else it tells the time of the evaluation."""
    return _text(tokens, at - 1) == "(" and _text(tokens, at - 2) == "timestamp"


def _closing(tokens: list[Token], opened: int, bracket: str) -> int:
    return next((i for i in range(opened, len(tokens)) if tokens[i][0] == bracket), len(tokens) - 1)


def _text(tokens: list[Token], at: int) -> str:
    return tokens[at][0] if 0 <= at < len(tokens) else ""
