#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Allocations that are made to fail from outside, whoever gives the memory: the allocators that stand in
for the C library's, musl, and the processes that a process starts."""
import contextlib
import os
import select
import shutil
import signal
import subprocess

from htap import (HEAPTAP, Skip, attached, build, check, finish, has, interrupt, is_clean, is_watching, library,
                  main, same, started, test, wait_for)
from outside import Target, failures, needs_kernel

THREADS = 8  # of both workloads


@contextlib.contextmanager
def target(program, preload=None):
    """A running workload. What allocators say of large sizes goes nowhere."""
    env = dict(os.environ, LIBRARY=library("plug"), **({"LD_PRELOAD": preload} if preload else {}))
    with started([program], env=env, stderr=subprocess.DEVNULL) as process:
        yield Target(process)


def failing(pid, *arguments):
    """heaptap fail with its probes in the process; in a with statement."""
    return attached(pid, *arguments, subcommand="fail")


def all_fail(work, *words):
    """Each call fails as its contract says."""
    for word, each in words:
        same(work(word, 20), (20 * each, 20 * each), word)


# What outside.cc can do without operator new, and how many calls each has.
WORDS = (("malloc", 1), ("calloc", 1), ("realloc", 1), ("reallocarray", 1), ("posix_memalign", 1), ("aligned", 4),
         ("nothrow", 1), ("threads", THREADS))


def is_exactly_one(watcher, work):
    """heaptap fail --count 1, with many threads that call at once."""
    same(work("threads", 500), (1, 1), "failures of all threads")
    has(finish(watcher).expect(0).stderr, r"\b1 call was made to fail\.\n\Z", "stderr")
    same(work("threads", 20), (0, 0), "afterwards")


def preloaded(allocator, *more):
    """An allocator in place of the C library's."""
    needs_kernel()
    with target(build("outside"), allocator) as work:
        with failing(work.pid, "--json", "--rate", "100%", "--ignore", "old_block") as watcher:
            all_fail(work, *WORDS, *more)
            same(work("realloc0", 20), (0, 0), "realloc to nothing")
            same(work("atexit", 50), (0, 0), "atexit")
            same(work("dlopen", 1), (0, 0), "dlopen")
            done = interrupt(watcher).expect(0)
        check("succeeded all the same" not in done.stderr, done.stderr)
        # jemalloc has no pvalloc, and dies of the C library's blocks.
        all_fail(work, *((word, 0) for word, _ in (*WORDS, *more) if word != "aligned"))
        with failing(work.pid, "--only", "parse_request", "--count", 1) as watcher:
            is_exactly_one(watcher, work)


@test("jemalloc in place of the C library's malloc")
def _():
    preloaded("libjemalloc.so.2", ("new", 1))


@test("tcmalloc")
def _():
    preloaded("libtcmalloc_minimal.so.4", ("new", 1))


@test("mimalloc; its operator new ends the process, as it does when memory is short")
def _():
    preloaded("libmimalloc.so.2")
    with target(build("outside"), "libmimalloc.so.2") as work:
        with failing(work.pid, "--only", "do_new", "--count", 1) as watcher:
            work.send("new")
            has(finish(watcher).expect(128 + signal.SIGABRT).stderr, r"was ended by signal 6", "stderr")


@contextlib.contextmanager
def failing_without_libc(pid, *arguments):
    """The same of a process whose C library is not glibc."""
    with started([HEAPTAP, "fail", "-p", str(pid), *arguments]) as process:
        wait_for(lambda: process.poll() is not None or is_watching(process), "heaptap to watch")
        check(process.poll() is None, "heaptap is gone")
        yield process


