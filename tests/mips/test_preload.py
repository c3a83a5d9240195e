#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The preload library on MIPS where more is needed than a compiler: machines with kernels of their
own, musl, the n32 ABI. The quick part is tests/e2e/test_preload_mips.py."""
import contextlib
import functools
import glob
import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import foreign_tests
import lab
import machine
import torture
from foreign import MIPS, MIPS64EL, MIPSEL, MIPSN32EL, Port, record
from htap import (HEAPTAP, Skip, check, finish, leaks, main, note, run, same, started,
                  temp, test, wait_for)

PRELOAD = "/libheaptap-preload.so"
# Loaders of guests are where their programs ask for them.
GUEST_LIBRARIES = {"/lib/ld.so.1": "ld.so.1", "/lib/mipsel-linux-gnu/libc.so.6": "libc.so.6"}


def or_skip(function, *arguments, **options):
    """The MIPS laboratory leaves the program where it cannot work; here that is one test."""
    try:
        return function(*arguments, **options)
    except SystemExit as left:
        if left.code == lab.SKIPPED:
            raise Skip("something is missing, as was said above") from None
        raise AssertionError(left.code) from None


# ---- more builds -----------------------------------------------------------------------------


@functools.cache
def need_n32():
    MIPSN32EL.need()
    source = temp(".c")
    with open(source, "w", encoding="ascii") as file:
        file.write("int main(void) { return 0; }\n")
    if run([MIPSN32EL.compiler, "-mabi=n32", "-o", temp(), source]).status:
        raise Skip("there is no C library for n32: libc6-dev-mipsn32-mips64el-cross, "
                   "libn32gcc-12-dev-mips64el-cross")


for _port in (MIPSEL, MIPS, MIPS64EL, MIPSN32EL):
    for _flags in (["-O0"], ["-O1", "-no-pie"], ["-O3", "-fno-omit-frame-pointer"], ["-Os"]):
        @test(f"{_port.name}: hard stacks, {' '.join(_flags)}")
        def _(port=_port, flags=_flags):
            if port is MIPSN32EL:
                need_n32()
            torture.judge(port, *flags)


@test("mipsn32el: every count is the program's own")
def _():
    need_n32()
    path, done = record(MIPSN32EL, MIPSN32EL.program("functions"))
    same(leaks(path).summary, json.loads(done.stdout), "heaptap against the tally")


# ---- musl ------------------------------------------------------------------------------------


@functools.cache
def musl(variant="musl", *flags):
    """A machine with musl's C library, of Debian's port."""
    MIPSEL.need()
    root = or_skip(lab.packaged, "mipsel")
    specs = temp(".specs")
    with open(f"{root}/usr/lib/mipsel-linux-musl/musl-gcc.specs", encoding="ascii") as file:
        text = file.read().replace(" /usr/", f" {root}/usr/").replace("-L/usr/", f"-L{root}/usr/")
    # The library itself is not where the package of its development files links to.
    text = text.replace("*link_libgcc:\n", f"*link_libgcc:\n-L{root}/lib/mipsel-linux-musl ")
    with open(specs, "w", encoding="ascii") as file:
        file.write(text)
    port = Port("mipsel", "mipsel-linux-gnu", ["-specs=" + specs, *flags])
    port.root = root
    port.variant = variant
    port.libraries = ["/lib/ld-musl-mipsel.so.1"]
    return port


@test("musl: the library needs nothing else, the program's own frames are all there")
def _():
    port = musl()
    text = run(["readelf", "-dW", port.library()]).stdout
    same(re.findall(r"NEEDED.*\[(.*)\]", text), ["libc.so"], "libraries")
    program = port.program("stacks")
    path, done = record(port, program, "deep", "1", "3", "60")
    same(done.stderr, "", "stderr")
    report = leaks("--sysroot", port.rootfs(program), path)
    same(report.done.stderr, "", "what heaptap says")
    same(report.total_from("descend"), (3, 3064), "kept")
    for leak in report.leaks:
        names = [frame["function"] for frame in leak["frames"]]
        depth = leak["bytes"] - 1000
        same((names[:depth + 1], names[-1], leak["cut"]),
             (["descend"] * depth + ["main"], "_start", False), "a stack")


for _flags in (["-O0"], ["-O2"], ["-Os", "-no-pie"]):
    @test(f"musl: hard stacks, {' '.join(_flags)}")
    def _(flags=_flags):
        torture.judge(musl(), *flags)


@test("a C library without getauxval: the program's beginning, where stacks end, is found")
def _():
    port = musl("no-getauxval", "-Dgetauxval=no_getauxval")
    symbols = run(["mipsel-linux-gnu-nm", "-D", port.library()]).expect(0).stdout
    check(re.search(r" w no_getauxval$", symbols, re.M), f"it is not asked for: {symbols}")
    torture.judge(port, "-O2")


# ---- uClibc ----------------------------------------------------------------------------------


@functools.cache
def uclibc():
    """A machine with uClibc-ng, built here; the compiler is told to forget its own C library."""
    MIPSEL.need()
    root = or_skip(lab.uclibc)
    includes = run([MIPSEL.compiler, "-print-file-name=include"]).expect(0).stdout.strip()
    flags = [f"--sysroot={root}", "-muclibc", "-nostdinc", "-isystem", f"{root}/usr/include", "-isystem",
             includes, f"-B{root}/usr/lib", f"-L{root}/usr/lib", f"-L{root}/lib", "-static-libgcc"]
    port = Port("mipsel", "mipsel-linux-gnu", flags, most_bytes=96 << 10)
    port.root = root
    port.variant = "uclibc"
    port.libc = "libc.so.0"
    port.loader = "ld-uClibc.so.0"
    port.libraries = ["/lib/libc.so.0", "/lib/ld-uClibc.so.0"]
    port.workload_flags = ["-include", os.path.join(HERE, "uclibc.h")]
    return port


foreign_tests.add_one("uClibc", uclibc)

for _flags in (["-O2"], ["-Os", "-no-pie"]):
    @test(f"uClibc: hard stacks, {' '.join(_flags)}")
    def _(flags=_flags):
        torture.judge(uclibc(), *flags)


@test("uClibc: handlers, an end by _exit, an exec, samples")
def _():
    port = uclibc()
    path, _ = record(port, port.program("quit"), "7", "4321", expect=7)
    same(leaks(path).total_from("main"), (1, 4321), "kept")
    path, _ = record(port, port.program("handlers"), "300", behind=[port.shared("pool", "-fno-builtin")])
    kept = sum(leak["blocks"] for leak in leaks(path).leaks if leak["bytes"] == leak["blocks"] * 7777)
    same(kept, 1000, "blocks that handlers kept")
    path = temp(".htap")
    port.run([port.program("replace"), "/nonexistent"], HEAPTAP_FILE=path).expect(99)
    same(leaks(path).total_from("main"), (100, 123400), "kept after an exec that failed")
    path, _ = record(port, port.program("threads"), "short", "100", HEAPTAP_SAMPLE="1")
    same(leaks(path).total_from("keep_one"), (100, 4800), "each a sample")


# ---- machines --------------------------------------------------------------------------------


def boot(*arguments, **options):
    """A machine for one command that must end well."""
    result = or_skip(machine.run, *arguments, **options)
    if result.status is None:
        note(result.console[-3000:])
    same(result.status, 0, f"exit status of the command, which said {result.output!r}")
    return result


def need_machine():
    MIPSEL.need()
    if not shutil.which(machine.SYSTEMS["mipsel"][0]):
        raise Skip("qemu-system-mipsel is not installed")


def guest_root(files):
    """A copy of what the guest's root folder has of these programs."""
    folder = temp()
    libraries = os.path.join(or_skip(lab.packaged, "mipsel"), "lib", "mipsel-linux-gnu")
    sources = {**files, **{path: os.path.join(libraries, name)
                           for path, name in GUEST_LIBRARIES.items()}}
    for path, source in sources.items():
        os.makedirs(os.path.dirname(folder + path), exist_ok=True)
        shutil.copyfile(source, folder + path)
    return folder


