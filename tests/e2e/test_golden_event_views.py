#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""timeline, sizes, threads, ptr and misuse of the golden recordings: against their story, told in
tests/golden/README.md, and against expected texts, the same on every machine they come from."""
import json
import os
import re

from htap import ROOT, Skip, check, heaptap, main, same, test

GOLDEN = os.path.join(ROOT, "tests", "golden")
FOUR = ("le64", "be64", "le32", "be32")
ENV = {**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"}
SECONDS = range(1, 181)


def golden(name):
    """The path of a golden recording."""
    path = os.path.join(GOLDEN, name + ".htap")
    if not os.path.isdir(GOLDEN):
        raise Skip("there are no golden recordings")
    check(os.path.exists(path), f"{path} is missing")
    return path


def told(name, view, *arguments):
    """A view's JSON of a golden recording: its first process."""
    done = heaptap(view, "--json", golden(name), *arguments, env=ENV).expect(0)
    return json.loads(done.stdout)["processes"][0]


def configuration(name):
    """The address of the configuration, which stays: the lowest block of all."""
    return told(name, "ptr", "0x1")["above"]["address"]


def text(name, view):
    """A view's text without addresses."""
    extra = {"ptr": [], "timeline": ["--width", "60"], "sizes": ["--width", "100"]}.get(view, [])
    if view == "ptr":
        extra = [hex(configuration(name))]
    done = heaptap(view, golden(name), *extra, env=ENV).expect(0)
    return re.sub(r"0x[0-9a-f]+", "0x?", done.stdout)


@test("all four give the expected texts")
def _():
    for view in ("timeline", "sizes", "threads", "ptr", "misuse"):
        path = os.path.join(GOLDEN, "expected", f"{view}.txt")
        golden("le64")
        with open(path, encoding="utf-8") as file:
            expected = file.read().split("\n")
        for name in FOUR:
            got = text(name, view).split("\n")
            for number, (line, want) in enumerate(zip(got, expected), 1):
                same(line, want, f"{view} of {name}, line {number}")
            same(len(got), len(expected), f"lines of {view} of {name}")


@test("timeline against the story")
def _():
    line = told("le64", "timeline")
    # Of 1672 frees that were seen; one block was replaced.
    same((line["allocations"], line["allocated_bytes"], line["frees"]), (1870, 5390700182, 1673),
         "totals")
    same((line["peak"]["bytes"], int(line["peak_after_seconds"] * 10)), (5389904065, 901), "peak")
    for bucket in line["buckets"]:
        if bucket["to_seconds"] < 90.1 or bucket["from_seconds"] > 91:
            check(bucket["highest_live_bytes"] < 1 << 20, f"much is live: {bucket}")
    same(line["buckets"][-1]["live_blocks"], 197, "live at the end")
    # Ten seconds of every minute: sessions, and what else comes every second.
    whole = told("le64", "timeline", "--between", "20.5", "29.5", "--min-size", "1024",
                 "--max-size", "1024")
    same((whole["allocations"], whole["frees"]), (9, 0), "sessions from 20.5 s to 29.5 s")


@test("sizes against the story")
def _():
    sizes = told("le64", "sizes")
    exact = {f["bytes"]: f["allocations"] for f in sizes["frequent"]}
    # posix_memalign, the configuration grown to 1024 and 4096, and each second.
    same((exact[1024], exact[4096]), (len(SECONDS) + 1, len(SECONDS) + 2), "1024 and 4096")
    same([exact[n] for n in (4, 8, 200, 600, 1 << 20, (5 << 30) + 1)], [180, 180, 18, 2, 20, 1],
         "others")
    parsed = {}
    for second in SECONDS:
        for i in range(3):
            size = 48 + 16 * ((second + i) % 5)
            parsed[size] = parsed.get(size, 0) + 1
    # Besides: 80 and 96 each second; 48 of the tree.
    same([exact[n] for n in (48, 64, 80, 96, 112)],
         [parsed[48] + 6, parsed[64], parsed[80] + 180, parsed[96] + 180, parsed[112]], "parsed")
    same(sizes["sizes"][0]["allocated"], {"bytes": 0, "blocks": 2}, "of nothing")
    same(sizes["sum"]["allocated"], {"bytes": 5390700182, "blocks": 1870}, "sum")
    same(sizes["sum"]["live"], {"bytes": 193845, "blocks": 197}, "live")


@test("threads against the story")
def _():
    threads = {t["tid"]: t for t in told("le64", "threads")["threads"]}
    same(set(threads), {4242, 4243, 4244}, "threads")
    same(threads[4243]["allocated"], {"bytes": 180 * (4 + 8 + 16), "blocks": 540}, "the worker's")
    same(threads[4243]["freed_of_others"], {"bytes": 3600, "blocks": 18}, "what it frees")
    same(threads[4244]["freed_by_others"], {"bytes": 3600, "blocks": 18}, "the logger's")
    same(threads[4244]["allocated"], {"bytes": 3600, "blocks": 18}, "the logger's")
    same(threads[4242]["failed_allocations"], 3, "failed")
    same(sum(t["allocated"]["blocks"] for t in threads.values()), 1870, "sum")


@test("ptr against the story: the configuration, and what was freed twice")
def _():
    for name in FOUR:
        lives = told(name, "ptr", hex(configuration(name)))["lives"]
        same(lives[-1]["what"], "live", f"{name}: the configuration")
        same((lives[-1]["bytes"], lives[-1]["from"]["bytes"]), (4096, 2048), "its last realloc")
        twice = told(name, "misuse")["double_frees"]["sites"][0]["first"]["address"]
        lives = told(name, "ptr", hex(twice))["lives"]
        at = [i for i, life in enumerate(lives) if life["what"] == "free of nothing"]
        same(len(at), 1, "frees of nothing")
        before = [life for life in lives[:at[0]] if life["address"] == twice][-1]
        same((before["what"], before["bytes"]), ("freed", 56), "what had been there")


@test("misuse against the story")
def _():
    for name in FOUR:
        misuse = told(name, "misuse")
        # The double and the invalid free came before events were lost.
        same({k: misuse[k]["count"] for k in misuse if isinstance(misuse[k], dict) and k != "target"},
             {"double_frees": 1, "invalid_frees": 1, "mismatches": 3, "failed_allocations": 3,
              "reallocs": 4, "zero_size": 2, "foreign_frees": 18}, name)
        same(misuse["errors"], 5, "errors")
        same(sorted((s["allocated_by"], s["freed_by"], s["bytes"])
                    for s in misuse["mismatches"]["sites"]),
             [("_Znwm", "free", 40), ("malloc", "_ZdlPv", 40), ("malloc", "pool_put", 24)],
             "mismatches")
        grown = misuse["reallocs"]["sites"][0]
        same((grown["moved"], grown["copied_bytes"], grown["grown_bytes"]),
             (2, 256 + 1024, 4096 - 256), "the configuration")
    # --error-exitcode counts errors.
    heaptap("misuse", "--error-exitcode", "7", golden("le64")).expect(7)
    heaptap("misuse", "--error-exitcode", "7", "--at", "100", golden("le64")).expect(0)


@test("misuse of several processes: no errors, for what children inherit is known")
def _():
    done = heaptap("misuse", "--json", golden("processes"), env=ENV).expect(0)
    processes = json.loads(done.stdout)["processes"]
    check(len(processes) >= 5, f"{len(processes)} processes")
    same([p["errors"] for p in processes], [0] * len(processes), "errors")


if __name__ == "__main__":
    main(watching=False)
