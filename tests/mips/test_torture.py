#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Functions of every shape, in builds of several kinds, under QEMU: what run-torture --quick tries."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from htap import Skip, main, note, same, test

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77


@test("stacks of all shapes of functions are whole, name by name")
def torture():
    done = subprocess.run([os.path.join(HERE, "run-torture"), "--quick"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode == SKIPPED:
        raise Skip(done.stdout.strip())
    note(done.stdout)
    same(done.returncode, 0, "run-torture --quick")


if __name__ == "__main__":
    main(watching=False)
