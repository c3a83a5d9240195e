# SPDX-License-Identifier: BSD-2-Clause
"""What the benchmarks share: rows of figures, the workload of pairs, programs that answer lines."""

import glob
import os
import subprocess
import sys


class Failed(Exception):
    """Something did not run; the text is a sentence."""


def print_head():
    print(f"{'':58}{'measured':>12}{'target':>12}")


def print_row(name, value, unit, target=None, at_most=True):
    text = f"{value:.2f}" if value < 10 else f"{value:.0f}"
    bound = verdict = ""
    if target is not None:
        bound = f"{'<=' if at_most else '>='} {target:g} {unit}".rstrip()
        verdict = "ok" if (value <= target) == at_most or value == target else "not ok"
    print(f"{name:58}{text + ' ' + unit:>12}{bound:>12}  {verdict}".rstrip(), flush=True)


def figure(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if isinstance(value, int) or abs(value) >= 10 else f"{value:.2f}"


class Table:
    """Rows of figures for several subjects, and a goal that all of them have."""

    def __init__(self, head):
        self.rows = [head]

    def add(self, name, values, unit="", goal=None):
        missed = goal is not None and any(value is not None and value > goal for value in values)
        bound = "" if goal is None else f"{goal:g} {unit} at most{': missed' if missed else ''}"
        self.rows.append([name, *(f"{figure(value)} {unit}".rstrip() for value in values), bound])

    def print(self, markdown=False):
        widths = [max(map(len, column)) for column in zip(*self.rows)]
        for number, row in enumerate(self.rows):
            if markdown:
                print("| " + " | ".join(row) + " |")
                if not number:
                    print("|" + " --- |" * len(row))
            else:
                cells = (text.rjust(width) for text, width in zip(row[1:], widths[1:]))
                print("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
        sys.stdout.flush()


def cpu_ns(pid):
    """User and system time of all threads that live."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


def peak_rss(pid):
    """The most resident bytes so far, 0 when the process is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def load():
    with open("/proc/loadavg", encoding="ascii") as file:
        return f"load {file.read().split()[0]} before, {os.cpu_count()} processors"


class Program:
    """A program of this folder, which answers each line by one."""

    def __init__(self, build, name, *arguments):
        self.name = name
        self.process = subprocess.Popen(
            [f"{build}/bench/{name}", *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.pid = self.process.pid

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            said = self.process.communicate()[1].strip()
            raise Failed(said or f"{self.name} ended with status {self.process.returncode}")
        return line

    def ask(self, line=""):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.read()

    def end(self):
        self.process.communicate()


class Pairs(Program):
    """The workload: pairs of malloc and free, as many as it is told."""

    def __init__(self, build, variant, depth):
        super().__init__(build, f"pairs-{variant}", depth)
        # One processor, so that its caches are warm: which one does not matter.
        os.sched_setaffinity(self.pid, {max(os.sched_getaffinity(0))})

    def run(self, pairs):
        """CPU time of one pair, in ns."""
        return float(self.ask(pairs))
