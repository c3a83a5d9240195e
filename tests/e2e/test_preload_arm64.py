#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The preload library on arm64, emulated: what it records is what happened, and the program does not
notice it. Tables walk the stacks there, as on x86-64. The workloads escape and vforker are left out:
the emulator has neither system calls that are trapped nor a child in its parent's memory."""
import glob
import json

import foreign_tests
import torture
from foreign import ARM64, record
from htap import build, check, equal_counts, has, leaks, main, run, same, temp, test, Counter
from weighed import PERIOD, compare, estimates, truth

SIGNED = "-mbranch-protection=standard"

foreign_tests.add([ARM64])


def against_tally(*command, **env):
    path, done = record(ARM64, *command, **env)
    report = leaks(path)
    same(report.summary, json.loads(done.stdout.split("\n")[-2]), f"against the tally of {command}")
    return report


@test("signed return addresses: every stack is whole, out to _start")
def _():
    for flags in ([], [SIGNED], ["-O2", "-fomit-frame-pointer"]):
        program = ARM64.program("stacks", *flags)
        for arguments in (["many", "8"], ["deep", "3", "60", "100"]):
            path, _ = record(ARM64, program, *arguments)
            report = leaks("--sysroot", ARM64.rootfs(program), path)
            same(report.done.stderr, "", "what heaptap says")
            same({(leak["cut"], leak["frames"][-1]["function"]) for leak in report.leaks},
                 {(False, "_start")}, "where stacks end")
            names = [frame["function"] for frame in report.leaks[0]["frames"]]
            check("main" in names, f"frames: {names}")


@test("hard stacks: alloca, tail calls, large frames, signal handlers, threads")
def _():
    for flags in (["-O2"], ["-O1", SIGNED]):
        torture.judge(ARM64, *flags)


@test("constructors, preinit functions and destructors count")
def _():
    early = ARM64.shared("early")
    report = against_tally(ARM64.program("ctor", "-Wl,--no-as-needed", early))
    same(report.total_from("early_begin"), (3, 3333), "kept by the library's constructor")
    same(report.total_from("early_end"), (1, 2222), "kept by the destructor")


@test("C++ operators of every form, and those that throw")
def _():
    program = ARM64.program("operators")
    # The C++ library itself keeps a block, for exceptions when there is no memory.
    nothing = leaks(record(ARM64, program, "nothing")[0]).summary
    path, done = record(ARM64, program)
    got, want = leaks(path).summary, json.loads(done.stdout)
    same({key: got[key] - nothing[key] for key in want if key != "peak_bytes"},
         {key: want[key] for key in want if key != "peak_bytes"}, "heaptap against the tally")
    throws = ARM64.program("throws")
    path, done = record(ARM64, throws)
    same(done.stdout, run([ARM64.emulator, "-L", ARM64.root, throws]).stdout, "what it prints")
    same(leaks(path).summary["lost_events"], 0, "lost events")


@test("an independent count inside agrees: threads one after the other, and at once")
def _():
    program = ARM64.program("threads")
    for arguments in (("short", "100"), ("orphan", "5"), ("churn", "4", "2000")):
        counter = Counter(program)
        path, _ = record(ARM64, program, *arguments, behind=[ARM64.shared("counter")],
                         COUNTER_OUT=counter.path, COUNTER_EXE=counter.program)
        equal_counts(leaks(path), counter)


@test("exec keeps what was recorded before, and begins a recording of its own")
def _():
    # The emulator of the second program is what the first one becomes.
    program = ARM64.program("functions")
    path = temp(".htap")
    done = ARM64.run([ARM64.program("replace"), emulator(), "-L", ARM64.root, program],
                     HEAPTAP_FILE=path).expect(0)
    before = leaks(path)
    same(before.total_from("main"), (100, 123400), "of the first image")
    others = glob.glob(f"{path}.*")
    same(others, [f"{path}.{before.json['target']['pid']}"], "other recordings")
    same(leaks(others[0]).summary, json.loads(done.stdout), "of the second")
    path = temp(".htap")
    ARM64.run([ARM64.program("replace"), "/nonexistent"], HEAPTAP_FILE=path).expect(99)
    same(leaks(path).total_from("main"), (100, 123400), "kept after an exec that failed")


def emulator():
    return run(["sh", "-c", f"command -v {ARM64.emulator}"]).expect(0).stdout.strip()


@test("signal handlers that allocate, and jump out, from anywhere")
def _():
    pool = ARM64.shared("pool", "-fno-builtin")
    path, _ = record(ARM64, ARM64.program("handlers"), "3000", behind=[pool])
    report = leaks(path)
    kept = sum(leak["blocks"] for leak in report.leaks if leak["bytes"] == leak["blocks"] * 7777)
    same(kept, 1000, "blocks kept at the end")


@test("ended by _exit: what was written before is there")
def _():
    path, _ = record(ARM64, ARM64.program("quit"), "7", "4321", expect=7)
    same(leaks(path).total_from("main"), (1, 4321), "kept")


@test("samples: what is estimated of threads and of children is what happened")
def _():
    program = ARM64.program("weighed", "-fno-builtin")
    for seed in ("1", "2", "3"):
        path, done = record(ARM64, program, "story", HEAPTAP_SAMPLE=str(PERIOD), HEAPTAP_SEED=seed)
        compare(truth(done.stdout), estimates(path), sigmas=4.5)
    path, done = record(ARM64, program, "children", "2", HEAPTAP_SAMPLE=str(PERIOD),
                        HEAPTAP_SEED="7")
    want = truth(done.stdout)
    names = [path, *glob.glob(f"{path}.*")]
    same(len(names), 3, "recordings")
    for name in names:
        compare(want, estimates(name), sigmas=4.5)


@test("HEAPTAP_UNWIND: tables or frame pointers, not a MIPS's instructions")
def _():
    program = ARM64.program("stacks")
    for how, cut in ("", False), ("auto", False), ("eh", False), ("fp", False), ("none", True):
        path, _ = record(ARM64, program, "deep", "5", HEAPTAP_UNWIND=how)
        leak, = leaks(path).leaks
        same((leak["cut"], len(leak["frames"]) > 6), (cut, not cut), f"a stack by '{how}'")
    done = ARM64.run([program, "deep", "5"], HEAPTAP_FILE=temp(), HEAPTAP_UNWIND="mips").expect(0)
    has(done.stderr, "cannot be walked here as HEAPTAP_UNWIND says", "stderr")


if __name__ == "__main__":
    main(watching=False)
