# SPDX-License-Identifier: BSD-2-Clause
"""tests/mips/torture.c under the preload library: every stack of it, by its names."""
import collections
import importlib.machinery
import importlib.util
import os
import re

from foreign import record
from htap import BUILT, ROOT, leaks, run, same

TORTURE = os.path.join(ROOT, "tests", "mips", "torture.c")
# The first functions of a program: of glibc, of musl.
STARTS = "_+start(_c)?"


def _expected():
    """By size, what the walker alone is held to: of tests/mips/run-torture."""
    path = os.path.join(ROOT, "tests", "mips", "run-torture")
    loader = importlib.machinery.SourceFileLoader("run_torture", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_torture", loader))
    loader.exec_module(module)
    return module.EXPECTED


def _pattern(words):
    """The stack's names as a regular expression."""
    return "".join(f"({word[:-1]} )?" if word.endswith("?") else
                   f"({word[:-1]} )+" if word.endswith("+") else f"{word} "
                   for word in words.split())


def compile_for(port, *flags):
    """The program with debug information; its path."""
    program = os.path.join(BUILT, f"torture-{port.variant}{''.join(flags)}")
    run([port.compiler, *port.flags, "-std=gnu99", "-w", "-g", "-pthread", *flags, "-o", program,
         TORTURE]).expect(0)
    return program


def judge(port, *flags, **where):
    """Records it (where: root and library of port.run) and compares every stack."""
    program = compile_for(port, *flags)
    path, _ = record(port, program, **where)
    report = leaks("--sysroot", port.rootfs(program), path)
    same(report.done.stderr, "", "what heaptap says")
    faults, seen = [], collections.Counter()
    expected = _expected()
    for leak in report.leaks:
        size = leak["bytes"] // leak["blocks"]
        names = [frame["function"] for frame in leak["frames"]
                 if os.path.basename(frame["module"] or "") == os.path.basename(program)]
        text = " ".join(name or "??" for name in names if not re.fullmatch(STARTS, name or ""))
        if leak["cut"]:
            faults.append(f"{size} bytes: cut after {text}")
        if size not in expected:
            continue
        if not re.fullmatch(_pattern(expected[size]), text + " "):
            faults.append(f"{size} bytes: {text}, not {expected[size]}")
        if size != 7000 and not re.fullmatch(STARTS, names[-1] or ""):
            faults.append(f"{size} bytes: ends at {names[-1]}")
        seen[size] += leak["blocks"]
    same(faults, [], f"stacks of {program}")
    same(sorted(set(expected) - set(seen)), [], f"sizes of {program} that have no stack")
