#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""heaptap on other kernels: each boots in a machine of its own and runs its list of tests there. KERNELS
chooses some of them ("fail", "allocators": calls that fail from outside, on the newest; the last only when it is
chosen), BUDGET says how many seconds all may take (default 600). A kernel that cannot be had is skipped."""
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]

import guest  # noqa: E402 (found by the path above)
import kernels  # noqa: E402
from htap import HEAPTAP, OUT, build, library, note  # noqa: E402

# Which kernel runs what inside, and the kind of link it must give.
LISTS = {"5.10": ("5.10", "inside_old.py", ""),
         "6.1": ("6.1", "inside.py", "perf"),
         "6.12": ("6.12", "inside.py", "multi"),
         "newest": ("newest", "inside.py", "session"),
         "fail": ("newest", "../e2e/test_fail_outside.py", ""),
         "allocators": ("newest", "../e2e/test_fail_outside_allocators.py", "")}
# More does not fit into the default of BUDGET.
DEFAULT = [name for name in LISTS if name != "allocators"]
# Compiled here: a guest would take long.
WORKLOADS = ["functions", "threads", "escape", "throws", "steps", "fork", "outside", "requests"]
# Kept for each kernel that comes later.
RESERVED_SECONDS = 100
BUDGET = int(os.environ.get("BUDGET") or 600)
BEGUN = time.monotonic()


class Tap:
    """Takes a guest's TAP as it comes, and passes it on as a part of ours."""

    def __init__(self):
        self.kernel = ""
        self.nr = self.nr_here = self.nr_planned = self.nr_failed = 0
        self.rest = b""

    def begin(self, kernel):
        self.kernel, self.nr_here, self.nr_planned, self.rest = kernel, 0, 0, b""

    def tell(self, name, why_not=""):
        """A result of this side."""
        self.nr += 1
        print(f"ok {self.nr} - {self.kernel}: {name}{why_not}", flush=True)

    def fail(self, name, why):
        """The same, of what went wrong."""
        note(why)
        self.nr += 1
        self.nr_failed += 1
        print(f"not ok {self.nr} - {self.kernel}: {name}", flush=True)

    def write(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self._take(line.decode(errors="replace"))

    def flush(self):
        """Lines go on when they are whole."""

    def _take(self, line):
        result = re.fullmatch(r"(not )?ok \d+ - (.*)", line)
        plan = re.fullmatch(r"1\.\.(\d+)", line)
        if plan:
            self.nr_planned = int(plan[1])
        elif result:
            self.nr += 1
            self.nr_here += 1
            self.nr_failed += bool(result[1])
            print(f"{result[1] or ''}ok {self.nr} - {self.kernel}: {result[2]}", flush=True)
        else:
            print(line if line.startswith("#") else "# " + line, flush=True)


def try_kernel(name, nr_later, tap):
    """Boots it, runs its list, and leaves time for nr_later others."""
    tap.begin(name)
    number, script, link = LISTS[name]
    try:
        kernel = kernels.get(number)
    except kernels.Missing as why:
        tap.tell("all of its tests", f" # SKIP {' '.join(str(why).split())}")
        return
    begun = time.monotonic()
    settings = {"O": OUT, "HEAPTAP": HEAPTAP, "LINK": link}
    seconds = int(BUDGET - (begun - BEGUN) - nr_later * RESERVED_SECONDS)
    if seconds <= 0:
        tap.fail("there is time left for it", f"the {BUDGET} s of BUDGET are over")
        return
    try:
        status = guest.run(kernel, ["python3", os.path.join(HERE, script)], settings, timeout=seconds,
                           out=tap, err=tap)
    except guest.Failed as why:
        tap.fail(f"the machine runs its list to the end ({kernel.release})", why)
        return
    if tap.nr_here != tap.nr_planned or status not in (0, 1) or not tap.nr_here:
        tap.fail("the list was run to its end", f"{tap.nr_here} of {tap.nr_planned} tests, status {status}")
    note(f"{name}: {kernel.release}, {time.monotonic() - begun:.0f} s")


def main():
    chosen = os.environ.get("KERNELS", "").split() or DEFAULT
    for name in WORKLOADS:
        build(name)
    library("counter")
    tap = Tap()
    for nr_before, word in enumerate(chosen):
        name = word if word in LISTS else kernels.full_name(word)
        if name:
            try_kernel(name, len(chosen) - nr_before - 1, tap)
        else:
            tap.begin(word)
            tap.fail("is there", f"there is no kernel '{word}': it is one of {', '.join(LISTS)}")
    print(f"1..{tap.nr}", flush=True)
    return 1 if tap.nr_failed else 0


if __name__ == "__main__":
    sys.exit(main())
