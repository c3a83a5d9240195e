#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""MIPS stacks under QEMU: first the judge is judged, then by it the walker in real programs."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import lab
from htap import Skip, check, main, note, same, temp, test

# What known_stacks.c says of itself.
KNOWN = {"equal": 0, "cut": 16, "short": 1, "wrong": 1, "long": 0}


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed; scripts/setup mips installs it")


def judge_known(name):
    """The oracle on a program that knows its stacks: it must agree, and see those that lie."""
    arch = lab.ARCHES[name]
    need(arch.emulator, arch.triplet + "-gcc")
    program = lab.compile_c(arch.triplet + "-gcc", os.path.join(lab.OUT, name, "known_stacks"),
                            [os.path.join(lab.HERE, "known_stacks.c")],
                            ["-O1", "-Wall", "-Wno-infinite-recursion", "-pthread",
                             "-fno-optimize-sibling-calls"])
    out = temp(".oracle")
    subprocess.run([arch.emulator, "-L", arch.cross_root, "-plugin", f"{lab.oracle()},out={out}",
                    program], check=True, timeout=60)
    with open(out, encoding="utf-8") as file:
        text = file.read()
    counts = dict(re.findall(r"^count (\w+) (\d+)$", text, re.MULTILINE))
    same({kind: int(counts[kind]) for kind in KNOWN}, KNOWN, "verdicts")
    check(int(counts["signals"]) > 0, "no stack led through a signal handler")
    wrong = re.search(r"^differs wrong (\d+) (\d+)$", text, re.MULTILINE)
    same(wrong.groups() if wrong else None, ("2", "8"), "the falsified frame of all")


def judge_walker(name):
    """Real programs, frame by frame; the targets are run-oracle's."""
    need(lab.ARCHES[name].emulator, lab.ARCHES[name].triplet + "-gcc")
    done = subprocess.run([os.path.join(lab.HERE, "run-oracle"), "--arch", name, "--misses",
                           os.path.join(lab.OUT, f"misses-{name}")], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode == lab.SKIPPED:
        raise Skip(done.stdout.strip().split("\n")[-1])
    note(done.stdout)
    same(done.returncode, 0, f"run-oracle, see {lab.OUT}/misses-{name}")


# Instructions a frame that walks of the library may cost. Where more is needed something was lost.
WARM = {"sqlite3": 27, "python3.11": 27, "openssl": 22}


def judge_speed(name):
    """The library's walks of stacks that it has met, of programs whose stacks are 19 to 26 frames."""
    need(lab.ARCHES[name].emulator, lab.ARCHES[name].triplet + "-gcc")
    for job, most in WARM.items():
        done = subprocess.run([os.path.join(lab.HERE, "run-oracle"), "--arch", name, "--library",
                               "--only", job, "--speed", str(most)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode == lab.SKIPPED:
            raise Skip(done.stdout.strip().split("\n")[-1])
        note(done.stdout)
        same(done.returncode, 0, f"run-oracle --library --only {job} --speed {most}")


for _name in lab.ARCHES:
    test(f"{_name}: the oracle knows right stacks from wrong ones")(
        lambda name=_name: judge_known(name))
for _name, _arch in lab.ARCHES.items():
    if _arch.packaged:
        test(f"{_name}: stacks of real programs are complete and right")(
            lambda name=_name: judge_walker(name))
        test(f"{_name}: the library walks a stack that it has met at few instructions a frame")(
            lambda name=_name: judge_speed(name))

if __name__ == "__main__":
    main(watching=False)
