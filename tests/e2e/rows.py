# SPDX-License-Identifier: BSD-2-Clause
"""Rows of events, read by Python's own csv and json."""
import csv
import functools
import io
import json

from htap import check, heaptap

# What malloc-trace's files are to a reader of CSV.
MALLOC_TRACE = {"delimiter": ";", "quotechar": '"', "escapechar": "\\", "doublequote": False,
                "strict": True}
MALLOC_TRACE_FIELDS = ["function", "tid", "address", "size", "ms", "stack"]


# Few stacks come in many rows.
_stack = functools.lru_cache(json.loads)


def _typed(row):
    for name, value in row.items():
        if name == "stack":
            row[name] = _stack(value)
        elif value.isdigit() and name not in ("comm", "build_id", "function"):
            row[name] = int(value)
    return row


def own(text, calls_only=True):
    """heaptap's CSV as dictionaries, without what is of processes unless that is wanted."""
    rows = [_typed(row) for row in csv.DictReader(io.StringIO(text, newline=""), strict=True)]
    for row in rows:
        if (None in row or None in row.values() or int(row["address_hex"], 16) != row["address"] or
                row["time_ns"] // 1000000 != row["time_ms"]):
            check(False, f"fields, addresses or times do not match: {row}")
    return [row for row in rows if row["event"] not in ("end", "fork") or not calls_only]


def malloc_trace(text):
    """malloc-trace's rows as dictionaries."""
    rows = list(csv.reader(io.StringIO(text, newline=""), **MALLOC_TRACE))
    for row in rows:
        check(len(row) == 6, f"not six fields: {row}")
    return [_typed(dict(zip(MALLOC_TRACE_FIELDS, row))) for row in rows]


def read(path):
    """A file of either."""
    with open(path, newline="", encoding="utf-8") as file:
        text = file.read()
    return own(text) if text.startswith("time_ns,") else malloc_trace(text)


def pair(path):
    """What heaptap pair leaves of a file."""
    done = heaptap("pair", "-i", path, "-o", "-").expect(0)
    return own(done.stdout) if done.stdout.startswith("time_ns,") else malloc_trace(done.stdout)
