#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What counts as what: workloads that know exactly what they did, launched and watched whole."""
import json
import os

from htap import (TIMEOUT, Counter, build, check, equal_counts, leaks, library, main, same, test)


def against_tally(*command, **options):
    """Watches a workload that prints its own tally; the report."""
    report = leaks("--", *command, **options)
    same(report.summary, json.loads(report.done.stdout), f"heaptap against the tally of {command}")
    return report


def against_counter(program, *arguments, options=(), timeout=TIMEOUT):
    """Watches a workload with the counter inside; the report."""
    counter = Counter(program)
    report = leaks(*options, "--", program, *arguments, env=counter.environment(),
                   timeout=timeout)
    equal_counts(report, counter)
    return report


@test("all ten functions: success, failure, nesting, resizing")
def _():
    against_tally(build("functions"))


@test("all ten functions, in a thread and after it")
def _():
    against_counter(build("functions"), "threads")


@test("calls left by siglongjmp do not make the thread deaf")
def _():
    report = against_tally(build("escape"))
    same(report.summary["lost_events"], 0, "lost events")


@test("a block whose realloc was left by siglongjmp lives, and can be given back")
def _():
    against_tally(build("escape"), "realloc")


@test("threads that die inside malloc harm nobody else")
def _():
    against_counter(build("escape"), "threads")


@test("constructors, preinit functions and destructors count when launched")
def _():
    report = against_tally(build("ctor", "-Wl,--no-as-needed", library("early")))
    same(report.total_from("early_begin"), (3, 3333), "kept by the library's constructor")
    same(report.total_from("before_anything"), (1, 333), "kept before any constructor")
    same(report.total_from("early_end"), (1, 2222), "kept by the destructor")


@test("a preloaded library's constructor counts")
def _():
    env = {**os.environ, "LD_PRELOAD": library("early"),
           "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}
    report = leaks("--", build("quit"), "0", env=env)
    same(report.total_from("early_begin"), (4, 4444), "kept by the library's constructor")


@test("forked children are not the process")
def _():
    against_tally(build("fork"))


@test("exec discards the old heap")
def _():
    # Everything before the exec is gone with its heap; the new program is watched whole.
    report = against_tally(build("replace"), build("functions"))
    same(report.from_function("main"), [leak for leak in report.from_function("main")
                                        if leak["bytes"] != 123400], "leaks of the old image")


@test("exec by a script's interpreter and by env")
def _():
    report = leaks("--", "sh", "-c", f"exec env A=B {build('functions')}")
    same(report.summary, json.loads(report.done.stdout), "heaptap against the tally")


@test("10 000 short-lived threads: every number equals the counter's")
def _():
    report = against_counter(build("threads"), "short", "10000")
    same(report.total_from("keep_one"), (10000, 480000), "kept by the threads")


@test("what libc gives back for itself when a thread ends is no free of the program's")
def _():
    report = leaks("--", build("threads"), "short", "100")
    same(report.summary["unknown_frees"], 0, "unknown frees")


@test("threads that outlive the first one count")
def _():
    report = against_counter(build("threads"), "orphan", "20")
    same(report.total_from("keep_one"), (20, 960), "kept by the threads")


@test("8 threads, 10 million events, lossless: nothing lost, every free matched")
def _():
    report = against_counter(build("threads"), "churn", "8", "312500", options=["--lossless"],
                             timeout=600)
    same(report.summary["unknown_frees"], 0, "unknown frees")
    events = 2 * report.summary["allocations"]
    check(events >= 10_000_000, f"only {events} events")


@test("lossless with the smallest ring: still nothing lost")
def _():
    for _ in range(6):  # stopping and continuing may cross: not every time
        against_counter(build("threads"), "churn", "8", "20000",
                        options=["--lossless", "--ring-size", "64K"])


@test("without lossless a small ring loses events, and says so")
def _():
    report = leaks("--no-lossless", "--ring-size", "64K", "--", build("threads"), "churn", "8",
                   "100000")
    check(report.summary["lost_events"] > 0, f"nothing was lost: {report.summary}")


@test("many different stacks, twice each: few enough to list, and more than the kernel keeps")
def _():
    report = leaks("--", build("stacks"), "many", "10")
    same(len(report.leaks), 1 << 10, "number of entries")
    same({(leak["blocks"], leak["bytes"]) for leak in report.leaks}, {(2, 32)}, "entries")
    report = leaks("--top", "5", "--", build("stacks"), "many", "18")
    same(report.summary["leaked_blocks"], 2 << 18, "blocks")
    same([(leak["blocks"], leak["bytes"]) for leak in report.leaks], [(2, 32)] * 5, "entries")


@test("stacks deeper than can be kept are cut at the outer end")
def _():
    report = leaks("--", build("stacks"), "deep", "1", "50", "120", "126", "1000")
    for leak in report.leaks:
        depth = leak["bytes"] - 1000
        names = [frame["function"] for frame in leak["frames"]]
        same(names[:depth], ["descend"] * min(depth, len(names)), f"depth {depth}")
        if depth <= 126:
            same(names[depth:depth + 1], ["main"], f"below depth {depth}")
    same(len(report.leaks), 5, "entries")


if __name__ == "__main__":
    main()
