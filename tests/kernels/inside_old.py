#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What heaptap must do on a kernel that is too old for its probes; runs in a guest of scripts/kernel-vm."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from htap import build, has, heaptap, leaks, main, same, started, test  # noqa: E402

TOO_OLD = (r"\Aheaptap: This kernel \(Linux 5\.10\.\S+\) cannot tell BPF programs which probe has called them, "
           r"which heaptap needs: use Linux 5\.15 or newer [^\n]*\.\n\Z")


@test("doctor says what is missing, and what works all the same")
def _():
    done = heaptap("doctor")
    same(done.status, 1, "status")
    has(done.stdout, r"BPF programs +NO")
    has(done.stdout, r"needs Linux 5\.15 or newer")
    has(done.stdout, r"uprobe links +NO")
    has(done.stdout, r"commands that it starts can be watched \(--engine preload\)")


@test("too old for BPF: refused in one sentence, launched and attached")
def _():
    done = heaptap("leaks", "--engine", "bpf", "--", "true").expect(1)
    has(done.stderr, TOO_OLD, "stderr")
    same(done.stdout, "", "stdout")
    with started(["sleep", "100"]) as process:
        has(heaptap("leaks", "-p", str(process.pid)).expect(1).stderr, TOO_OLD, "stderr")
        same(process.poll(), None, "the target's status")


@test("too old for BPF: by itself it falls back to the preload library, says so, and counts every byte")
def _():
    report = leaks("--", build("functions"))
    same(report.summary, json.loads(report.done.stdout), "heaptap against the tally")
    has(report.done.stderr, r"\Aheaptap: Watching from inside, by a preloaded library, for BPF does not work here"
                            r"[^\n]*\n\Z", "stderr")


if __name__ == "__main__":
    main()
