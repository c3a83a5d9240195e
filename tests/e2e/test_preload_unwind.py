#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The preload library's unwinder in real programs: at every allocation its stack is compared with
that of the compiler's own unwinder (tests/workloads/unwind_compare.c)."""
import functools
import glob
import os
import re
import shutil

import interrupted
from htap import ROOT, Skip, build, check, leaks, library, main, note, run, same, temp, test

OPTIMIZED = ["-O2", "-fomit-frame-pointer"]
SOURCES = ["-I" + ROOT, "-I" + os.path.join(ROOT, "bpf"),
           *(path for path in sorted(glob.glob(os.path.join(ROOT, "preload-fallback", "unwind*.c")))
             if not path.endswith(("_mips.c", "_absent.c"))), "-lgcc_s", "-ldl"]
FIGURES = re.compile(r"^stacks (\d+) equal (\d+) cut (\d+) marked (\d+) different (\d+)$", re.M)

PYTHON = """
import json, re, sqlite3, threading
def nest(n):
    return [n] + nest(n - 1) if n else []
for i in range(10):
    nest(i * 15)
    json.dumps({"a": [1, 2, {"b": "c" * i}]})
    re.compile("a(b|c)*d{2,%d}" % (i + 3))
db = sqlite3.connect(":memory:")
db.create_function("twice", 1, lambda x: str(x) * 2)
db.execute("create table t(a)")
db.executemany("insert into t values(?)", [(i,) for i in range(200)])
db.execute("select sum(twice(a)) from t").fetchall()
threads = [threading.Thread(target=lambda: [str(i) for i in range(200)]) for _ in range(20)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
SQL = """create table t(a, b); with recursive c(x) as (select 1 union all select x + 1 from c where
x < 1000) insert into t select x, hex(randomblob(20)) from c; create index i on t(b);
select count(*) from t a join t b on a.b = b.b;"""
CXX = """#include <vector>
std::vector<int> numbers(10);
"""
PERL = """my %h; $h{$_} = "x" x ($_ % 100) for 1..3000; sub f { my $n = shift; $n ? f($n - 1) . "x" : "" }
f(50); eval { die "x" }; my @a = sort { $a cmp $b } keys %h;"""
NODE = """let a = []; for (let i = 0; i < 200; i++) a.push({ i, s: "x".repeat(i % 50) });
JSON.parse(JSON.stringify(a)); for (let i = 0; i < 100; i++) Buffer.alloc(100000);"""


def compared(name, *argv, at_least, preload=None, most_marked=0, **options):
    """Runs a program and judges the stacks of it and of what it started."""
    report = temp()
    env = {**os.environ, "UNWIND_COMPARE": report, "PYTHONMALLOC": "malloc"}
    env.update({"LD_PRELOAD": preload} if preload else {})
    done = run(argv, env=env, **options)
    text = "".join(open(path, errors="replace").read() for path in glob.glob(report + ".*"))
    rows = [[int(word) for word in row] for row in FIGURES.findall(text)]
    check(done.status == 0 and rows, f"{done}\n{text}")
    stacks, equal, cut, marked, different = (sum(column) for column in zip(*rows))
    note(f"{name}: {stacks} stacks, {equal} equal, {cut} where the judge goes less far, {marked} "
         f"cut, {different} different")
    check(stacks >= at_least, f"only {stacks} stacks were compared")
    same((different, marked <= most_marked), (0, True), f"different, few cut:\n{text[:8000]}")
    check(equal + cut + marked == stacks, f"a stack is missing:\n{text}")
    return cut


@functools.cache
def judge(*flags):
    """Built each time: whether its sources elsewhere have changed, nobody looks."""
    return library("unwind_compare", *flags, *SOURCES, target=temp(".so"))


def on_this_machine(name, *argv, **expected):
    return compared(name, *argv, preload=judge(*OPTIMIZED), **expected)


@test("stacks of real programs are those of the compiler's unwinder")
def _():
    source = temp(".cc")
    with open(source, "w", encoding="ascii") as file:
        file.write(CXX)
    on_this_machine("python3", "python3", "-c", PYTHON, at_least=20000)
    on_this_machine("sqlite3", "sqlite3", ":memory:", SQL, at_least=3000)
    on_this_machine("perl", "perl", "-e", PERL, at_least=8000)
    on_this_machine("git", "git", "--version", at_least=1)
    on_this_machine("jq", "jq", "-n", "[range(2000) | {a: ., b: tostring}] | length", at_least=5000)
    on_this_machine("cc1plus", "g++", "-O1", "-c", source, "-o", temp(".o"), at_least=50000)


@test("in code of a JIT compiler it goes on where the compiler's unwinder ends")
def _():
    if not shutil.which("node"):
        raise Skip("there is no node")
    cut = on_this_machine("node", "node", "-e", NODE, at_least=50000)
    check(cut > 100, f"only {cut} stacks with such code")


@test("signal handlers, coroutines, exceptions, assembly, loaded libraries")
def _():
    plugin = library("unwind_plugin", *OPTIMIZED)
    on_this_machine("frames", build("unwind_frames", *OPTIMIZED), at_least=5)
    on_this_machine("signals", build("unwind_sigstack", *OPTIMIZED), at_least=2)
    on_this_machine("throw", build("unwind_throw", *OPTIMIZED), at_least=2)
    on_this_machine("context", build("unwind_context", *OPTIMIZED), at_least=2)
    on_this_machine("dlopen", build("unwind_dlopen", *OPTIMIZED, "-ldl"), plugin, at_least=2)


@test("what a signal interrupted has its own name and line, by each engine")
def _():
    program = build("interrupted", *interrupted.FLAGS, "-fcf-protection=none")
    interrupted.judge(leaks("--engine", "preload", "--", program))
    interrupted.judge(leaks("--engine", "bpf", "--", program))


@test("the same on arm64")
def _():
    if not shutil.which("aarch64-linux-gnu-gcc") or not shutil.which("qemu-aarch64"):
        raise Skip("there is no compiler or no emulator for arm64")
    os.environ["CC"] = "aarch64-linux-gnu-gcc"
    for flags in ["-O2"], ["-O2", "-mbranch-protection=standard"]:
        target = "arm64" + "".join(flags)
        frames = build("unwind_frames", *flags, target=target)
        compared("frames " + flags[-1], "qemu-aarch64", "-L", "/usr/aarch64-linux-gnu",
                 "-E", "LD_PRELOAD=" + judge(*flags), frames, at_least=5)


main()
