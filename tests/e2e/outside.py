# SPDX-License-Identifier: BSD-2-Clause
"""Calls that are made to fail from outside, for the tests of that: whether this kernel allows it, and
processes that say what it looks like from inside."""
import functools
import json
import os
import select

from htap import TIMEOUT, Skip, check, has, heaptap


@functools.cache
def refusal():
    """What doctor says of a kernel that does not allow it; None: it does."""
    text = heaptap("doctor", timeout=180).stdout
    has(text, r"(?m)^  injection from outside +(ok|none) ", "doctor")
    line = next(line for line in text.split("\n") if "injection from outside" in line)
    return None if line.split()[3] == "ok" else line.partition(" none ")[2].strip()


def needs_kernel():
    """Leaves a test that cannot be done here."""
    if refusal():
        raise Skip(f"this kernel does not allow it: {refusal()}")


class Target:
    """A workload that is told what to do: outside.cc or requests.c."""

    def __init__(self, process):
        self.process = process
        self.pid = process.pid

    def send(self, word, count=1):
        self.process.stdin.write(f"{word} {count}\n".encode())
        self.process.stdin.flush()

    def answer(self, word):
        check(select.select([self.process.stdout], [], [], TIMEOUT)[0], f"{word}: no answer")
        return tuple(int(number) for number in os.read(self.process.stdout.fileno(), 100).split())

    def __call__(self, word, count=1):
        """(calls that failed, those that did as they should)"""
        self.send(word, count)
        return self.answer(word)


def failures(done):
    """What --json has printed."""
    return [json.loads(line) for line in done.stdout.split("\n") if line]
