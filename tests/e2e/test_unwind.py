#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stacks that are hard to unwind, of programs without frame pointers: every frame by its name. And
two other judges: gdb, and return probes of somebody else's."""
import contextlib
import functools
import os
import re
import shutil
import struct

from htap import (WORKLOADS, Counter, Skip, build, check, has, heaptap, leaks, library, main, note,
                  run, same, scratch, temp, test)
from walks import CHECKED, MAX_FRAMES, MISSING, STATS, figures, none_wrong, tool

OPTIMIZED = ["-O2", "-fomit-frame-pointer"]
NO_TABLES = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]
MAIN = r"main(;__libc_start\w+)+;_start"
THREAD = r"in_thread;start_thread;_*clone3?"


def program(name, *flags, target=None):
    """A workload as a distribution would build it."""
    return build(name, *OPTIMIZED, *flags, target=target)


def watched(*argv, **options):
    """The report of a launched program, all of whose stacks libdwfl agrees with."""
    report = leaks("--stats", "--check-stacks", "--", *argv, **options)
    none_wrong(os.path.basename(argv[0]), report.done.stderr)
    same(report.summary["lost_events"], 0, "lost events")
    return report


def names(leak):
    """The functions of a stack from inside out: "f;g;main", ? for those without a name."""
    return ";".join(re.sub(r"\(.*", "", frame["function"] or "?") for frame in leak["frames"])


def expect(report, chains):
    """chains: size of a block -> the regular expressions one of which its stack must match, each
    of them by as many blocks as said."""
    for size, wanted in chains.items():
        left = dict(wanted)
        for leak in report.leaks:
            if leak["bytes"] != size * leak["blocks"]:
                continue
            chain = next((chain for chain in wanted if re.fullmatch(chain, names(leak))), None)
            check(chain, f"a block of {size} bytes from {names(leak)}, not {list(wanted)}")
            left[chain] -= leak["blocks"]
        same(left, dict.fromkeys(wanted, 0), f"missing blocks of {size} bytes by stack")


# ---- frames ---------------------------------------------------------------------------------


def in_both(chain, blocks=1):
    """From main's thread and from another."""
    return {f"{chain};everything;{MAIN}": blocks, f"{chain};everything;{THREAD}": blocks}


@test("alloca, 40 KiB, alignment and arguments on the stack, in two threads")
def _():
    alloca = "keep;with_alloca"
    chains = {408: in_both("keep;with_arguments")}
    for i in range(3):
        chains[100 + 16 * i] = in_both(alloca)
        chains[200 + 16 * i] = in_both(alloca + ";with_much")
        chains[300 + 16 * i] = in_both(alloca + ";with_much;with_alignment")
    report = watched(program("unwind_frames"))
    expect(report, chains)
    expect(report, {600: in_both("keep;compare;[^;]*sort.*", 3)})


@test("a stack of more than 127 frames is cut and marked")
def _():
    done = heaptap("leaks", "--stats", "--", program("unwind_frames")).expect(0)
    same(figures(STATS, done.stderr)["deep"], 2, "walks cut at 127 frames")
    entries = [entry.splitlines() for entry in done.stdout.split("\n\n")]
    deep = [entry for entry in entries if MISSING in entry]
    check(all(len(entry) == 1 + MAX_FRAMES + 1 for entry in deep), f"stacks: {deep}")
    # Both threads' are the same, as far as they go.
    same([(e[0], e[1].split()[0], {f.split()[0] for f in e[2:-1]}, e[-1]) for e in deep],
         [("Leak sum=1000 count=2 avg=500", "keep", {"recurse"}, MISSING)], "deep stacks")


@test("C++: from handlers, rethrows and destructors that run while the stack is unwound")
def _():
    report = watched(program("unwind_throw"))
    outside = f"rethrower;catcher;{MAIN}"
    expect(report, {2000: {f"keep;{outside}": 3}, 2001: {f"keep;catcher;{MAIN}": 3}})
    expect(report, {1000 + i: {rf"keep;cleaner::~cleaner(;thrower){{{4 - i}}};{outside}": 3}
                    for i in range(4)})


