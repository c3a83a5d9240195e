#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""timeline, sizes, threads, ptr and misuse of the golden recordings: against their story, told in
tests/golden/README.md, and against expected texts, the same on every machine they come from."""
import json

from golden import (ENV, FOUR, PEAK_BYTES, SECOND, START, as_expected, counted, golden, json_text,
                    plain, process_of, said, told)
from htap import check, heaptap, main, same, test
from htap_heap import amount

SECONDS = range(1, 181)


def configuration(name):
    """The address of the configuration, which stays: the lowest block of all."""
    return process_of("ptr", name, "0x1")["above"]["address"]


def arguments(name, view):
    """What else a view needs."""
    if view == "ptr":
        return [hex(configuration(name))]
    return {"timeline": ["--width", "60"], "sizes": ["--width", "100"]}.get(view, [])


@test("all four give the expected texts")
def _():
    for view in ("timeline", "sizes", "threads", "ptr", "misuse"):
        for name, width in FOUR.items():
            text = said(view, golden(name), *arguments(name, view))
            as_expected(f"{view}.txt", plain(text, width), f"{name}, {view}")


@test("all four give the expected JSON")
def _():
    for view in ("timeline", "sizes", "threads", "ptr", "misuse"):
        for name, width in FOUR.items():
            text = said(view, "--json", golden(name), *arguments(name, view))
            if view == "timeline":
                text = around_the_peak(text)
            as_expected(f"{view}.json", json_text(text, width), f"{name}, {view} --json")


@test("tables fit the screen: 80 columns unless another width is asked for")
def _():
    for view, lines in (("timeline", 20), ("sizes", 25), ("threads", 4)):
        for width in (None, 60, 80, 120):
            options = ["--width", str(width)] if width else []
            text = said(view, golden("le64"), *options)
            # Whole sentences are for the terminal to break.
            shown = [line for line in text.split("\n") if not line.endswith(".")]
            check(len(shown) > lines, f"{view} has no table:\n{text}")
            longest = max(shown, key=len)
            check(len(longest) <= (width or 80), f"{view} --width {width}: {longest}")


def around_the_peak(text):
    """A timeline with a few of its many buckets."""
    whole = json.loads(text)
    process, = whole["processes"]
    process["buckets"] = [bucket for bucket in process["buckets"]
                          if 88.5 < bucket["from_seconds"] < 92.5]
    return json.dumps(whole)


@test("timeline: every bucket as Python counts it, in all layouts, and of several processes")
def _():
    for name in (*FOUR, "processes"):
        for report, process in zip(told("timeline", name)["processes"], counted(name).processes):
            # Time, live bytes and blocks from then on.
            history = [(START, *amount(process.inherited))]
            for event in process.events:
                sign = {"alloc": 1, "free": -1, "replaced": -1}.get(event.kind)
                if sign:
                    _, size, blocks = history[-1]
                    history.append((event.time_ns, size + sign * event.size, blocks + sign))
            same_buckets(report, process, history, name)
            same((report["peak"]["bytes"], round(report["peak_after_seconds"] * SECOND)),
                 (process.peak_bytes, process.peak_ns - START), f"peak of {name}, {process.pid}")
            same((report["inherited"]["bytes"], report["inherited"]["blocks"]),
                 amount(process.inherited), f"inherited, {process.pid}")


def same_buckets(report, process, history, name):
    at = 0
    for bucket in report["buckets"]:
        first, last = (START + round(bucket[key] * SECOND)
                       for key in ("from_seconds", "to_seconds"))
        begin = at
        while at + 1 < len(history) and history[at + 1][0] < last:
            at += 1
        _, size, blocks = history[at]
        inside = [event for event in process.events if first <= event.time_ns < last]
        born = [event for event in inside if event.kind == "alloc"]
        same(bucket, {
            "from_seconds": bucket["from_seconds"], "to_seconds": bucket["to_seconds"],
            "live_bytes": size, "live_blocks": blocks,
            "highest_live_bytes": max(entry[1] for entry in history[begin:at + 1]),
            "allocations": len(born), "allocated_bytes": sum(event.size for event in born),
            "frees": sum(event.kind in ("free", "replaced") for event in inside)},
            f"{name}, process {process.pid}")


def is_amount(member, blocks, what):
    same((member["bytes"], member["blocks"]), amount(blocks), what)


@test("threads: every figure as Python counts it")
def _():
    for name in FOUR:
        blocks = counted(name).processes[0].blocks
        for thread in process_of("threads", name)["threads"]:
            tid = thread["tid"]
            own = [b for b in blocks if b.tid == tid]
            freed = [b for b in blocks if b.end == "freed" and b.freed_by == tid]
            for key, want in (("allocated", own), ("live", [b for b in own if not b.end]),
                              ("temporary", [b for b in own if b.temporary]), ("freed", freed),
                              ("freed_of_others", [b for b in freed if b.tid != tid]),
                              ("freed_by_others", [b for b in own if b.end == "freed" and
                                                   b.freed_by != tid])):
                is_amount(thread[key], want, f"{key} of thread {tid}, {name}")


@test("sizes: every row as Python counts it")
def _():
    for name in FOUR:
        blocks = counted(name).processes[0].blocks
        report = process_of("sizes", name)
        for row in report["sizes"]:
            mine = [b for b in blocks if row["from_bytes"] <= b.size <= row["to_bytes"]]
            for key, want in (("allocated", mine), ("live", [b for b in mine if not b.end]),
                              ("temporary", [b for b in mine if b.temporary])):
                is_amount(row[key], want, f"{key}, {row['from_bytes']} bytes, {name}")
        same(sum(row["allocated"]["blocks"] for row in report["sizes"]), len(blocks), "all rows")


@test("timeline against the story")
def _():
    line = process_of("timeline", "le64")
    # Of 1672 frees that were seen; one block was replaced.
    same((line["allocations"], line["allocated_bytes"], line["frees"]), (1870, 5390700182, 1673),
         "totals")
    same((line["peak"]["bytes"], int(line["peak_after_seconds"] * 10)), (PEAK_BYTES, 901), "peak")
    for bucket in line["buckets"]:
        if bucket["to_seconds"] < 90.1 or bucket["from_seconds"] > 91:
            check(bucket["highest_live_bytes"] < 1 << 20, f"much is live: {bucket}")
    same(line["buckets"][-1]["live_blocks"], 197, "live at the end")
    # Ten seconds of every minute: sessions, and what else comes every second.
    whole = process_of("timeline", "le64", "--between", "20.5", "29.5", "--min-size", "1024",
                 "--max-size", "1024")
    same((whole["allocations"], whole["frees"]), (9, 0), "sessions from 20.5 s to 29.5 s")


@test("sizes against the story")
def _():
    sizes = process_of("sizes", "le64")
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
    threads = {t["tid"]: t for t in process_of("threads", "le64")["threads"]}
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
        lives = process_of("ptr", name, hex(configuration(name)))["lives"]
        same(lives[-1]["what"], "live", f"{name}: the configuration")
        same((lives[-1]["bytes"], lives[-1]["from"]["bytes"]), (4096, 2048), "its last realloc")
        twice = process_of("misuse", name)["double_frees"]["sites"][0]["first"]["address"]
        lives = process_of("ptr", name, hex(twice))["lives"]
        at = [i for i, life in enumerate(lives) if life["what"] == "free of nothing"]
        same(len(at), 1, "frees of nothing")
        before = [life for life in lives[:at[0]] if life["address"] == twice][-1]
        same((before["what"], before["bytes"]), ("freed", 56), "what had been there")


@test("misuse against the story")
def _():
    for name in FOUR:
        misuse = process_of("misuse", name)
        # The double and the invalid free came before events were lost.
        same({k: misuse[k]["count"] for k in misuse
              if isinstance(misuse[k], dict) and k != "target"},
             {"double_frees": 1, "invalid_frees": 1, "mismatches": 3, "failed_allocations": 3,
              "reallocs": 4, "zero_size": 2, "foreign_frees": 18}, name)
        same(misuse["errors"], 5, "errors")
        same(sorted((s["allocated_by"], s["freed_by"], s["bytes"])
                    for s in misuse["mismatches"]["sites"]),
             [("malloc", "operator delete", 40), ("malloc", "pool_put", 24),
              ("operator new", "free", 40)],
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
