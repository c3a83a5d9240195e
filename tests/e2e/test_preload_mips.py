#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The preload library on MIPS: 32 bits of both byte orders and 64 bits, emulated. More of it is in
tests/mips."""
import foreign_tests
import interrupted
import torture
from foreign import MIPS, MIPS64EL, MIPSEL, record
from htap import has, leaks, main, same, temp

PORTS = (MIPSEL, MIPS, MIPS64EL)

foreign_tests.add(PORTS)


def for_each_port(name):
    """A test for each of them."""
    return foreign_tests.for_each(PORTS, name)


@for_each_port("hard stacks: alloca, tail calls, large frames, signal handlers, threads")
def _(port):
    torture.judge(port, "-O2")


@for_each_port("what a signal interrupted has its own name and line")
def _(port):
    there = port.program("interrupted", *interrupted.FLAGS)
    path, _ = record(port, there)
    interrupted.judge(leaks("--sysroot", port.rootfs(there), path))


@for_each_port("HEAPTAP_UNWIND: instructions unless it says otherwise")
def _(port):
    program = port.program("stacks")
    for how, cut in ("", False), ("auto", False), ("mips", False), ("none", True):
        path, _ = record(port, program, "deep", "5", HEAPTAP_UNWIND=how)
        leak, = leaks(path).leaks
        same((leak["cut"], len(leak["frames"]) > 6), (cut, not cut), f"a stack by '{how}'")
    path, _ = record(port, program, "deep", "5", DUMPALLOC_WALK_STACK="1")
    same([leak["cut"] for leak in leaks(path).leaks], [False], "cut by libdumpalloc's variable")
    done = port.run([program, "deep", "5"], HEAPTAP_FILE=temp(), HEAPTAP_UNWIND="eh").expect(0)
    has(done.stderr, "cannot be walked here as HEAPTAP_UNWIND says", "stderr")


if __name__ == "__main__":
    main(watching=False)