@test("signal handlers on the stack, on another one, and one inside the other")
def _():
    path = program("unwind_sigstack")
    report = watched(path)
    handler, interrupted = r"keep;allocate;handle;[^;]+", rf"(;interrupted){{6}};{MAIN}"
    kill = r"[^;]+;(gsignal|raise)"
    expect(report, {
        1001: {rf"{handler};{kill}{interrupted}": 2},
        1010: {rf"{handler};{kill}{interrupted}": 2},
        1012: {rf"{handler};{kill};handle;[^;]+;{kill}{interrupted}": 2},
        1004: {rf"{handler};[^;]+{interrupted}": 2},
    })
    # A frame that was interrupted at its very first instruction.
    trap = address_of(path, "unwind_trap")
    for leak in report.leaks:
        if leak["bytes"] == 1004 * leak["blocks"]:
            same((leak["frames"][4]["function"], leak["frames"][4]["offset"]),
                 ("unwind_trap", trap + 1), "where the trap was")


@test("coroutines: as far as their own stack goes")
def _():
    report = watched(program("unwind_context"))
    # Nothing tells that __start_context, where a coroutine returns to, has no caller.
    expect(report, {1000 * when + i: {rf"(descend;){{{3 * i + 1}}}coroutine;[^;]+": 1}
                    for i in range(3) for when in (1, 2)})
    sums = sum(leak["bytes"] for leak in report.leaks
               if re.fullmatch(f"resume;{MAIN}", names(leak)))
    same(sums, 2 * (3000 + 3001 + 3002), "bytes from outside the coroutines")


