#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The measuring tools themselves: workloads' own tallies against the preloaded counter. heaptap is
not run here, so a failure here makes failures elsewhere uninteresting."""
import json

from htap import Counter, build, library, main, run, same, test


def counted(program, *arguments, data=b""):
    """(what the counter says, stdout)."""
    counter = Counter(program)
    done = run([program, *arguments], data=data, env=counter.environment()).expect(0)
    return counter.read(), done.stdout


def against_tally(program):
    counts, stdout = counted(program)
    tally = json.loads(stdout)
    same(counts, {key: tally[key] for key in counts}, program)


@test("the counter agrees with the tally of all ten functions")
def _():
    against_tally(build("functions"))


@test("the counter agrees with the tally of constructors and destructors")
def _():
    against_tally(build("ctor", "-Wl,--no-as-needed", library("early")))


@test("the counter leaves forked children out")
def _():
    against_tally(build("fork"))


@test("the counter knows what threads did")
def _():
    counts, _ = counted(build("threads"), "churn", "8", "20000")
    same(counts["allocations"], 8 * 2 * 20000 + 8, "allocations")
    same(counts["unknown_frees"], 0, "unknown frees")


@test("the counter survives death by a signal")
def _():
    counter = Counter(build("quit"))
    run([build("quit"), "-9", "100"], env=counter.environment()).expect(137)
    same(counter.read()["leaked_bytes"], 100, "live bytes")


if __name__ == "__main__":
    main(watching=False)