@contextlib.contextmanager
def receiver():
    """A heaptap receive that machines can reach; (its folder, its port)."""
    folder = temp()
    os.mkdir(folder)
    with open(f"{folder}.log", "wb") as log, started(
            [HEAPTAP, "receive", "127.0.0.1:0", "-o", folder], stderr=log) as process:
        def port():
            with open(f"{folder}.log", encoding="utf-8") as file:
                return re.findall(r"127\.0\.0\.1:(\d+)", file.read())
        yield folder, wait_for(port, "a listener")[0]
        process.terminate()
        finish(process)


def guest_files(*names):
    return {PRELOAD: MIPSEL.library(), **{"/" + name: MIPSEL.program(name) for name in names}}


@test("Debian's kernel: what runs, forks and execs there is received here, and named")
def _():
    need_machine()
    files = guest_files("functions", "escape", "fork", "replace")
    root = guest_root(files)
    commands = ["/functions", "/escape", "/fork", "/replace /functions"]
    with receiver() as (folder, port):
        words = f"LD_PRELOAD={PRELOAD} HEAPTAP_SERVER={machine.HOST}:{port}"
        script = " && ".join(f"{words} {command}" for command in commands)
        result = boot("mipsel", ["/bin/busybox", "sh", "-c", script], files=files, network=True)
    same([line for line in result.output.split("\n") if "heaptap:" in line], [], "complaints")
    tallies = [json.loads(line) for line in result.output.split("\n") if line.startswith("{")]
    same(len(tallies), len(commands), "tallies")
    functions, escape, fork, replaced = tallies

    def received(name):
        return [leaks("--sysroot", root, path)
                for path in glob.glob(f"{folder}/{name}.*.htap")]
    same([report.summary for report in received("functions")], [functions, replaced],
         "of functions, and of what replace.c became")
    same([report.summary for report in received("escape")], [escape], "of escape")
    same([report.total_from("main") for report in received("replace")], [(100, 123400)],
         "of replace.c until it became another")
    forks = received("fork")
    same([r.summary for r in forks if "parent" not in r.json["target"]], [fork], "of fork")
    children = [r for r in forks if r.summary["allocations"] == 1000]
    same([(child.summary["leaked_bytes"], child.summary["unknown_frees"]) for child in children],
         [(77000, 1)] * 3, "what the children did")
    names = {frame["function"] for report in received("functions") for leak in report.leaks
             for frame in leak["frames"]}
    check({"every_function", "main"} <= names, f"names: {names}")


@test("a kernel without BPF: a recording in a file, read here with the machine's files")
def _():
    need_machine()
    files = guest_files("functions", "stacks")
    root = guest_root(files)
    script = (f"export LD_PRELOAD={PRELOAD}; HEAPTAP_FILE=/tmp/a /functions && "
              "HEAPTAP_FILE=/tmp/b /stacks deep 1 3 60")
    result = boot("mipsel", ["/bin/busybox", "sh", "-c", script], kernel="tiny", files=files,
                  get=["/tmp/a", "/tmp/b"])
    paths = []
    for name in "ab":
        paths.append(temp(".htap"))
        with open(paths[-1], "wb") as file:
            file.write(result.files["/tmp/" + name])
    tally = next(line for line in result.output.split("\n") if line.startswith("{"))
    same(leaks("--sysroot", root, paths[0]).summary, json.loads(tally), "heaptap against the tally")
    report = leaks("--sysroot", root, paths[1])
    same(report.done.stderr, "", "what heaptap says")
    same((report.total_from("descend"), [leak["cut"] for leak in report.leaks]),
         ((3, 3064), [False] * 3), "kept")


if __name__ == "__main__":
    main(watching=False)
