#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rows of the golden recordings, whose story tests/golden/README.md tells."""
import collections
import json
import os

import rows
from htap import ROOT, Skip, check, heaptap, main, same, temp, test

GOLDEN = os.path.join(ROOT, "tests", "golden")
# The story in figures.
KINDS = {"alloc": 1870, "failed": 3, "free": 1672, "unknown_free": 2, "replaced": 1}
ALLOCATED_BYTES, LEFT = 5390700182, (197, 193845)
START_NS = 1769860800 * 10**9  # 2026-01-31 12:00:00 UTC
OTHERS = ("be64.htap", "le32.htap", "be32.htap")


def golden(name):
    path = os.path.join(GOLDEN, name)
    if not os.path.exists(path):
        raise Skip(f"there is no {path}")
    return path


def written(*arguments):
    path = temp(".csv")
    heaptap(*arguments, "-o", path).expect(0)
    return path


def sums(events):
    return len(events), sum(e["size"] for e in events)


def without_addresses(path):
    return [{k: v for k, v in event.items() if "address" not in k and k != "stack"}
            for event in rows.read(path)]


@test("csv: the figures of the story; pair leaves what stays")
def _():
    path = written("export", golden("le64.htap"), "-f", "csv")
    events = rows.read(path)
    same(dict(collections.Counter(e["event"] for e in events)), KINDS, "events")
    same(sums([e for e in events if e["event"] == "alloc"])[1], ALLOCATED_BYTES, "bytes")
    same(sums(rows.pair(path)), LEFT, "pairs")
    names = {e["size"]: e["stack"] for e in events if e["event"] == "alloc" and
             e["time_ns"] // 10**9 == START_NS // 10**9 + 130}
    same(names[100][0]["f"], 'evil\x1b[31m;"name"\nLeak sum=1 \'x\' <b>&amp;', "a hostile name")
    same(names[50][1]["f"], "größe_ändern", "a name in UTF-8")
    check("\ufffd" in names[50][0]["f"], "a name that is not UTF-8")
    same((names[10], names[5]), ([], []), "empty stacks")
    same({e["stack_cut"] for e in events if e["size"] == 20}, {1}, "a stack that is cut")


@test("other byte orders and sizes: the same rows apart from addresses")
def _():
    want = without_addresses(written("export", golden("le64.htap"), "-f", "csv"))
    for name in OTHERS:
        same(without_addresses(written("export", golden(name), "-f", "csv")), want, name)


@test("malloc-trace: the figures of the story")
def _():
    path = written("export", golden("le64.htap"), "-f", "malloc-trace")
    frees = [e for e in rows.read(path) if "free" in e["function"]]
    same(len(frees), KINDS["free"] + KINDS["unknown_free"] + KINDS["replaced"], "frees")
    same(sums([e for e in rows.read(path) if e not in frees]),
         (KINDS["alloc"], ALLOCATED_BYTES), "allocations")
    same(sums(rows.pair(path)), LEFT, "pairs")


def orphans_of(events, age_ns, interval_ns):
    """What rows of events say that rows of orphans must be: how many of each."""
    live, want = {}, collections.Counter()

    def has_been_told(block, died_ns):
        # The first look at which it was of age.
        looks = -(-(block["time_ns"] + age_ns - START_NS) // interval_ns)
        return START_NS + max(looks, 1) * interval_ns <= died_ns

    for event in events:
        if event["event"] in ("free", "replaced"):
            block = live.pop(event["address"])
            if has_been_told(block, event["time_ns"]):
                want["alloc", block["time_ns"], block["address"]] += 1
                want[event["event"], event["time_ns"], event["address"]] += 1
        elif event["event"] == "alloc":
            live[event["address"]] = event
        elif event["event"] == "unknown_free":
            want["unknown_free", event["time_ns"], event["address"]] += 1
    for block in live.values():
        want["alloc", block["time_ns"], block["address"]] += 1
    return want


@test("orphans: rows at each look as the rows of all events say they must be")
def _():
    events = rows.read(written("export", golden("le64.htap"), "-f", "csv"))
    for age, interval in ((10, 5), (60, 60), (1, 0.5), (29, 7), (400, 400)):
        path = written("orphans", golden("le64.htap"), "--format", "csv", "--age", str(age),
                       "--interval", str(interval))
        got = collections.Counter((e["event"], e["time_ns"], e["address"])
                                  for e in rows.read(path))
        same(dict(got), dict(orphans_of(events, age * 10**9, int(interval * 10**9))),
             f"--age {age} --interval {interval}")
        same(sums(rows.pair(path)), LEFT, "pairs")


@test("orphans: several processes, a pid that comes again; pair agrees with leaks")
def _():
    done = heaptap("leaks", "--json", golden("processes.htap")).expect(0)
    want = collections.Counter()
    for process in json.loads(done.stdout)["processes"]:
        want[process["target"]["pid"]] += process["summary"]["leaked_bytes"]
    for options in (("--age", "1.5", "--interval", "0.5"), ("--resolve",), ()):
        path = written("orphans", golden("processes.htap"), "--format", "csv", *options)
        left = collections.Counter()
        for event in rows.pair(path):
            left[event["pid"]] += event["size"]
        same(dict(left), dict(want), f"what is left, {options}")


@test("orphans: the report")
def _():
    done = heaptap("orphans", "--json", golden("le64.htap")).expect(0)
    process, = json.loads(done.stdout)["processes"]
    same(process["old"]["blocks"] + process["young"]["blocks"], LEFT[0], "blocks")
    same(process["old"]["bytes"] + process["young"]["bytes"], LEFT[1], "bytes")
    # A session a second from 1 s on, until the end at 181 s, and one of 600 bytes.
    leak = max(process["orphans"], key=lambda entry: entry["blocks"])
    same((leak["blocks"], leak["bytes"], leak["orphan"]), (181, 180 * 1024 + 600, True), "the leak")
    same((leak["oldest_ns"] // 10**9, leak["newest_ns"] // 10**9), (180, 1), "its age")
    same(process["unknown_frees"], KINDS["unknown_free"], "frees of unknown addresses")


if __name__ == "__main__":
    main(watching=False)
