# SPDX-License-Identifier: GPL-3.0-or-later
"""A trace is read in steps of 15 seconds, and each mistake in it is one sentence with line, column and remedy."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from swarmherd.simulate import TraceError, read_trace

HEAD = "time_s,requests_per_s\n"


def written(folder: Path, text: str, name: str = "trace.csv") -> Path:
    file = folder / name
    file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return file


def test_a_coarser_trace_is_interpolated(tmp_path: Path) -> None:
    found = read_trace(written(tmp_path, HEAD + "0,0\n60,4\n120,8\n"))
    assert found.values.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert found.bin_seconds == 60


def test_a_finer_trace_is_averaged(tmp_path: Path) -> None:
    rows = "".join(f"{second},{second // 15 + 1}\n" for second in range(45))
    assert read_trace(written(tmp_path, HEAD + rows)).values.tolist() == [1, 2, 3]


def test_a_step_without_a_row_of_a_finer_trace_is_interpolated(tmp_path: Path) -> None:
    rows = "".join(f"{second},{1 if second < 15 else 3}\n" for second in [*range(15), *range(30, 45)])
    found = read_trace(written(tmp_path, HEAD + rows))
    assert found.values.tolist() == [1, 2, 3]
    assert found.gaps == 1


def test_a_compressed_trace_and_columns_in_another_order_are_read(tmp_path: Path) -> None:
    found = read_trace(written(tmp_path, "requests_per_s,time_s\n5,1000\n5,1015\n", "t.csv.gz"))
    assert found.values.tolist() == [5, 5]
    assert found.first_second == 1000


def test_gaps_are_counted_and_drawn_as_a_line(tmp_path: Path) -> None:
    found = read_trace(written(tmp_path, HEAD + "0,1\n15,1\n30,1\n45,1\n150,8\n165,8\n"))
    assert found.gaps == 1
    assert np.all(np.diff(found.values[3:11]) > 0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1: the columns are nothing; write a header time_s,requests_per_s"),
        (HEAD, "it has no row; a trace needs two at least"),
        (HEAD + "0,1\n", "it has a single row"),
        ("time,rps\n0,1\n", "line 1: the columns are time,rps; write a header time_s,requests_per_s"),
        (HEAD + "0,1\n30,1\n15,2\n", "line 4, column time_s: 15 is not after 30; sort the rows"),
        (HEAD + "0,1\n0,2\n", "line 3, column time_s: 0 is not after 0"),
        (
            HEAD + "1700000000,1\n1700000060,1\n1700000060,2\n",
            "line 4, column time_s: 1700000060 is not after 1700000060; sort the rows",
        ),
        (HEAD + "0,1\n15,1e22\n", "line 3, column requests_per_s: 1e+22 is too large; write at most 1e+12"),
        (HEAD + "0,1\n15,-2\n", "line 3, column requests_per_s: -2 is negative; write 0 or more"),
        (HEAD + "0,1\n15,many\n", "line 3, column requests_per_s: 'many' is not a number"),
        (HEAD + "0,1\n15,nan\n", "line 3, column requests_per_s: 'nan' is not a number"),
        (HEAD + "0,1\n15,\n", "line 3, column requests_per_s: '' is not a number"),
        (HEAD + "inf,1\n", "line 2, column time_s: 'inf' is not a number"),
        (HEAD + "0,1\n15\n", "line 3: 1 cells for 2 columns"),
        (HEAD + "0,0\n15,0\n", "nothing was ever asked for"),
        (HEAD + "0,1\n1,1\n2,1\n9e12,1\n", "it spans more than 5000000 steps"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(TraceError) as told:
        read_trace(file)
    assert says in str(told.value)
    assert str(told.value).startswith(str(file))
    assert "\n" not in str(told.value)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="embedded null byte; check the path"):
        read_trace(tmp_path / "a\0.csv")
    with pytest.raises(TraceError, match="No such file"):
        read_trace(tmp_path / "none.csv")
    (tmp_path / "bad.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(TraceError, match="cannot be read"):
        read_trace(tmp_path / "bad.csv.gz")
    (tmp_path / "latin.csv").write_bytes(HEAD.encode() + b"\xff,1\n")
    with pytest.raises(TraceError, match="is not UTF-8"):
        read_trace(tmp_path / "latin.csv")
