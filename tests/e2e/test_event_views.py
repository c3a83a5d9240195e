#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The views timeline, sizes, threads, ptr and misuse, of real programs."""
import csv
import io
import json
import os
import re

import rows
from htap import build, check, has, heaptap, leaks, main, run, same, temp, test

LENIENT = {**os.environ, "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
WRONG = ["-Wno-mismatched-new-delete", "-Wno-use-after-free", "-Wno-free-nonheap-object",
         "-Wno-alloc-size-larger-than"]


def view(name, *arguments, status=0, env=None):
    """A view's JSON: its first process."""
    done = heaptap(name, "--json", *arguments, env=env).expect(status)
    whole = json.loads(done.stdout)
    same(whole["view"], name, "view")
    return whole["processes"][0]


def recording(*command, env=None):
    """The path of a new recording of a command."""
    path = temp(".htap")
    heaptap("record", "-o", path, "--", *command, env=env).expect(0)
    return path


def misuse_program():
    return build("misuse", *WRONG)


@test("timeline: buckets add up to the totals, in JSON and in rows")
def _():
    path = recording(build("x"))
    summary = leaks(path).summary
    line = view("timeline", path)
    buckets = line["buckets"]
    same(sum(b["allocations"] for b in buckets), summary["allocations"], "allocations")
    same(sum(b["frees"] for b in buckets), summary["frees"], "frees")
    same(sum(b["allocated_bytes"] for b in buckets), summary["allocated_bytes"], "bytes")
    same(max(b["highest_live_bytes"] for b in buckets), summary["peak_bytes"], "peak")
    same((buckets[-1]["live_bytes"], buckets[-1]["live_blocks"]),
         (summary["leaked_bytes"], summary["leaked_blocks"]), "live at the end")
    check(len(buckets) <= 1024, f"{len(buckets)} buckets")
    for before, after in zip(buckets, buckets[1:]):
        same(before["to_seconds"], after["from_seconds"], "gap")
    for name, comma in (("csv", ","), ("tsv", "\t")):
        text = heaptap("timeline", "--format", name, path).expect(0).stdout
        rows = list(csv.DictReader(io.StringIO(text), delimiter=comma))
        same([{k: float(v) for k, v in row.items() if k != "pid"} for row in rows],
             [{k: float(v) for k, v in bucket.items()} for bucket in buckets], name)


@test("timeline: bars as wide as asked for, in ASCII where there is no UTF-8")
def _():
    path = recording(build("x"))
    for locale, block in (("C.UTF-8", "█"), ("C", "#")):
        env = {**os.environ, "LC_ALL": locale}
        lines = heaptap("timeline", "--width", "60", path, env=env).expect(0).stdout.split("\n")
        check(block in lines[1], f"no {block} in {lines[1]}")
        same({len(lines[i]) for i in (1, 3, 5, 6)}, {60}, f"columns with {locale}")
        same(block.isascii(), "\n".join(lines).isascii(), f"ASCII with {locale}")
    heaptap("timeline", "--format", "xml", path).expect(1)
    heaptap("sizes", "--format", "csv", path).expect(1)


@test("sizes: every size in its row, and the most frequent ones")
def _():
    path = recording(build("x"))
    sizes = view("sizes", path)
    same(sizes["sum"]["allocated"], {"bytes": 640 * 4096 + 1024 + 2048 + 4096 + 8192,
                                     "blocks": 644}, "allocated")
    same([(r["from_bytes"], r["to_bytes"], r["allocated"]["blocks"], r["live"]["blocks"])
          for r in sizes["sizes"]],
         [(1024, 1279, 1, 0), (2048, 2559, 1, 0), (4096, 5119, 641, 10), (8192, 10239, 1, 1)],
         "rows")
    same([(f["bytes"], f["allocations"]) for f in sizes["frequent"]],
         [(4096, 641), (1024, 1), (2048, 1), (8192, 1)], "frequent")
    text = heaptap("sizes", "--top", "1", "--max-size", "2048", path).expect(0).stdout
    has(text, r"(?m)^ *1024-1279 +1 +1024 +0 +0 ")
    check("4096" not in text, f"what is filtered:\n{text}")


@test("threads: who allocates and who frees")
def _():
    process = view("threads", "--", misuse_program(), "well")
    first, second = process["threads"][:2]
    same(first["tid"], process["target"]["pid"], "the main thread")
    same(first["freed_by_others"]["blocks"] - second["freed_of_others"]["blocks"], 0, "both ends")
    check(first["freed_by_others"]["blocks"] >= 11, f"by others: {first}")
    same(process["sum"]["failed_allocations"], 9, "failed")
    check(second["first_seconds"] > first["first_seconds"], "who came first")
    text = heaptap("threads", "--top", "1", "--", misuse_program(), "well").expect(0).stdout
    has(text, r"Not shown: 1 more thread\.")


@test("ptr: the life of an address that comes and goes")
def _():
    path = recording(build("x"))
    heaptap("ptr", path).expect(1)
    whole = view("ptr", path, "0x1")
    same((whole["blocks"], whole["lives"]), (0, []), "where nothing ever was")
    address = whole["above"]["address"]
    check(address, "something lives at the end")
    lives = view("ptr", path, hex(address + 5))["lives"]
    same(lives[-1]["what"], "live", "the last life")
    for before, after in zip(lives, lives[1:]):
        check(before["ended"]["seconds"] <= after["allocated"]["seconds"], "order of lives")
    text = heaptap("ptr", path, hex(address + 5)).expect(0).stdout
    has(text, r"5 bytes below the address\nallocated by malloc in thread \d+, after 0\.\d{6} s \(")
    has(text, r"(?m)^ f at x\.c:13$")
    has(text, r"It lives at the end\.")
    has(text, rf"Address {hex(address + 5)}: {len(lives)} blocks?, and 0 frees")


ERRORS = {("operator new", "free"): 4, ("malloc", "operator delete"): 5,
          ("operator new[]", "operator delete"): 6, ("operator new", "operator delete[]"): 7}


@test("misuse: each thing as often as it was done, with the place")
def _():
    misuse = view("misuse", "--error-exitcode", "9", "--", misuse_program(), status=9, env=LENIENT)
    same({(s["allocated_by"], s["freed_by"]): s["count"] for s in misuse["mismatches"]["sites"]},
         ERRORS, "mismatches")
    same((misuse["double_frees"]["count"], misuse["invalid_frees"]["count"]), (1, 2), "frees")
    same(misuse["errors"], sum(ERRORS.values()) + 3, "errors")
    twice = misuse["double_frees"]["sites"][0]
    same([f["function"] for f in twice["frames"]][:2], ["free_twice(int)", "main"], "stack")
    misuse = view("misuse", "--free-stacks", "--", misuse_program(), env=LENIENT)
    same([[f["function"] for f in s["frames"]][0] for s in misuse["invalid_frees"]["sites"]],
         ["free_inside(int)"], "where the invalid frees are")
    same({s["free"]["frames"][0]["function"] for s in misuse["mismatches"]["sites"]},
         {"mismatch()"}, "where the mismatches are")
    same({k: misuse[k]["count"] for k in ("failed_allocations", "zero_size")},
         {"failed_allocations": 9, "zero_size": 8}, "others")
    grown = [s for s in misuse["reallocs"]["sites"] if s["frames"][0]["function"] == "waste()"]
    same([(s["count"], s["most_of_one_block"], s["grown_bytes"]) for s in grown], [(50, 50, 50)],
         "reallocs")
    foreign = [s for s in misuse["foreign_frees"]["sites"]
               if s["frames"][0]["function"] == "waste()"]
    same([(s["count"], s["bytes"]) for s in foreign], [(11, 550)], "freed by another thread")


@test("--free-stacks: ptr, misuse and csv say who freed, by every kind of link")
def _():
    for kind in ("session", "multi", "perf"):
        path = temp(".htap")
        heaptap("record", "--free-stacks", "--link", kind, "-o", path, "--", misuse_program(),
                env=LENIENT).expect(0)
        misuse = view("misuse", path)
        same({(s["allocated_by"], s["freed_by"]): s["free"]["frames"][0]["function"]
              for s in misuse["mismatches"]["sites"]},
             {pair: "mismatch()" for pair in ERRORS}, f"{kind}: where the mismatches are")
        text = heaptap("misuse", path).expect(0).stdout
        has(text, r"allocated by operator new of c\+\+, freed by free\b")
        has(text, r"(?m)^freed there, the first time:\n mismatch\(\) at misuse\.cc:\d+$")
        freed = [row for row in rows.own(heaptap("export", "-f", "csv", path).expect(0).stdout)
                 if row["event"] == "free" and row["function"] != "realloc"]
        check(freed and all(row["stack"] for row in freed), f"{kind}: frees without a stack")
        row = [row for row in freed if row["stack"][0]["f"] == "mismatch()"][0]
        lives = view("ptr", path, row["address_hex"])["lives"]
        places = [life["ended_at"]["frames"][0]["function"] for life in lives if "ended_at" in life]
        check("mismatch()" in places, f"{kind}: freed by {places}")
        has(heaptap("ptr", path, row["address_hex"]).expect(0).stdout,
            r"freed by [a-z\[\] +]+.*\n mismatch\(\) at misuse\.cc:\d+\n")


@test("misuse: valgrind counts the same errors")
def _():
    program = build("misuse", *WRONG, "-DSTANDARD_OPERATORS", target="misuse-standard")
    done = run(["valgrind", "--show-mismatched-frees=yes", program])
    same(int(re.search(r"ERROR SUMMARY: (\d+) errors", done.stderr)[1]), sum(ERRORS.values()) + 3,
         f"errors of valgrind:\n{done.stderr[:3000]}\n")


@test("misuse: a program that behaves has no errors, and its status")
def _():
    text = heaptap("misuse", "--error-exitcode", "9", "--", misuse_program(), "well").expect(0).stdout
    has(text, r"(?m)^Errors: 0 double frees, 0 frees of what was never allocated, 0 frees by the")
    for program in (["perl", "-e", "print 1"], ["git", "--version"], ["sqlite3", ":memory:", ".help"]):
        heaptap("misuse", "--error-exitcode", "9", "-o", temp(), "--", *program).expect(0)


if __name__ == "__main__":
    main()