@test("assembly with call frame information of its own")
def _():
    report = watched(program("unwind_assembly"))
    by_size = {leak["bytes"] // leak["blocks"] // 100: leak for leak in report.leaks}
    chains = {1: f"keep;pushing;{MAIN}", 2: f"keep;by_rbp;{MAIN}",
              # elfutils forgets rbx from frame to frame: such stacks may be cut.
              3: rf"keep;by_rbx(;{MAIN})?",
              4: f"keep;other_stack;{MAIN}", 5: f"keep;by_rbp;both;other_stack;{MAIN}",
              6: f"keep;by_rbp;both;pushing;{MAIN}",
              7: f"keep_and_leave;ending;leave_by_jump;{MAIN}"}
    same(set(by_size), set(chains), "hundreds of bytes")
    for size, chain in chains.items():
        has(names(by_size[size]), f"^{chain}$", "stack")


@test("parts without .eh_frame: whole by .debug_frame, without it cut and marked")
def _():
    report = watched(program("unwind_bare", *NO_TABLES))
    expect(report, {2000: {rf"keep(;descend){{10}};{MAIN}": 1},
                    1000: {rf"keep(;descend){{2}};compare;[^;]*sort.*;{MAIN}": 3}})
    path = program("unwind_bare", *NO_TABLES, "-g0", target="unwind_bare-g0")
    same({names(leak) for leak in watched(path).leaks}, {"keep"}, "stacks nobody can walk")
    has(heaptap("leaks", "--", path).expect(0).stdout, rf"\n keep .*\n{re.escape(MISSING)}\n")


@test("a library that is loaded again and again, and calls back")
def _():
    times = 20
    argv = [program("unwind_dlopen"), library("unwind_plugin"), str(times)]
    use = f"use;{MAIN}"
    chains = {1001 + i: {rf"(unwind_plugin;){{{5 - i}}}{use}": times} for i in range(5)}
    chains[2001] = {rf"callback;(unwind_plugin;){{5}}{use}": times}
    expect(watched(*argv), chains)


@test("Rust: generic code, closures, threads, panics")
def _():
    if not shutil.which("rustc"):
        raise Skip("rustc is not installed")
    path = temp(".rust")
    run(["rustc", "-O", "-g", "-o", path, os.path.join(WORKLOADS, "unwind_rust.rs")]).expect(0)
    report = watched(path)
    dropping = [leak for leak in report.leaks if "drop" in names(leak) and
                "unwind_rust::give_up" in names(leak)]
    deep = [leak for leak in report.leaks
            if re.search(r"(;unwind_rust::descend){20};", names(leak))]
    same(len(dropping), 4, "blocks from destructors")
    same(len(deep), 2, "blocks from deep, in two threads")
    for leak in dropping + deep:
        has(names(leak), r";(_start|_*clone3?)$", "stack")


# ---- gdb ------------------------------------------------------------------------------------

ODD = 1234567
GDB = """
import gdb
def command(text):
    return gdb.execute(text, to_string=True)
for text in ("set confirm off", "set pagination off", "set width 0", "set debuginfod enabled off",
             "set breakpoint pending on", "set backtrace past-main on",
             "set backtrace past-entry on", "handle SIGUSR1 stop print nopass", "{begin}", "run",
             "delete", "break *malloc if $rdi == {size}", "continue"):
    command(text)
frame = gdb.newest_frame().older()
while frame is not None:
    if frame.type() != gdb.INLINE_FRAME:
        print("frame %#x" % frame.pc())
    frame = frame.older()
print(command("info proc mappings"))
command("kill")
"""


@functools.cache
def is_relocatable(path):
    with open(path, "rb") as elf:
        elf.seek(16)
        return struct.unpack("<H", elf.read(2))[0] == 3  # ET_DYN


def link_time(address, mappings):
    """(file, link-time address) of an address in a process."""
    for start, end, _, path in mappings:
        if start <= address < end:
            first = min(other[0] for other in mappings if other[3] == path)
            return path, address - first if is_relocatable(path) else address
    raise AssertionError(f"{address:#x} is in no file: {mappings}")


def by_gdb(argv, env, begin, size):
    """The stack of malloc(size) as gdb sees it, after a breakpoint or signal."""
    gdb = tool("gdb")
    script = temp(".py")
    with open(script, "w") as file:
        file.write(GDB.format(begin=begin, size=size))
    done = run([gdb, "-q", "-nx", "-batch", "-x", script, "--args", *argv], env=env, cwd=scratch())
    frames = [int(word, 16) for word in re.findall(r"^frame (\w+)$", done.stdout, re.M)]
    check(len(frames) > 5, f"gdb shows no stack: {done}")
    lines = re.findall(r"^\s*(0x\w+)\s+(0x\w+)\s+0x\w+\s+(0x\w+)\s+(?:[-\w]+\s+)?(/.*)$",
                       done.stdout, re.M)
    mappings = [(int(start, 16), int(end, 16), offset, path) for start, end, offset, path in lines]
    return [link_time(address, mappings) for address in frames]


def by_heaptap(argv, env, status):
    """(size, stack) of the one block of about ODD bytes that is live in the end."""
    report = leaks("--", *argv, env=env, status=status, cwd=scratch())
    odd = [leak for leak in report.leaks if ODD <= leak["bytes"] < ODD + 100]
    same([leak["blocks"] for leak in odd], [1], f"blocks of {ODD} bytes")
    frames = [(frame["module"], frame["offset"]) for frame in odd[0]["frames"]
              if not frame["inlined"]]
    return odd[0]["bytes"], frames


def equal_to_gdb(argv, begin, status):
    env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONMALLOC": "malloc",
           "ASAN_OPTIONS": "verify_asan_link_order=0"}
    size, ours = by_heaptap(argv, env, status)
    theirs = by_gdb(argv, env, begin, size)
    same(ours, theirs, "heaptap against gdb")
    note(f"{len(ours)} frames are gdb's")


@test("sqlite3: a stack is gdb's, frame by frame")
def _():
    # The "editor" ends sqlite3 while the block is in use.
    sql = f"select edit(zeroblob({ODD}), 'kill -9 $PPID #')"
    equal_to_gdb([tool("sqlite3"), ":memory:", sql], "break __libc_start_main", 137)


PYTHON = f"""
import os, signal
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
os.kill(os.getpid(), signal.SIGUSR1)
class Item:
    def __lt__(self, other):
        global kept
        kept = bytearray({ODD})
        return False
sorted([Item(), Item()], key=lambda item: item)
os._exit(0)
"""


@test("python3: a stack is gdb's, frame by frame")
def _():
    equal_to_gdb([tool("python3"), "-c", PYTHON], "show version", 0)


