#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Measures heaptap against its targets: bench.py BUILD-DIRECTORY [ROUNDS]

Costs are CPU time, never wall time. What is compared is measured in turns in one process, and a
ratio is the median of the rounds' ratios: virtual machines change their speed by half within
seconds, and so both sides of a ratio slow down together.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from common import Failed, Pairs, Program, print_head, print_row
from unwinding import bench_attach, bench_parts, bench_tables

EVENTS = 10_000_000
PAIRS = {"native": 100_000, "floor": 10_000, "first": 2_000, "heaptap": 10_000}
SLICES = 8
# Heaptap / floor at most, by depth.
TARGETS = {5: 1.4, 20: 1.6, 60: 2.5}


class Floor(Program):
    """Empty programs on the instructions heaptap chooses, or on the first ones."""

    def __init__(self, build, pid, where):
        super().__init__(build, "floor", pid, where)
        self.read()

    def detach(self):
        self.end()
        return True


class Heaptap:
    """heaptap record, attached to the workload."""

    def __init__(self, build, pairs, native_ns):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [f"{build}/heaptap", "record", "-p", str(pairs.pid), "-o", "/dev/null"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log)
        # Attached when the workload feels it, whatever heaptap prints.
        deadline = time.monotonic() + 30
        while pairs.run(2000) < native_ns + 300:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise Failed(f"heaptap did not attach: {self.said()}")
            time.sleep(0.02)

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace").strip()

    def detach(self):
        """False when events were lost: their cost is missing from the figures."""
        self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed("heaptap did not stop after SIGINT")
        if status:
            raise Failed(f"heaptap ended with status {status}: {self.said()}")
        return "lost" not in self.said()


def attach(build, pairs, kind, native_ns):
    if kind == "heaptap":
        return Heaptap(build, pairs, native_ns)
    return Floor(build, pairs.pid, "first" if kind == "first" else "chosen")


def measure_pairs(build, variant, depth, rounds, kinds):
    """CPU time of a pair in ns, for each round and kind of tracing."""
    pairs = Pairs(build, variant, depth)
    native_ns = pairs.run(PAIRS["native"])
    measured = []
    for _ in range(rounds):
        ns = {}
        for kind in kinds:
            tracer = attach(build, pairs, kind, native_ns) if kind != "native" else None
            pairs.run(PAIRS[kind])
            ns[kind] = statistics.median(pairs.run(PAIRS[kind]) for _ in range(SLICES))
            if tracer and not tracer.detach():
                print("bench: heaptap lost events, the next figure is too good", file=sys.stderr)
        measured.append(ns)
    pairs.end()
    return measured


def bench_pairs(build, variant, depth, rounds, with_first):
    kinds = ["native", "floor", "heaptap"] + (["first"] if with_first else [])
    measured = measure_pairs(build, variant, depth, rounds, kinds)

    def median(figure):
        return statistics.median(figure(ns) for ns in measured)

    def first_added_to(kind):
        return median(lambda ns: (ns["first"] - ns["native"]) / (ns[kind] - ns["native"]))

    what = f"depth {depth}, {'' if variant == 'fp' else 'no '}frame pointers"
    print(f"a pair of malloc and free, {what}:")
    print_row("  native", median(lambda ns: ns["native"]), "ns")
    print_row("  floor: empty programs on the chosen instructions",
              median(lambda ns: ns["floor"]), "ns")
    if with_first:
        print_row("  empty programs on the first instructions",
                  median(lambda ns: ns["first"]), "ns")
    print_row("  heaptap record", median(lambda ns: ns["heaptap"]), "ns")
    print_row("  heaptap / floor", median(lambda ns: ns["heaptap"] / ns["floor"]), "x",
              TARGETS[depth])
    if with_first:
        print_row("  time added: first instructions / heaptap", first_added_to("heaptap"), "x",
                  10, at_most=False)
        print_row("  time added: first instructions / floor", first_added_to("floor"), "x")
    else:
        bench_parts(build, depth, max(3, rounds // 3),
                    median(lambda ns: ns["floor"] - ns["native"]))


def make_recording(build, directory, kind):
    path = os.path.join(directory, f"{kind}.htap")
    if subprocess.call([f"{build}/bench/recording", kind, str(EVENTS), path]):
        raise Failed(f"cannot write the recording of {EVENTS} {kind}")
    return path


def read_recording(build, path, view="leaks"):
    """A view of it: its CPU seconds and its resident bytes at most."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([f"{build}/heaptap", view, path],
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise Failed(f"heaptap {view} {path} ended with status {process.returncode}: "
                         f"{output.read(500).decode(errors='replace')}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def bench_reading(build, directory, kind, whose):
    path = make_recording(build, directory, kind)
    print(f"a recording of {EVENTS / 1e6:.0f} million events{whose}, "
          f"{os.path.getsize(path) / EVENTS:.1f} bytes each:")
    for view in ("leaks", "peak"):
        seconds = statistics.median(read_recording(build, path, view)[0] for _ in range(3))
        print_row(f"  heaptap {view}: events read in a second of CPU time", EVENTS / seconds / 1e6,
                  "M/s", 3, at_most=False)
    os.unlink(path)


def bench_memory(build, directory):
    path = make_recording(build, directory, "live")
    resident = read_recording(build, path)[1]
    print(f"heaptap leaks, {EVENTS / 1e6:.0f} million live blocks:")
    print_row("  resident memory", resident / 2**30, "GiB", 1)
    print_row("  resident memory for a block", resident / EVENTS, "B", 64)
    os.unlink(path)


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    build = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 15
    status = 0
    print_head()
    with tempfile.TemporaryDirectory(dir=build) as directory:
        for bench in (lambda: bench_pairs(build, "fp", 5, rounds, True),
                      lambda: bench_pairs(build, "nofp", 5, rounds, True),
                      lambda: bench_pairs(build, "nofp", 20, rounds, False),
                      lambda: bench_pairs(build, "nofp", 60, rounds, False),
                      lambda: bench_tables(build),
                      lambda: bench_attach(build, directory, rounds),
                      lambda: bench_reading(build, directory, "events", ""),
                      lambda: bench_reading(build, directory, "tree", " of 60 processes"),
                      lambda: bench_memory(build, directory)):
            try:
                bench()
            except (Failed, OSError) as error:
                print(f"bench: {error}", file=sys.stderr)
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
