# SPDX-License-Identifier: BSD-2-Clause
"""Makes sampled recordings of made-up processes, by the rule of docs/format.md."""
import math
import os
import sys

from htap import ROOT, temp

sys.path.insert(0, os.path.join(ROOT, "tests", "golden"))
import htap_format  # noqa: E402

SECOND = 10**9
START = 5000 * SECOND
CODE = 0x400000


def probability(size, period):
    """Of an allocation of that size to be recorded."""
    return 1.0 if size >= period else -math.expm1(-size / period)


def weight(probability, random):
    """The inverse, rounded up or down so that the mean is right."""
    low = int(1 / probability)
    return low + (random.random() < 1 / probability - low)


def variance(probability):
    """Of what the weights of one allocation add up to, whose mean is 1."""
    part = 1 / probability % 1
    return 1 / probability + probability * part * (1 - part) - 1


class Recording:
    """One process of pid 100, whose stack n is function n of `functions`, called by main."""

    def __init__(self, functions, sample_bytes, order="<", codec=htap_format.ZLIB):
        self.path = temp(".htap")
        self.file = open(self.path, "wb")
        self.writer = htap_format.Writer(self.file, order, 8, codec, monotonic_ns=START,
                                         realtime_ns=START)
        self.now = START
        self.functions = ["main", *functions]
        exe = b"/bin/sampled"
        self.add("TARGET", attached_ns=START, exe=exe, cmdline=exe, sample_bytes=sample_bytes)
        self.add("MODULE", id=0, path=exe, build_id=b"")
        self.add("MAPPING", time_ns=START, start=CODE, end=CODE + 0x100000, vaddr=0, module=0)
        for number in range(1, len(self.functions)):
            self.add("STACK", time_ns=START, id=number, flags=0,
                     frames=[CODE + 16 * number + 16, CODE + 16])

    def add(self, kind, **fields):
        self.writer.add({"type": kind, "pid": 100, **fields})

    def alloc(self, addr, size, stack, weight, func=1, tid=100, flags=0):
        self.add("ALLOC", time_ns=self.now, addr=addr, bytes=size, tid=tid, stack=stack, func=func,
                 flags=flags, weight=weight)

    def free(self, addr, func=5, tid=100, flags=0):
        self.add("FREE", time_ns=self.now, addr=addr, tid=tid, func=func, flags=flags)

    def close(self):
        """The path of the recording, which is complete now."""
        self.add("END", time_ns=self.now, reason=2, status=0)
        for number, name in enumerate(self.functions):
            text = name.encode()
            self.writer.add({"type": "STRING", "pid": 0, "id": number + 1, "text": text})
            self.writer.add({"type": "SYMBOL", "pid": 0, "vaddr": 16 * number + 16, "module": 0,
                             "frames": [(number + 1, 0, 0)]})
        self.writer.add({"type": "END", "pid": 0, "time_ns": self.now, "reason": 2, "status": 0})
        self.writer.close()
        self.file.close()
        return self.path
