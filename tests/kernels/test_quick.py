#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The part of test_kernels.py that is quick enough for make check: the kernel that is too old, and
attaching and failing calls on the newest. Nothing is fetched for it, and a machine that cannot do it
in time has not failed: what cannot be tried is skipped, with the reason."""
import os
import shutil
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]

import guest  # noqa: E402 (found by the path above)
import kernels  # noqa: E402
from htap import HEAPTAP, OUT, build  # noqa: E402
from test_kernels import Tap  # noqa: E402

# What runs inside, and which of its tests.
LISTS = {"5.10": ("inside_old.py", "too old"), "newest": ("inside_quick.py", "")}
WORKLOADS = ["functions", "steps", "outside"]
BUDGET_SECONDS = 100  # for all


def why_not(name):
    """Why this kernel cannot be tried here; None: it can."""
    if os.geteuid():
        return "only root can attach"
    for program in ("qemu-system-x86_64", os.environ.get("CC", "gcc")):
        if not shutil.which(program):
            return f"{program} is not installed; scripts/setup kernels installs it"
    if not kernels.cached(name):
        return f"its kernel has not been fetched; scripts/kernel-vm --fetch {name} does"
    return None


def try_kernel(name, deadline, tap):
    """Runs its list in a machine of its own."""
    tap.begin(name)
    reason = why_not(name)
    if reason:
        tap.tell("all of its tests", f" # SKIP {reason}")
        return
    script, words = LISTS[name]
    seconds = max(1, int(deadline - time.monotonic()))
    try:
        status = guest.run(kernels.cached(name), ["python3", os.path.join(HERE, script), words],
                           {"O": OUT, "HEAPTAP": HEAPTAP}, timeout=seconds, out=tap, err=tap)
    except guest.Late:
        tap.tell("the rest of its tests", f" # SKIP this machine is too slow to do it in {seconds} s; "
                 "make check-kernels takes its time")
        return
    except guest.Failed as why:
        tap.fail("the machine runs its list to the end", why)
        return
    if tap.nr_here != tap.nr_planned or status not in (0, 1) or not tap.nr_here:
        tap.fail("the list was run to its end", f"{tap.nr_here} of {tap.nr_planned} tests, status {status}")


def main():
    for name in WORKLOADS if not all(map(why_not, LISTS)) else []:
        build(name)
    deadline = time.monotonic() + BUDGET_SECONDS
    tap = Tap()
    for nr_before, name in enumerate(LISTS):
        left = len(LISTS) - nr_before - 1
        try_kernel(name, deadline - left * BUDGET_SECONDS / len(LISTS), tap)
    print(f"1..{tap.nr}", flush=True)
    return 1 if tap.nr_failed else 0


if __name__ == "__main__":
    sys.exit(main())