def other_libc(program, *words):
    """What requests.c can do in a program of musl, or a static one."""
    with target(program) as work:
        with failing_without_libc(work.pid, "--json", "--rate", "100%", "--only", "main",
                                  "--ignore", "old_block") as watcher:
            all_fail(work, ("malloc", 1), ("calloc", 1), ("realloc", 1), ("posix_memalign", 1), ("aligned", 2))
            for word in words:
                same(work(word, 1), (0, 0), word)
            told = failures(interrupt(watcher).expect(0))
            check({"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"} <=
                  {f["function"] for f in told}, "functions that failed")
        all_fail(work, ("malloc", 0), ("calloc", 0), ("realloc", 0), ("aligned", 0))


def musl(*flags, name):
    """requests.c with another C library."""
    needs_kernel()
    if not shutil.which("musl-gcc"):
        raise Skip("there is no musl-gcc here")
    return build("requests", *flags, target=name, compiler="musl-gcc")


@test("musl")
def _():
    program = musl(name="requests-musl")
    other_libc(program, "dlopen", "atexit")
    with target(program) as work, failing_without_libc(work.pid, "--only", "parse_request", "--count", 1) as watcher:
        is_exactly_one(watcher, work)


@test("static programs, of musl and of glibc")
def _():
    other_libc(musl("-static", name="requests-musl-static"), "atexit")
    other_libc(build("requests", "-static", target="requests-static"), "atexit")


@test("children are left alone, and what they have inherited of probes goes")
def _():
    needs_kernel()
    with target(build("requests")) as work:
        with failing(work.pid, "--only", "parse_request") as watcher:
            same(work("malloc", 50), (50, 50), "malloc before")
            same(work("fork", 50), (0, 0), "a forked child's calls")
            same(work("vfork", 50), (0, 0), "those of a child in the same memory")
            same(work("malloc", 50), (50, 50), "malloc after")
            has(interrupt(watcher).expect(0).stderr, r"\b100 calls were made to fail\.", "stderr")


@test("a process that ends before its child: its status, and a child that is as it was")
def _():
    needs_kernel()
    with target(build("requests")) as work:
        with failing(work.pid, "--only", "parse_request") as watcher:
            same(work("malloc", 5), (5, 5), "malloc")
            failed, child = work("orphan")
            try:
                same(failed, 0, "failures")
                done = finish(watcher).expect(0)
                has(done.stderr, rf"Process {work.pid} has exited with status 3\.", "stderr")
                same(work("malloc", 50), (0, 0), "malloc of the child")
                check(is_clean(child), "probes are left in the child")
            finally:
                os.kill(child, signal.SIGKILL)


@test("a process that is killed meanwhile")
def _():
    needs_kernel()
    with target(build("requests")) as work:
        with failing(work.pid, "--size", 24, "--rate", "10%") as watcher:
            work("start")
            wait_for(lambda: select.select([watcher.stdout], [], [], 0.1)[0], "the first failure")
            work.process.kill()
            done = finish(watcher).expect(128 + signal.SIGKILL)
        has(done.stderr, rf"Process {work.pid} was ended by signal 9 \(Killed\)\.", "stderr")


@test("Ctrl-C in the middle: each failure is told, and there is none when it has ended")
def _():
    needs_kernel()
    with target(build("requests")) as work:
        with failing(work.pid, "--json", "--size", 24, "--rate", "10%") as watcher:
            work("start")
            wait_for(lambda: select.select([watcher.stdout], [], [], 0.1)[0], "the first failure")
            done = interrupt(watcher).expect(0)
        told = len(failures(done))
        has(done.stderr, rf"\b{told} calls? w\w+ made to fail\.", "stderr")
        check(is_clean(work.pid), "probes are left")
        same(work("finish"), (told, told), "failures that the threads saw")
        same(work("threads", 20), (0, 0), "afterwards")


@test("threads that run already: a count of 1 is exactly one")
def _():
    needs_kernel()
    with target(build("requests")) as work:
        work("start")
        with started([HEAPTAP, "fail", "-p", str(work.pid), "--json", "--only", "parse_request",
                      "--count", "1"]) as watcher:
            same(len(failures(finish(watcher).expect(0))), 1, "failures that were printed")
        same(work("finish"), (1, 1), "failures that the threads saw")


if __name__ == "__main__":
    main()
