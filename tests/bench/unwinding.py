# SPDX-License-Identifier: BSD-2-Clause
"""What unwinding costs: the parts of a probe's work, unwind tables, and attaching with many."""

import glob
import os
import statistics
import subprocess
import time

from common import Failed, Pairs, Program, print_row

# In the order in which they are done: as the program parts calls them, and in words.
PARTS = (("nothing", None),
         ("call", "the call: found among the thread's"),
         ("walk", "the stack: walked and hashed"),
         ("intern", "the stack: looked up"),
         ("records", "two records: reserved, filled, submitted"))
PAIRS = 2000
SLICES = 8

LARGE_LIBRARIES = ("/usr/lib/*/libLLVM-*.so*", "/usr/lib/*/libLLVM.so*",
                   "/usr/lib/llvm-*/lib/libclang-cpp.so*")
NR_MODULES = 300
MODULE = """
#define JOIN(a, b) a##b
#define NAME(a, b) JOIN(a, b)
int NAME(function, NUMBER)(int (*call)(int), int n)
{
    int values[8];

    for (int i = 0; i < 8; i++)
        values[i] = call(i + NUMBER);
    return values[n & 7];
}
"""


def part_ns(build, pairs, part):
    """BPF time of a pair when the programs stop after a part: in the least disturbed slice."""
    program = Program(build, "parts", pairs.pid, part)
    measured = []
    program.read()
    pairs.run(PAIRS)
    program.ask()
    for _ in range(SLICES):
        pairs.run(PAIRS)
        runs, ns, lost = map(int, program.ask().split())
        if runs < 2 * PAIRS or lost:
            raise Failed(f"the probes up to part {part} saw {runs} calls and lost {lost}")
        measured.append(ns / PAIRS)
    program.end()
    return min(measured)


def bench_parts(build, depth, rounds, trap_ns):
    """trap_ns: what empty programs add to a pair."""
    pairs = Pairs(build, "nofp", depth)
    measured = [{part: part_ns(build, pairs, part) for part, _ in PARTS} for _ in range(rounds)]
    pairs.end()
    print(f"what a pair costs with heaptap, depth {depth}, no frame pointers:")
    print_row("  the traps, nothing else", trap_ns, "ns")
    for (before, _), (part, words) in zip(PARTS, PARTS[1:]):
        print_row(f"  {words}",
                  statistics.median(ns[part] - ns[before] for ns in measured), "ns")


def large_library():
    """The largest of those that may be installed."""
    paths = [path for pattern in LARGE_LIBRARIES for path in glob.glob(pattern)]
    if not paths:
        raise Failed("there is neither a libLLVM nor a libclang-cpp to measure unwind tables with")
    return os.path.realpath(max(paths, key=os.path.getsize))


def bench_tables(build):
    path = large_library()
    runs = []
    for _ in range(3):
        done = subprocess.run([f"{build}/bench/tables", path], capture_output=True, text=True)
        if done.returncode:
            raise Failed(done.stderr.strip())
        runs.append([float(word) for word in done.stdout.split()])
    compiling, loading, rows, kernel_bytes = map(statistics.median, zip(*runs))
    print(f"the unwind table of {os.path.basename(path)}, {os.path.getsize(path) / 1e6:.0f} MB, "
          f"{rows:.0f} rows:")
    print_row("  compiled, CPU time", compiling, "s", 2)
    print_row("  loaded from the cache, CPU time", loading * 1e3, "ms", 300)
    print_row("  kernel memory for a row", kernel_bytes / rows, "B", 8)


def make_modules(folder):
    """Small libraries, no two alike."""
    os.mkdir(folder)
    for first in range(0, NR_MODULES, 4):
        compilers = [subprocess.Popen(
            ["gcc", "-O2", "-fPIC", "-shared", "-x", "c", f"-DNUMBER={number}", "-",
             "-o", f"{folder}/lib{number}.so"], stdin=subprocess.PIPE, text=True)
            for number in range(first, first + 4)]
        for compiler in compilers:
            compiler.communicate(MODULE)
            if compiler.returncode:
                raise Failed("gcc cannot make a library")


def attach_seconds(build, pid):
    """A whole run that watches for 10 ms: watching begins well before it is over."""
    start = time.monotonic()
    done = subprocess.run([f"{build}/heaptap", "leaks", "-p", str(pid), "-d", "0.01"],
                          capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"heaptap leaks -p failed: {done.stderr.strip()}")
    return time.monotonic() - start


def bench_attach(build, directory, rounds):
    make_modules(f"{directory}/modules")
    target = Program(build, "modules", f"{directory}/modules")
    loaded = int(target.read())
    if loaded != NR_MODULES:
        raise Failed(f"only {loaded} of {NR_MODULES} libraries could be loaded")
    attach_seconds(build, target.pid)  # fills the cache
    seconds, stalls, idle_stalls = [], [], []
    for _ in range(rounds):
        target.ask()
        seconds.append(attach_seconds(build, target.pid))
        stalls.append(int(target.ask()))
        time.sleep(seconds[-1])
        idle_stalls.append(int(target.ask()))
    target.end()
    print(f"heaptap leaks -p PID -d 0.01, a process with {NR_MODULES} small libraries, cached:")
    print_row("  from start to end", statistics.median(seconds), "s", 1)
    print_row("  the process stood still at most, meanwhile",
              statistics.median(stalls) / 1e6, "ms")
    print_row("  the same without heaptap", statistics.median(idle_stalls) / 1e6, "ms")
