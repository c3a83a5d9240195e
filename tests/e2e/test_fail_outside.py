#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Allocations that are made to fail from outside, in a process that runs already.

Most of it needs a kernel that lets probes write registers: scripts/kernel-vm has one. What is said
elsewhere is tested here.
"""
import signal

from htap import (ALLOCATING, Skip, attached, build, check, finish, has, heaptap, interrupt, is_clean,
                  is_probed, leaks, lives, main, same, started, temp, test, wait_for)
from outside import Target, failures, needs_kernel, refusal

THREADS = 8  # of outside.cc


def target():
    """A running outside.cc; in a with statement."""
    return started([build("outside")])


def failing(pid, *arguments):
    """heaptap fail with its probes in the process; in a with statement."""
    return attached(pid, *arguments, subcommand="fail")


@test("a kernel that does not allow it is told of in one sentence, and by doctor")
def _():
    if not refusal():
        raise Skip("this kernel allows it")
    with target() as process:
        done = heaptap("fail", "-p", process.pid, "--count", 1).expect(1)
        has(done.stderr, r"^heaptap: This kernel does not let a probe change registers \(.+\), so .+"
            r"`heaptap fail -- COMMAND`.+\.\n$", "stderr")
        has(done.stderr, r"\((the verifier says: )?\w.+\)", "the reason")
        same(done.stdout, "", "stdout")
        check(is_clean(process.pid), "probes are left")
        same(Target(process)("malloc", 10), (0, 0), "calls that failed")


@test("who wants everything to fail has to say so; nonsense is refused")
def _():
    for arguments, pattern in (
            (["-p", 1], r"which calls shall fail.*--rate 100%"),
            (["--count", 1], r"-- COMMAND.*-p PID"),
            (["-p", "1,2", "--count", 1], r"of one process"),
            (["-p", 1, "--rate", "1"], r"--rate takes a percentage.*not '1'"),
            (["-p", 1, "--rate", "101%"], r"--rate takes a percentage"),
            (["-p", 1, "--size", "5-4"], r"--size takes sizes.*not '5-4'"),
            (["-p", 1, "--seed", "3", "--count", "1"], r"there is no --rate"),
            (["-p", 1, "--count", "0"], r"--count takes a whole number, more than 0"),
    ):
        has(heaptap("fail", *arguments).expect(2).stderr, pattern, f"fail {arguments}")


@test("1000 of 1000 calls of malloc return NULL with ENOMEM, other functions' do not")
def _():
    needs_kernel()
    with target() as process:
        work = Target(process)
        with failing(process.pid, "--json", "--only", "parse_request") as watcher:
            same(work("malloc", 1000), (1000, 1000), "malloc in parse_request")
            same(work("other", 1000), (0, 0), "malloc in keep_alive")
            same(work("nothing", 100), (0, 0), "malloc(0) in parse_request")
            done = interrupt(watcher).expect(0)
        told = failures(done)
        same(len(told), 1000, "failures that were printed")
        same({(f["function"], f["size"], f["tid"], f["pid"]) for f in told},
             {("malloc", 24, process.pid, process.pid)}, "what they say")
        same({tuple(frame.get("f") for frame in f["frames"])[:2] for f in told},
             {("parse_request", "do_malloc()")}, "their stacks")
        same([f["number"] for f in told], list(range(1, 1001)), "their numbers")
        has(done.stderr, r"1000 calls were made to fail\.", "stderr")
        same(work("malloc", 1000), (0, 0), "malloc after")
        check(is_clean(process.pid), "probes are left")


@test("each function fails as its contract says; threads start, atexit and dlopen work all the same")
def _():
    needs_kernel()
    with target() as process:
        work = Target(process)
        with failing(process.pid, "--json", "--rate", "100%", "--ignore", "old_block") as watcher:
            for word, each in (("calloc", 1), ("realloc", 1), ("reallocarray", 1),
                               ("posix_memalign", 1), ("aligned", 4), ("nothrow", 1),
                               ("threads", THREADS)):
                same(work(word, 50), (50 * each, 50 * each), word)
            # The exception is made of an allocation, too, or of the reserve for when that fails.
            same(work("new", 50), (50, 50), "new")
            same(work("atexit", 200), (0, 0), "atexit")
            same(work("dlopen", 1), (0, 0), "dlopen")
            told = failures(interrupt(watcher).expect(0))
        functions = {f["function"] for f in told}
        same(functions, {"malloc", "calloc", "realloc", "reallocarray", "posix_memalign",
                         "aligned_alloc", "valloc", "pvalloc"} | functions & {"memalign"},
             "functions that failed")
        for word in ("calloc", "realloc", "new", "aligned"):
            same(work(word, 50), (0, 0), f"{word} after")
        check(is_clean(process.pid), "probes are left")


@test("new calls the handler and tries again; --nth is one call only")
def _():
    needs_kernel()
    with target() as process:
        work = Target(process)
        with failing(process.pid, "--only", "do_new", "--nth", 3) as watcher:
            same([work("handler") for _ in range(6)], [(0, 0)] * 2 + [(1, 1)] + [(0, 0)] * 3,
                 "handlers that were called, and nothing else failed")
            interrupt(watcher).expect(0)


@test("with 8 threads a count of 1 is exactly one; it ends by itself then")
def _():
    needs_kernel()
    with target() as process:
        work = Target(process)
        with failing(process.pid, "--json", "--only", "parse_request", "--count", 1) as watcher:
            same(work("threads", 2000), (1, 1), "failures")
            told = failures(finish(watcher).expect(0))
        same(len(told), 1, "failures that were printed")
        check(process.pid not in {f["tid"] for f in told}, "it is not of the threads")
        same(work("threads", 2000), (0, 0), "afterwards")


@test("a count of 100 is exactly 100, and a recording has them")
def _():
    needs_kernel()
    path = temp(".htap")
    with target() as process:
        work = Target(process)
        with failing(process.pid, "-o", path, "--size", 24, "--count", 100) as watcher:
            same(work("threads", 2000), (100, 100), "failures")
            finish(watcher).expect(0)
    summary = leaks(path).summary
    same((summary["failed_allocations"], summary["allocations"]), (100, 0), "in the recording")


@test("sizes, files, the end of a C++ name and --ignore choose")
def _():
    needs_kernel()
    for rules, counts in (
            (["--size", ">1M"], {"large": 10, "malloc": 0}),
            (["--only", "libstdc++.so", "--only", "shelf::stock", "--ignore", "keep_alive"],
             {"new": 10, "stock": 10, "malloc": 0, "other": 0}),
            (["--only", "outside", "--ignore", "do_malloc", "--size", "1-1M"],
             {"malloc": 0, "other": 10, "large": 0, "stock": 10})):
        with target() as process:
            work = Target(process)
            with failing(process.pid, *rules) as watcher:
                same({word: work(word, 10) for word in counts},
                     {word: (count, count) for word, count in counts.items()}, f"with {rules}")
                interrupt(watcher).expect(0)


def drawn(seed, index):
    """A number of 32 bits: splitmix64, from its author's description."""
    mask = (1 << 64) - 1
    number = (seed + index * 0x9e3779b97f4a7c15) & mask
    number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9 & mask
    number = (number ^ number >> 27) * 0x94d049bb133111eb & mask
    return (number ^ number >> 31) >> 32


