#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Views and exports of a sampled recording, whose figures can be worked out by hand: each block
counts as often as its weight says, and so do its bytes."""
import json
import os
import sqlite3

import rows
import sampled
from formats import Annotated, Profile, validate
from htap import check, has, heaptap, main, run, same, temp, test

PERIOD = 65536
SAMPLED = "Sampled: about one allocation per 64 KiB was recorded; bytes and blocks are estimates."
REALLOC, NEW, DELETE = 3, 96, 104
STEPS = range(12)


def make(order="<", codec=sampled.htap_format.ZLIB, extra=0):
    """What happens, a second each. 10 more blocks of 1000 bytes for each extra one."""
    story = sampled.Recording(["alpha", "beta", "gamma"], PERIOD, order, codec)
    happens = [
        lambda: None,
        lambda: story.alloc(0x10000, 100, 1, 656),
        lambda: story.alloc(0x20000, 70000, 2, 0),
        lambda: story.alloc(0x60000, 16, 2, 4097, tid=101),
        lambda: story.free(0x60000),
        lambda: (story.free(0x10000, REALLOC, flags=1),
                 story.alloc(0x70000, 200, 1, 328, REALLOC, flags=1)),
        lambda: story.alloc(0, 500, 2, 132),
        # Older than the attach, or not recorded: nobody knows, nor by the realloc.
        lambda: (story.free(0x99990), story.free(0x60000),
                 story.alloc(0x80000, 1000, 1, 66, REALLOC, flags=1)),
        lambda: story.free(0x80000, DELETE),
        # A realloc to a block that is not recorded; and delete as it should be.
        lambda: (story.alloc(0x90000, 2000, 2, 33), story.free(0x90000, REALLOC, flags=1),
                 story.alloc(0, 0, 0, 0, REALLOC, flags=1),
                 story.alloc(0xb0000, 3000, 3, 22, NEW), story.free(0xb0000, DELETE)),
        lambda: [story.alloc(0x100000 + 4096 * n, 1000, 1, 10) for n in range(extra)],
        lambda: None,
    ]
    for second in STEPS:
        story.now = sampled.START + second * sampled.SECOND
        happens[second]()
    return story.close()


# By hand: bytes and blocks.
ALPHA_ALLOCATED = (656 * 100 + 328 * 200 + 66 * 1000, 656 + 328 + 66)
BETA_ALLOCATED = (70000 + 4097 * 16 + 33 * 2000, 1 + 4097 + 33)
GAMMA_ALLOCATED = (22 * 3000, 22)
ALLOCATED = (464752, 5203)
FREED = (656 * 100 + 4097 * 16 + 66 * 1000 + 33 * 2000 + 22 * 3000, 656 + 4097 + 66 + 33 + 22)
ALPHA_LIVE, BETA_LIVE = (328 * 200, 328), (70000, 1)
LIVE = (135600, 329)
# When those of 1000 bytes are there; not more when those of 2000, and of 3000, are.
PEAK = (135600 + 66000, 329 + 66)
assert tuple(map(sum, zip(ALPHA_ALLOCATED, BETA_ALLOCATED, GAMMA_ALLOCATED))) == ALLOCATED
assert tuple(map(sum, zip(ALPHA_LIVE, BETA_LIVE))) == LIVE


def pair(amount):
    return amount["bytes"], amount["blocks"]


def told(view, *arguments, path=None):
    done = heaptap(view, "--json", *arguments, path or make()).expect(0)
    process, = json.loads(done.stdout)["processes"]
    same(process["target"]["sample_bytes"], PERIOD, f"sample_bytes of {view}")
    return process


def text(view, *arguments, path=None):
    """With the line that says what it is."""
    out = heaptap(view, *arguments, path or make()).expect(0).stdout
    same(out.split("\n").count(SAMPLED), 1, f"lines of {view} that say it is sampled")
    return out


def by_function(entries):
    return {entry["frames"][0]["function"]: entry for entry in entries}


@test("leaks, in either byte order and with each codec")
def _():
    codecs = (sampled.htap_format.STORED, sampled.htap_format.ZLIB, sampled.htap_format.PACKED)
    for order in "<>":
        for codec in codecs:
            report = json.loads(heaptap("leaks", "--json", make(order, codec)).expect(0).stdout)
            summary = report["summary"]
            same((summary["allocated_bytes"], summary["allocations"]), ALLOCATED, "allocated")
            same(summary["frees"], FREED[1], "frees")
            same(summary["failed_allocations"], 132, "failed")
            same(summary["unknown_frees"], None, "unknown frees")
            same(summary["peak_bytes"], PEAK[0], "peak")
            same((summary["leaked_bytes"], summary["leaked_blocks"]), LIVE, "live")
            same(report["target"]["sample_bytes"], PERIOD, "sample_bytes")
            leaks = by_function(report["leaks"])
            same(pair(leaks["alpha"]), ALPHA_LIVE, "alpha")
            same(pair(leaks["beta"]), BETA_LIVE, "beta")
            check("missing_allocator" not in report, "no allocator is missing")
    out = text("leaks")
    has(out, r"Leak sum=65600 count=328 avg=200\n alpha at ")
    has(out, r"Live: 135600 bytes in 329 blocks, peak 201600 bytes\.")
    has(out, r"Frees: 4874, of blocks older than the attach: not known\.")


@test("a recording that is not sampled says nothing of it; weight 0 is 1")
def _():
    story = sampled.Recording(["alpha"], 0)
    story.now += 1
    story.alloc(0x10000, 100, 1, 0)
    path = story.close()
    for view in ("leaks", "sites", "misuse", "threads", "ptr"):
        argument = ["0x10000"] if view == "ptr" else []
        for json_ in ([], ["--json"]):
            out = heaptap(view, *json_, path, *argument).expect(0).stdout
            for word in ("Sampled", "sample_bytes", "weight"):
                check(word not in out, f"{word} in {view} {json_}")
    has(heaptap("leaks", path).stdout, "Leak sum=100 count=1")
    same(rows.read(exported(path, "csv"))[0].get("weight"), None, "no weight in rows")


@test("a recording of heaptap's own writer keeps weights; what it indexes has none")
def _():
    path, copy = make(extra=5), temp(".htap")
    heaptap("symbolize", "-o", copy, path).expect(0)
    with open(path, "rb") as before, open(copy, "rb") as after:
        events = [[r for r in sampled.htap_format.read(file) if r["type"] in ("ALLOC", "TARGET")]
                  for file in (before, after)]
        same(events[1], events[0], "ALLOC and TARGET records")
        footer, _ = sampled.htap_format.read_index(after)
        same(footer["nr_events"], 21, "events in the index")


@test("sites and peak")
def _():
    process = told("sites")
    same({cost: pair(process["sum"][cost]) for cost in ("allocated", "freed", "live", "peak")},
         {"allocated": ALLOCATED, "freed": FREED, "live": LIVE, "peak": PEAK}, "sums")
    sites = by_function(process["sites"])
    same(pair(sites["alpha"]["allocated"]), ALPHA_ALLOCATED, "alpha allocated")
    same(pair(sites["beta"]["allocated"]), BETA_ALLOCATED, "beta allocated")
    # 656 blocks lived 4 s, 66 one; 4097 one, 33 none.
    same(sites["beta"]["mean_lifetime_ns"], 4097 * 10**9 // 4130, "lifetime of beta's")
    same(sites["alpha"]["mean_lifetime_ns"], (4 * 656 + 66) * 10**9 // 722, "of alpha's")
    has(text("sites"), r"Temporary is too high: a block counts when nothing was recorded")
    process = told("peak")
    same(process["peak_after_seconds"], 7, "the peak")
    same(pair(by_function(process["sites"])["alpha"]["peak"]), (65600 + 66000, 328 + 66), "alpha")
    has(text("peak"), r"Peak: 201600 bytes in 395 blocks, after 7\.000 s\.")


@test("tree")
def _():
    tree = told("tree")["tree"]
    same(pair(tree), LIVE, "all")
    same(pair(tree["children"][0]), LIVE, "main")
    same({c["function"]: pair(c) for c in tree["children"][0]["children"]},
         {"alpha": ALPHA_LIVE, "beta": BETA_LIVE}, "its calls")
    has(text("tree"), r"135600 +329 +100\.0%  main ")
    has(heaptap("tree", "--cost", "temporary", make()).expect(0).stderr, "figures are too high")
    done = heaptap("tree", "--format", "cjdns", make()).expect(0)
    has(done.stdout, r"totalBytes \[70200\]")
    has(done.stderr, "the blocks that were recorded, and no others")


@test("timeline, also as rows")
def _():
    line = told("timeline")
    same((line["allocated_bytes"], line["allocations"], line["frees"]), (*ALLOCATED, FREED[1]),
         "totals")
    same(pair(line["peak"]), PEAK, "peak")
    same(line["buckets"][-1]["live_blocks"], LIVE[1], "live at the end")
    has(text("timeline"), r"Live: at most 201600 bytes in 395 blocks, after 7\.000 s\.")
    done = heaptap("timeline", "--format", "csv", make()).expect(0)
    has(done.stderr, SAMPLED)
    header, *lines = (row.split(",") for row in done.stdout.splitlines())
    at = header.index("allocated_bytes")
    same(sum(int(row[at]) for row in lines), ALLOCATED[0], "sum of the rows")


@test("sizes; the limits are of one block, not of what it stands for")
def _():
    sizes = told("sizes")
    same(pair(sizes["sum"]["allocated"]), ALLOCATED, "allocated")
    same({f["bytes"]: f["allocations"] for f in sizes["frequent"]},
         {16: 4097, 100: 656, 200: 328, 1000: 66, 2000: 33, 3000: 22,
          70000: 1}, "sizes")
    same([pair(s["live"]) for s in sizes["sizes"] if s["live"]["blocks"]], [ALPHA_LIVE, BETA_LIVE],
         "live")
    has(text("sizes"), r"Allocations: 5203 \(464752 bytes\)")
    some = told("sizes", "--min-size", "150", "--max-size", "1500")
    same(pair(some["sum"]["allocated"]), (65600 + 66000, 328 + 66), "of 150 to 1500 bytes")


@test("threads")
def _():
    threads = {t["tid"]: t for t in told("threads")["threads"]}
    same(pair(threads[101]["allocated"]), (4097 * 16, 4097), "the second thread")
    same(pair(threads[101]["freed_by_others"]), (4097 * 16, 4097), "freed by others")
    same(pair(threads[100]["freed"]), FREED, "freed by the first")
    same(threads[100]["failed_allocations"], 132, "failed")
    text("threads")


@test("orphans, also as rows")
def _():
    process = told("orphans", "--age", "8")
    same(pair(process["old"]), BETA_LIVE, "old")
    same(pair(process["young"]), ALPHA_LIVE, "young")
    same(process["unknown_frees"], None, "unknown frees")
    has(text("orphans"), "never seen allocated: not known")
    out = temp(".csv")
    done = heaptap("orphans", "--age", "2", "--format", "csv", "-o", out, make()).expect(0)
    same([(e["size"], e["weight"]) for e in rows.read(out) if e["event"] == "alloc"],
         [(100, 656), (70000, 1), (200, 328)], "rows")
    has(done.stderr, "as its column weight")


@test("misuse: what a sample cannot tell is not told")
def _():
    process = told("misuse")
    same((process["double_frees"]["count"], process["invalid_frees"]["count"]), (None, None),
         "frees of nothing")
    same((process["double_frees"]["sites"], process["invalid_frees"]["sites"]), ([], []), "sites")
    same(process["older_than_attach"], None, "older")
    site, = process["mismatches"]["sites"]
    same((site["count"], site["bytes"], process["errors"]), (66, 66000, 66), "mismatches")
    site, = process["failed_allocations"]["sites"]
    same((site["count"], site["bytes"]), (132, 132 * 500), "failed")
    site, = process["reallocs"]["sites"]
    same([site[name] for name in ("count", "bytes", "moved", "copied_bytes", "grown_bytes",
                                  "most_of_one_block")],
         [328, 32800, 328, 32800, 32800, 1], "reallocs")
    site, = process["foreign_frees"]["sites"]
    same((site["count"], site["bytes"]), (4097, 65552), "by another thread")
    out = text("misuse")
    has(out, r"Errors: 66 frees by the wrong function\.")
    has(out, "cannot be found in a sampled recording")


@test("ptr: blocks themselves, and what they stand for")
def _():
    process = told("ptr", "0x10000")
    life, = process["lives"]
    same((life["what"], life["bytes"], life["weight"], life["to"]["bytes"]),
         ("moved", 100, 656, 200), "the first block")
    same((process["blocks"], process["frees_of_nothing"]), (1, 0), "blocks")
    same((process["above"]["bytes"], process["above"]["weight"]), (70000, 1), "above")
    # The end of a block of 70000 bytes, not of what it stands for.
    same(told("ptr", hex(0x10000 + 100))["blocks"], 0, "behind it")
    out = text("ptr", "0x10000")
    has(out, r"Block of 100 bytes at 0x10000, recorded as one of about 656\n")
    has(out, "that were not recorded are not known")


@test("diff: of two samples, and of a sample and a whole")
def _():
    done = heaptap("diff", "--json", make(), make(extra=10)).expect(0)
    process, = json.loads(done.stdout)["processes"]
    same(process["sample_bytes"], {"before": PERIOD, "after": PERIOD}, "sample_bytes")
    site, = process["sites"]
    same((site["bytes"], site["blocks"]), (100000, 100), "what grew")
    same(pair(process["sum"]["after"]), (LIVE[0] + 100000, LIVE[1] + 100), "after")
    has(heaptap("diff", make(), make(extra=10)).stdout, SAMPLED)
    whole = sampled.Recording(["alpha", "beta"], 0)
    whole.now += 1
    whole.alloc(0x10000, 65600, 1, 0)
    has(heaptap("diff", make(), whole.close()).expect(0).stdout,
        "Sampled, the earlier recording: about one allocation per 64 KiB was recorded; ")


def exported(path, form, *arguments):
    out = temp("." + form)
    heaptap("export", "-f", form, "-o", out, *arguments, path).expect(0)
    return out


@test("callgrind with slices and samples")
def _():
    path = exported(make(), "callgrind", "--sample-interval-secs", "2",
                    "--time-slice-interval-secs", "4")
    same(Annotated(path).total, LIVE, "total")
    with open(path, encoding="utf-8") as file:
        has(file.read(), "desc: Sampled: about one allocation per 64 KiB was recorded")
    same([Annotated(f"{path}_slice_{n}_{4 * n}-{4 * n + 4}").total or (0, 0) for n in range(3)],
         [BETA_LIVE, ALPHA_LIVE, (0, 0)], "slices")
    with open(path + ".samples", encoding="utf-8") as file:
        same([tuple(map(int, line.split())) for line in file if line[0] != "#"][:4],
             [(0, 0, 0), (2, 657, 135600), (4, 657, 135600), (6, 329, 135600)], "samples")


@test("folded, pprof and JSON")
def _():
    done = heaptap("export", "-f", "folded", make()).expect(0)
    same(sorted(done.stdout.splitlines()), ["main;alpha 65600", "main;beta 70000"], "folded")
    has(done.stderr, SAMPLED)
    with open(exported(make(), "pprof"), "rb") as file:
        profile = Profile(file.read())
    same(profile.sum(), {"alloc_objects": ALLOCATED[1], "alloc_space": ALLOCATED[0],
                         "inuse_objects": LIVE[1], "inuse_space": LIVE[0]}, "pprof")
    same(profile.message["period"], [PERIOD], "its period")
    with open(exported(make(), "json"), encoding="utf-8") as file:
        data = json.load(file)
    validate(data)
    process, = data["processes"]
    same((process["totals"]["live_bytes"], process["totals"]["live_blocks"]), LIVE, "JSON")
    same(process["totals"]["unknown_frees"], None, "unknown frees")
    same(process["target"]["sample_bytes"], PERIOD, "sample_bytes")


@test("csv has a column more; malloc-trace's rows do not, and that is said")
def _():
    done = heaptap("export", "-f", "csv", make()).expect(0)
    has(done.stdout, r"\A[^\n]*,stack_cut,stack,weight\n")
    has(done.stderr, r"64 KiB was recorded; .* as its column weight says\.")
    events = rows.read(exported(make(), "csv"))
    same([(e["event"], e["size"], e["weight"]) for e in events],
         [("alloc", 100, 656), ("alloc", 70000, 1), ("alloc", 16, 4097), ("free", 16, 4097),
          ("free", 100, 656), ("alloc", 200, 328), ("failed", 500, 132), ("alloc", 1000, 66),
          ("free", 1000, 66), ("alloc", 2000, 33), ("free", 2000, 33),
          ("alloc", 3000, 22), ("free", 3000, 22)], "rows")
    done = heaptap("export", "-f", "malloc-trace", make()).expect(0)
    same({line.count(";") for line in done.stdout.splitlines()}, {5}, "columns of malloc-trace's")
    has(done.stderr, "do not say how many like them each stands for")


@test("sql: the table is that of the rows that are there")
def _():
    path = make()
    folder = os.path.dirname(path)
    csv = os.path.splitext(path)[0] + ".csv"
    without = heaptap("export", "-f", "sql", path, cwd=folder).expect(0).stdout
    check("weight" not in without, f"there are no rows yet:\n{without}")
    heaptap("export", "-f", "csv", "-o", csv, path).expect(0)
    for dialect, kind in (("sqlite", "INTEGER"), ("mysql", "INT UNSIGNED"), ("postgresql", "BIGINT")):
        out = heaptap("export", "-f", "sql", "--dialect", dialect, path, cwd=folder).expect(0)
        has(out.stdout, rf"(?s)stack [A-Z]+ NOT NULL,\n  weight {kind} NOT NULL\n\)")
    database = temp(".db")
    script = heaptap("export", "-f", "sql", path, cwd=folder).stdout
    run(["sqlite3", "-bail", database], data=script.encode(), cwd=folder).expect(0)
    with sqlite3.connect(database) as connection:
        same(connection.execute("SELECT sum(weight * size), sum(weight) FROM heaptap_events "
                                "WHERE event = 'alloc'").fetchone(), ALLOCATED, "sums")


main(watching=False)
