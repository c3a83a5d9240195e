# SPDX-License-Identifier: BSD-2-Clause
"""What a stack says of a function that a signal interrupted, by tests/workloads/interrupted.c."""
import os

from htap import WORKLOADS, same

FLAGS = ["-O2"]


def expected():
    """By bytes, the function and the line that were interrupted."""
    with open(os.path.join(WORKLOADS, "interrupted.c"), encoding="utf-8") as file:
        lines = [line.strip() for line in file]
    return {1000: ("at_first_instruction", lines.index("return *p * 5;") + 1),
            2000: ("at_first_of_line", lines.index("return *at * 5;") + 1)}


def judge(report):
    """The frame behind the handler's, or behind the kernel's trampoline, which has no line."""
    found = {}
    for leak in report.leaks:
        frames = [(frame["function"], frame["line"]) for frame in leak["frames"] if frame["line"]]
        same(frames[0][0], "handle", "the allocator's caller")
        found[leak["bytes"]] = frames[1]
    same(found, expected(), "what was interrupted")