# ---- return probes --------------------------------------------------------------------------

TRACING = "/sys/kernel/tracing"


def address_of(path, function):
    """A function's link-time address, in our programs also its place in the file."""
    for line in run(["nm", path]).expect(0).stdout.splitlines():
        words = line.split()
        if words[-1] == function:
            return int(words[0], 16)
    raise AssertionError(f"{path} has no {function}")


def write(name, text):
    # Appending, without the seek to the end that open() would add.
    fd = os.open(os.path.join(TRACING, name), os.O_WRONLY | os.O_APPEND)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


@contextlib.contextmanager
def return_probes(path, functions):
    """Somebody else's return probes; yields how often they hit."""
    if not os.path.exists(os.path.join(TRACING, "uprobe_events")):
        raise Skip(f"no uprobe_events in {TRACING}")
    group = f"heaptap_test_{os.getpid()}"

    def hits():
        with open(os.path.join(TRACING, "uprobe_profile")) as file:
            return {words[1]: int(words[2]) for words in map(str.split, file)
                    if words[0] == path and words[1] in functions}

    try:
        for function in functions:
            write("uprobe_events", f"r:{group}/{function} {path}:{address_of(path, function):#x}\n")
        write(f"events/{group}/enable", "1")
        yield hits
    finally:
        with contextlib.suppress(OSError):
            write(f"events/{group}/enable", "0")
        for function in functions:
            with contextlib.suppress(OSError):
                write("uprobe_events", f"-:{group}/{function}\n")


@test("return probes of others on functions in the stack do not cut it")
def _():
    path = program("unwind_frames")
    with return_probes(path, ("everything", "with_much", "with_alloca", "in_thread")) as hits:
        report = leaks("--stats", "--", path)
        found = hits()
    same(found, {"everything": 2, "with_much": 12, "with_alloca": 18, "in_thread": 1}, "hits")
    expect(report, {300 + 16 * i: in_both("keep;with_alloca;with_much;with_alignment")
                    for i in range(3)})
    path = program("unwind_bare", *NO_TABLES)
    with return_probes(path, ("descend", "main", "compare")) as hits:
        report = leaks("--", path)
        same(hits(), {"descend": 16, "main": 1, "compare": 3}, "hits")
    expect(report, {2000: {rf"keep(;descend){{10}};{MAIN}": 1},
                    1000: {rf"keep(;descend){{2}};compare;[^;]*sort.*;{MAIN}": 3}})


@test("an allocator around the allocator, both probed, does not cut a stack")
def _():
    argv = [program("unwind_frames")]
    counter = Counter(argv[0])
    report = watched(*argv, env=counter.environment())
    expect(report, {300 + 16 * i: in_both("(malloc;)?keep;with_alloca;with_much;with_alignment")
                    for i in range(3)})
    sqlite = [tool("sqlite3"), ":memory:", "create table t(a); select * from t;"]
    report = watched(*sqlite, env=Counter(sqlite[0]).environment())
    found = {**figures(CHECKED, report.done.stderr), **figures(STATS, report.done.stderr)}
    same({key: found[key] for key in ("cut", "gap", "lost")}, {"cut": 0, "gap": 0, "lost": 0},
         "stacks that are not whole")


# ---- --stats --------------------------------------------------------------------------------


@test("--stats says how the stacks were walked, only when asked to")
def _():
    path = program("unwind_frames")
    plain = heaptap("leaks", "--", path).expect(0)
    check(not re.search("Stacks:|Walks|Checked", plain.stderr), f"unasked: {plain}")
    stats = heaptap("leaks", "--stats", "--", path).expect(0)
    found = figures(STATS, stats.stderr)
    check(found["sent"] > 20 and not found["gap"] and not found["lost"], f"{found}")
    check("Checked" not in stats.stderr, f"unasked: {stats}")
    checked = heaptap("leaks", "--stats", "--check-stacks", "--", path).expect(0)
    result = figures(CHECKED, checked.stderr)
    same(sum(result.values()), 2 * result["checked"], f"the parts of {result}")


if __name__ == "__main__":
    main()
