#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The least that heaptap must do on the newest kernel; runs in a guest of scripts/kernel-vm."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from htap import attached, build, check, has, interrupt, is_clean, main, same, started, steps, test  # noqa: E402
from outside import Target, failures  # noqa: E402


@test("attached: what it does from then on, with whole stacks; and nothing is left in it")
def _():
    with steps() as target:
        with attached(target.pid) as watcher:
            target("keep", 30, 7)
            done = interrupt(watcher).expect(0)
        check(is_clean(target.pid), "probes are left in the target")
        target.end()
    has(done.stdout, r"(?m)^Leak sum=210 count=30 avg=7\n keep at steps\.c:\d+\n")
    has(done.stdout, " _start at ")
    has(done.stdout, r"Lost events: 0\.")


@test("calls that fail from outside: each of those that are chosen, with errno, and no other")
def _():
    with started([build("outside")]) as process:
        work = Target(process)
        with attached(process.pid, "--json", "--only", "parse_request", subcommand="fail") as watcher:
            same(work("malloc", 100), (100, 100), "malloc in parse_request")
            same(work("other", 100), (0, 0), "malloc in keep_alive")
            told = failures(interrupt(watcher).expect(0))
        same(len(told), 100, "failures that were printed")
        same(work("malloc", 100), (0, 0), "malloc after")
        check(is_clean(process.pid), "probes are left")


if __name__ == "__main__":
    main()
