#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every allocator: what heaptap counts equals what the workload says it did, with real allocators in
place of the C library's, beside it, and with functions only the user knows."""
import json
import os
import re
import shutil
import subprocess

from htap import (BUILT, Counter, Skip, build, check, has, heaptap, leaks, library, main, run, same, started,
                  temp, test)

KEYS = ("allocations", "frees", "failed_allocations", "unknown_frees", "allocated_bytes",
        "leaked_blocks", "leaked_bytes", "lost_events")


def family_of(entry):
    """The family of an entry of the report's leaks; None where the report does not tell."""
    return entry.get("family")


def against_tally(command, *options, preload=None, what=()):
    """Fails unless what the command does beyond doing nothing is what it says. The report."""
    env = dict(os.environ, **({"LD_PRELOAD": preload} if preload else {}))
    idle = leaks(*options, "--", *command, "nothing", env=env)
    busy = leaks(*options, "--", *command, *what, env=env)
    tally = json.loads(busy.done.stdout)
    check(tally["allocations"] > 3, f"the workload did nothing: {tally}")
    same({key: busy.summary[key] - idle.summary[key] for key in KEYS},
         {key: tally[key] for key in KEYS}, " ".join(command))
    return busy


def expect_family(report, function, family):
    """Fails where the report tells another family for the blocks a function made."""
    for entry in report.leaks:
        named = any(frame["function"] == function for frame in entry["frames"])
        if named and family_of(entry) is not None:
            same(family_of(entry), family, f"the family of {entry}")


def sites(command, *options):
    """What doctor would probe in a running command: {file: [families, function...]}."""
    with started(command) as process:
        process.stdout.read(1)
        text = heaptap("doctor", "-p", process.pid, *options).stdout
    found, functions = {}, None
    for line in text[text.index("\nProcess "):].splitlines()[2:]:
        words = line.split()
        if line.startswith("    ") and functions is not None:
            functions.append(words[0])
        elif line.startswith("  "):
            families = re.search(r"allocator \((.*)\):", line)
            functions = found.setdefault(words[0], [families and families[1]])
    return found


def musl(target, name, *flags):
    """A workload built with musl."""
    if not shutil.which("musl-gcc"):
        raise Skip("there is no musl-gcc here")
    return build(name, *flags, target=target, compiler="musl-gcc")


@test("glibc, dynamic and static")
def _():
    expect_family(against_tally([build("families")]), "main", "glibc")
    against_tally([build("families", "-static", target="families-static")])


@test("jemalloc, by its C names and the *allocx")
def _():
    expect_family(against_tally([build("families")], preload="libjemalloc.so.2"), "main",
                  "jemalloc")


@test("tcmalloc, by its C names and the tc_*")
def _():
    expect_family(against_tally([build("families")], preload="libtcmalloc_minimal.so.4"), "main",
                  "tcmalloc")


@test("mimalloc, by its C names, the mi_* and heaps")
def _():
    expect_family(against_tally([build("families")], preload="libmimalloc.so.2"), "main",
                  "mimalloc")


@test("musl, dynamic and static")
def _():
    expect_family(against_tally([musl("families-musl", "families")]), "main", "musl")
    expect_family(against_tally([musl("families-musl-static", "families", "-static")]), "main",
                  "musl")


@test("every kind of link, and the loop of old kernels")
def _():
    for options in (["--link", "multi"], ["--link", "perf"], ["--plain-loop"]):
        against_tally([build("families")], *options, preload="libjemalloc.so.2")


@test("jemalloc with a prefix, beside glibc's malloc")
def _():
    prefixed = library("prefixed", "-Wl,--no-as-needed", "-l:libjemalloc.so.2")
    program = build("families", "-Wl,--no-as-needed", "-lc", prefixed, target="families-prefixed")
    against_tally([program])