@test("--rate chooses a part of the calls, by its seed; --paths each path once")
def _():
    needs_kernel()
    with target() as process:
        work = Target(process)
        with failing(process.pid, "--size", 24, "--rate", "12.5%", "--seed", 5) as watcher:
            same([work("malloc")[0] for _ in range(300)],
                 [int(drawn(5, i) < 1 << 29) for i in range(300)], "which fail")
            interrupt(watcher).expect(0)
        with failing(process.pid, "--paths", "--size", 24) as watcher:
            same([work(word, 10)[0] for word in ("malloc", "other", "stock", "malloc", "stock")],
                 [1, 1, 1, 0, 0], "paths")
            interrupt(watcher).expect(0)


@test("what nothing is called is warned of; -d ends it")
def _():
    needs_kernel()
    with target() as process:
        done = heaptap("fail", "-p", process.pid, "--only", "no_such_function", "-d", 1,
                       timeout=180).expect(0)
        has(done.stderr, r"Nothing that the process has mapped is called no_such_function", "stderr")
        has(done.stderr, r"\b0 calls were made to fail", "stderr")
        check(is_clean(process.pid), "probes are left")


@test("a process that dies of it is told of, with its signal")
def _():
    needs_kernel()
    with target() as process:
        with failing(process.pid, "--only", "do_unchecked", "--count", 1) as watcher:
            Target(process).send("unchecked")
            done = finish(watcher).expect(128 + signal.SIGSEGV)
        has(done.stdout, r"(?m)^Failure 1 at 20\S+Z: malloc of 24 bytes in thread "
            rf"{process.pid}\n do_unchecked.* at outside\.cc:\d+\n", "stdout")
        has(done.stderr, rf"Process {process.pid} was ended by signal 11 \(Segmentation fault\)\.",
            "stderr")


@test("heaptap that is killed leaves nothing behind")
def _():
    needs_kernel()
    with target() as process:
        work = Target(process)
        with failing(process.pid, "--rate", "100%") as watcher:
            same(work("malloc", 10), (10, 10), "malloc")
            watcher.kill()
            watcher.wait(10)
        wait_for(lambda: not is_probed(process.pid, ALLOCATING), "the probes to go")
        wait_for(lambda: is_clean(process.pid), "the last of them")
        same(work("malloc", 1000), (0, 0), "malloc after")
        check(lives(process.pid), "the target is gone")


main()
