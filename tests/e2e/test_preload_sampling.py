#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The preload library's samples: what is estimated from them is what happened."""
import collections
import glob
import json
import os

from htap import (OUT, build, check, has, heaptap, leaks, library, main, note, run, same, temp,
                  test)
from weighed import PERIOD, compare, estimates, truth

LIBRARY = os.path.join(OUT, "libheaptap-preload.so")
SEEDS = 40


def weighed():
    return build("weighed", "-fno-builtin")


def record(*command, expect=0, **variables):
    """Runs a command with the library; (path, how it ended)."""
    path = temp(".htap")
    env = {**os.environ, "LD_PRELOAD": LIBRARY, "HEAPTAP_FILE": path, **variables}
    done = run(command, env=env).expect(expect)
    same([line for line in done.stderr.split("\n") if line.startswith("heaptap:")], [], "stderr")
    return path, done


@test("over many samples the mean of each site's estimates is the truth")
def _():
    sums, squares = collections.Counter(), collections.Counter()
    for seed in range(1, SEEDS + 1):
        path, done = record(weighed(), "story", HEAPTAP_SAMPLE=str(PERIOD), HEAPTAP_SEED=str(seed))
        want = truth(done.stdout)
        found = estimates(path)
        for place, (sum_, variance) in want.items():
            off = found[place] - sum_
            if not variance or not sum_:
                same(off, 0, f"{place}, which is known for certain")
                continue
            sums[place] += off
            squares[place] += off * off / variance
    check(len(sums) > 40, f"only {len(sums)} are estimates")
    worst = max((abs(total) / (SEEDS * want[place][1]) ** 0.5, place)
                for place, total in sums.items())
    note(f"the worst of {len(sums)} means is {worst[0]:.2f} sigma off: {worst[1]}")
    check(worst[0] <= 4, f"{worst[1]} is biased: {worst[0]:.1f} sigma off over {SEEDS} samples")
    spread = [square / SEEDS for square in squares.values()]
    note(f"variances are {min(spread):.2f} to {max(spread):.2f} of what they should be")
    mean = sum(spread) / len(spread)
    check(0.8 < mean < 1.25, f"variances are {mean:.2f} times what they should be")
    check(0.3 < min(spread) and max(spread) < 2.5, f"variances: {sorted(spread)}")


@test("the same seed chooses the same sample, another one another")
def _():
    seeds = ("1", "1", "2", "0", "0")
    found = [estimates(record(weighed(), "story", HEAPTAP_SAMPLE="16K", HEAPTAP_SEED=seed)[0])
             for seed in seeds]
    same(found[0], found[1], "two with one seed")
    check(found[0] != found[2], "two seeds chose alike")
    check(found[3] != found[4], "two without a seed chose alike")


@test("threads that give back each other's blocks")
def _():
    want = truth(record(weighed(), "story")[1].stdout, times=8)
    for seed in ("1", "2", "0"):
        path, _ = record(weighed(), "threads", "8", HEAPTAP_SAMPLE="16K", HEAPTAP_SEED=seed)
        compare(want, estimates(path), sigmas=4.5)


@test("children choose for themselves, and know nothing of their parent's blocks")
def _():
    path, done = record(weighed(), "children", "4", HEAPTAP_SAMPLE="16K", HEAPTAP_SEED="7")
    want = truth(done.stdout)
    compare(want, estimates(path), sigmas=4.5)
    children = [estimates(name) for name in glob.glob(f"{path}.*")]
    same(len(children), 4, "recordings of children")
    for child in children:
        compare(want, child, sigmas=4.5)
    check(len({tuple(sorted(child.items())) for child in children}) == 4, "two chose alike")


def exact(text):
    return {place: sum_ for place, (sum_, _) in truth(text).items()}


@test("what is as large as the period is recorded each time")
def _():
    path, done = record(weighed(), "story", HEAPTAP_SAMPLE="24", HEAPTAP_MEMORY="4M")
    want, found = exact(done.stdout), estimates(path, 24)
    same({place: found[place] for place in want}, want, "with every block a sample")


@test("calls of all functions, and those that are left by jumps and exceptions")
def _():
    for command in ([build("functions")], [build("escape")], [build("escape"), "realloc"],
                    [build("ctor", "-Wl,--no-as-needed", library("early"))], [build("operators")],
                    [build("throws", target="throws")]):
        plain = run(command)
        for period in ("1", "100", "4K", "512K"):
            path, done = record(*command, expect=plain.status, HEAPTAP_SAMPLE=period)
            same(done.stdout, plain.stdout, f"what {command} prints")
            summary = leaks(path).summary
            same(summary["lost_events"], 0, f"lost events of {command} at {period}")
        # Of a byte each, all but those of none are samples.
        path, _ = record(*command, expect=plain.status, HEAPTAP_SAMPLE="1")
        whole, _ = record(*command, expect=plain.status)
        same(leaks(path).summary["leaked_bytes"], leaks(whole).summary["leaked_bytes"],
             f"bytes left by {command}")


@test("signal handlers that allocate, and jump out, from anywhere")
def _():
    for period in ("1", "64", "4K"):
        path, _ = record(build("handlers"), "1000", HEAPTAP_SAMPLE=period,
                         LD_PRELOAD=f"{LIBRARY} {library('pool', '-fno-builtin')}")
        kept = sum(leak["blocks"] for leak in leaks(path).leaks
                   if leak["bytes"] == leak["blocks"] * 7777)
        same(kept, 1000, "blocks kept at the end, which are larger than the period")


@test("more samples than there is room for are lost, and that is said")
def _():
    path, done = record(weighed(), "story", HEAPTAP_SAMPLE="24", HEAPTAP_MEMORY="912K",
                        HEAPTAP_WAIT="10000")
    want, found = exact(done.stdout), estimates(path, 24)
    lost = leaks(path).summary["lost_events"]
    missing = sum(want[place] - found[place] for place in want if place[1:] == ("allocated", "blocks"))
    check(lost > 1000, f"{lost} are lost")
    # What is large resizes is lost with both its blocks, or comes without its first.
    check(missing <= lost <= 1.5 * missing, f"{missing} are missing, {lost} are lost")
    check(all(found[place] <= want[place] for place in want if place[1] != "freed"), "too many")


@test("reports say that they are estimates")
def _():
    path, _ = record(weighed(), "story", HEAPTAP_SAMPLE="512K")
    for view in ("leaks", "sites"):
        has(heaptap(view, path).expect(0).stdout, "(?i)sampl|estimat", f"heaptap {view}")


@test("a period that is none is said not to be understood")
def _():
    for value in ("-1", "2G", "4x", "some"):
        env = {**os.environ, "LD_PRELOAD": LIBRARY, "HEAPTAP_FILE": temp(), "HEAPTAP_SAMPLE": value}
        has(run(["true"], env=env).expect(0).stderr, "HEAPTAP_SAMPLE", "stderr")


main(watching=False)