@test("a preloaded jemalloc and the C library it stands before, each with its own blocks")
def _():
    report = against_tally([build("families")], preload="libjemalloc.so.2", what=["beside"])
    for size, family in ((700, "jemalloc"), (701, "glibc")):
        mine, = [leak for leak in report.leaks if leak["bytes"] == size]
        same(family_of(mine) or family, family, f"the family of {size} bytes")


@test("free_sized and free_aligned_sized")
def _():
    sized = library("prefixed", "-DSIZED", target="sized.so")
    against_tally([build("families")], preload=sized)


CXX = ("-std=c++17", "-fsized-deallocation", "-Wno-unused-parameter", "-Wno-array-bounds")


@test("C++ operators in all forms, with every allocator")
def _():
    program = build("operators", *CXX)
    against_tally([program])
    for name in ("libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libmimalloc.so.2"):
        against_tally([program], preload=name)


@test("C++ operators in a static program, and with the C++ library inside")
def _():
    against_tally([build("operators", *CXX, "-static", target="operators-static")])
    against_tally([build("operators", *CXX, "-static-libstdc++", "-static-libgcc",
                         target="operators-libstdcxx")])


@test("C++ operators of the program's own, on a pool")
def _():
    against_tally([build("operators", *CXX, "-DPOOL", target="operators-pool")])


@test("the C++ library's operators are not probed, an allocator's are")
def _():
    waiting = ["sh", "-c", 'echo; exec "$0" 1000', shutil.which("sleep")]
    found = sites(["env", "LD_PRELOAD=libstdc++.so.6 libjemalloc.so.2", *waiting])
    same(found["libc.so.6"][0], "glibc", "the C library's family")
    same(found["libjemalloc.so.2"][0], "jemalloc", "jemalloc's family")
    check("malloc" in found["libc.so.6"], found)
    check("_Znwm" in found["libjemalloc.so.2"] and "mallocx" in found["libjemalloc.so.2"], found)
    check("libstdc++.so.6" not in str(found), found)


@test("mappings, with --mmap")
def _():
    report = against_tally([build("mappings")], "--mmap")
    expect_family(report, "main", "mmap")
    # And without it nobody sees them.
    quiet = leaks("--", build("mappings"))
    idle = leaks("--", build("mappings"), "nothing")
    same(quiet.summary["allocations"], idle.summary["allocations"], "without --mmap")


@test("--mmap counts nothing twice")
def _():
    against_tally([build("families")], "--mmap")
    if shutil.which("musl-gcc"):
        against_tally([musl("families-musl", "families")], "--mmap")


@test("--mmap: threads bring their stacks, and nothing else")
def _():
    counter = Counter(build("threads"))
    command = [build("threads"), "churn", "4", "100"]
    report = leaks("--mmap", "--", *command, env=counter.environment())
    counts = counter.read()
    mapped = report.summary["allocations"] - counts["allocations"]
    check(4 <= mapped <= 40, f"{mapped} mappings")
    same(report.summary["failed_allocations"], 0, "failed")


SLAB = "posix_memalign=slab_get(out=2,size=3,family=slab) free=slab_put(ptr=2,family=slab)"
ARENA = "calloc=arena_alloc free=arena_free"


def arena_counts(report):
    tally = json.loads(report.done.stdout)
    same({key: report.summary[key] for key in KEYS}, {key: tally[key] for key in KEYS}, "arena")


@test("--allocator: a slab and an arena")
def _():
    program = build("arena", "-fno-inline")
    arena_counts(leaks("--allocator", SLAB, "--allocator", ARENA, "--", program))
    path = temp(".allocators")
    with open(path, "w") as file:
        file.write(f"# the program's own\n{SLAB} # first\n\n{ARENA}\n")
    arena_counts(leaks("--allocator-file", path, "--", program))


@test("--allocator names functions in stacks")
def _():
    program = build("arena", "-fno-inline")
    done = heaptap("stacks", "--allocator", SLAB, "--", program).expect(0)
    has(done.stdout, r"slab_get of 100 bytes")


