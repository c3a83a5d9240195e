# SPDX-License-Identifier: BSD-2-Clause
"""What the benchmarks share: rows of figures, the workload of pairs, programs that answer lines."""

import os
import subprocess


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