def addresses(program, *names):
    """0x... of functions, as nm shows them."""
    lines = subprocess.check_output(["nm", program], text=True).splitlines()
    table = {line.split()[2]: line.split()[0] for line in lines if len(line.split()) == 3}
    return ["0x" + table[name] for name in names]


@test("--allocator: a stripped static program, by address")
def _():
    whole = build("families", "-static", target="families-static")
    stripped = os.path.join(BUILT, "families-stripped")
    run(["strip", "-o", stripped, whole]).expect(0)
    names = ("malloc", "calloc", "realloc", "free", "posix_memalign", "memalign", "reallocarray")
    found = [name for name in names if name in
             subprocess.check_output(["nm", whole], text=True).split()]
    text = " ".join(f"{name}={address}" for name, address in
                    zip(found, addresses(whole, *found)))
    against_tally([stripped], "--allocator", text)


@test("a stripped static program is said to be one")
def _():
    whole = build("arena", "-static", target="arena-static")
    stripped = os.path.join(BUILT, "arena-stripped")
    run(["strip", "-o", stripped, whole]).expect(0)
    done = heaptap("leaks", "--", stripped)
    has(done.stderr, "No allocator that heaptap knows|static program without symbols")


@test("--allocator: what makes no sense is a usage error")
def _():
    for text, said in (("malloc=x(size=9)", "from 1 to 6"), ("xmalloc=x", "a role is missing"),
                       ("", "names no function"), ("free=0xyz", "0x and hexadecimal digits")):
        done = heaptap("leaks", "--allocator", text, "-p", "1").expect(2)
        has(done.stderr, said)
    heaptap("leaks", "--allocator-file", "/nowhere", "-p", "1").expect(2)


@test("a bundled allocator in a plugin that is loaded later")
def _():
    plugin = library("bundled")
    against_tally([build("loads", "-rdynamic"), plugin])


@test("the names in .gnu_debugdata find the functions of a stripped program")
def _():
    program = build("families", "-static", target="families-static")
    stripped, symbols = os.path.join(BUILT, "families-mini"), temp()
    run(["objcopy", "--only-keep-debug", "--remove-section=.debug_*", program, symbols]).expect(0)
    run(["xz", "-f", symbols]).expect(0)
    run(["strip", "-o", stripped, program]).expect(0)
    run(["objcopy", "--add-section", f".gnu_debugdata={symbols}.xz", stripped]).expect(0)
    against_tally([stripped])


@test("exceptions leave an operator new that is watched, by every kind of link")
def _():
    own = build("throws", "-DOWN", target="throws-own")
    preloaded = dict(os.environ, LD_PRELOAD="libjemalloc.so.2")
    for kind in ("session", "multi", "perf"):
        for program, env in ((own, None), (build("throws"), preloaded)):
            report = leaks("--link", kind, "--", program, env=env)
            same(report.done.stdout, "caught 3\n", f"output, {kind} links")
            same(report.total_from("keep"), (3, 369), f"kept, {kind} links")


@test("an allocator nobody has told of is missed, and where it is")
def _():
    hoard = build("hoard")
    report = leaks("--", hoard)
    same(report.json["missing_allocator"], {"reasons": ["unexplained_memory"], "module": hoard},
         "what is missed")
    done = heaptap("leaks", "--", hoard).expect(0)
    has(done.stdout, r"may be missing an allocator: .*hoard", "the text")
    # With its functions named, or with malloc in their place, everything is accounted for.
    named = leaks("--allocator", "malloc=hoard_alloc(size=1) free=hoard_free(ptr=1)", "--", hoard)
    check("missing_allocator" not in named.json, f"still missed: {named.json}")
    check("missing_allocator" not in leaks("--", hoard, "malloc").json, "missed with malloc")


if __name__ == "__main__":
    main()
