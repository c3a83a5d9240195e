#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Names for a recording, read where the files are not where they were."""
import functools
import os
import re
import resource
import shutil

from htap import (HEAPTAP, Skip, build, check, has, heaptap, library, main, run, same, scratch,
                  temp, test)


@functools.cache
def part():
    return library("ported_part", "-Wl,--build-id")


@functools.cache
def program():
    return build("ported", "-Wl,--no-as-needed", part(), "-Wl,--build-id")


@functools.cache
def recording():
    """One without names: what a device would give."""
    path = temp(".htap")
    heaptap("record", "--no-symbols", "-o", path, "--", program()).expect(0)
    return path


def fresh(name):
    """A folder of that name, empty."""
    path = os.path.join(scratch(), name)
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path)
    return path


def put(source, root, path, *strip):
    """source at path below root, stripped with these options of strip(1) if there are any."""
    target = root + path
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if strip:
        run(["strip", *strip, "-o", target, source]).expect(0)
    else:
        shutil.copy(source, target)
    return target


def device(*strip, without=()):
    """A sysroot with the program and the library."""
    root = fresh("root")
    for path in (program(), part()):
        if path not in without:
            put(path, root, path, *strip)
    return root


def report(*options, status=0):
    return heaptap("leaks", recording(), *options).expect(status)


def warnings_about(done, path):
    return [line for line in done.stderr.splitlines() if path in line]


ALL_NAMES = (r" ported_part_inner at ported_part\.c:11\n ported_part_keep at ported_part\.c:19\n"
             r" ported_main_keep at ported\.c:12\n main at ported\.c:17\n")


@test("files below --sysroot")
def _():
    done = report("--sysroot", device())
    has(done.stdout, ALL_NAMES)
    same(warnings_about(done, "ported"), [], "warnings")


@test("stripped files below --sysroot, whole ones in --debug-dir")
def _():
    root, whole = device("--strip-all"), fresh("whole")
    done = report("--sysroot", root)
    has(done.stdout, r" \?\? at ported_part\.so\+0x[0-9a-f]+\n ported_part_keep at ported_part\.so")
    put(part(), whole, "/" + os.path.basename(part()))
    put(program(), whole, "/" + os.path.basename(program()))
    has(report("--sysroot", root, "--debug-dir", whole).stdout, ALL_NAMES)
    # That is enough: the files of the device may be missing.
    has(report("--sysroot", fresh("root"), "--debug-dir", whole).stdout, ALL_NAMES)


@test("a library that is missing: module+offset, one warning, a list")
def _():
    root, listed = device(without=[part()]), temp(".unresolved")
    done = report("--sysroot", root, "--unresolved", listed)
    has(done.stdout, r"Leak sum=2000 count=1 avg=2000\n \?\? at ported_part\.so\+0x[0-9a-f]+\n"
        r" \?\? at ported_part\.so\+0x[0-9a-f]+\n ported_main_keep at ported\.c:12\n")
    has(done.stdout, r"Leak sum=1000 count=1 avg=1000\n ported_main_keep at ported\.c:11\n")
    said = warnings_about(done, part())
    same(len(said), 1, "warnings")
    has(said[0], r"could not be read \(No such file or directory\).*looked for below .*"
        r"--sysroot and --debug-dir")
    with open(listed, encoding="ascii") as file:
        lines = file.read().splitlines()
    same(lines, sorted(set(lines)), "the list, sorted and without doubles")
    ours = [line for line in lines if line.startswith(part())]
    same(len(ours), 2, "addresses in the library")
    for line in lines:
        check(re.fullmatch(r"\S+ 0x[0-9a-f]+", line), line)
    # They are those of the process, as --json gives them.
    addresses = set(re.findall(r'"address": ?(\d+)', report("--sysroot", root, "--json").stdout))
    for line in ours:
        check(str(int(line.split()[1], 16)) in addresses, f"{line} is in no stack")


@test("another build of a library: module+offset, never a wrong name")
def _():
    root = device()
    other = library("ported_part", "-Wl,--build-id", "-DOTHER", "-O0", target="ported_other.so")
    put(other, root, part())
    done = report("--sysroot", root)
    has(done.stdout, r" \?\? at ported_part\.so\+0x[0-9a-f]+\n \?\? at ported_part\.so")
    same(len(warnings_about(done, part())), 1, "warnings")
    has(done.stderr, r"another build-id")


@test("what is no library: no hang, no crash, one warning")
def _():
    def fifo(path):
        os.mkfifo(path)

    def loop(path):
        os.symlink(os.path.basename(path), path)

    def cut(path):
        shutil.copy(part(), path)
        os.truncate(path, 3000)

    def zeros(path):
        os.mknod(path, 0o20600, os.makedev(1, 5))

    def sparse(path):
        shutil.copy(part(), path)
        with open(path, "r+b") as file:  # e_shoff: the section headers are 4 GiB away
            file.seek(40)
            file.write((1 << 32).to_bytes(8, "little"))
        os.truncate(path, 5 << 30)

    for make in (fifo, loop, cut, zeros, sparse, os.mkdir):
        root = device(without=[part()])
        target = root + part()
        os.makedirs(os.path.dirname(target), exist_ok=True)
        try:
            make(target)
        except PermissionError as error:
            raise Skip(str(error)) from None
        done = report("--sysroot", root)
        has(done.stdout, r" ported_main_keep at ported\.c:12\n", make.__name__)
        check(len(warnings_about(done, part())) <= 1, f"{make.__name__}: {done.stderr}")


@test("symbolize: names for good")
def _():
    named, again = temp(".htap"), temp(".htap")
    root, empty = device(), fresh("empty")
    heaptap("symbolize", recording(), "-o", named, "--sysroot", root).expect(0)
    done = heaptap("leaks", named, "--sysroot", empty).expect(0)
    has(done.stdout, ALL_NAMES)
    same(warnings_about(done, part()), [], "warnings")
    # Once more does nothing, and neither does a worse place.
    heaptap("symbolize", named, "-o", again, "--sysroot", empty).expect(0)
    with open(named, "rb") as one, open(again, "rb") as other:
        check(one.read() == other.read(), "the second symbolize changed something")
    same(os.stat(named).st_mode & 0o777, 0o600, "mode")


@test("symbolize: through pipes, in place")
def _():
    path, root = temp(".htap"), device()
    with open(recording(), "rb") as file:
        data = file.read()
    done = run(["sh", "-c", '"$0" symbolize - -o - --sysroot "$1" | "$0" leaks - --sysroot /var',
                HEAPTAP, root], data=data).expect(0)
    has(done.stdout, ALL_NAMES)
    shutil.copy(recording(), path)
    heaptap("symbolize", path, "-o", path, "--sysroot", root).expect(0)
    has(heaptap("leaks", path, "--sysroot", "/var").expect(0).stdout, ALL_NAMES)


@test("symbolize: a recording that was cut, a full disk")
def _():
    cut, named, root = temp(".htap"), temp(".htap"), device()
    with open(recording(), "rb") as file:
        data = file.read()
    with open(cut, "wb") as file:
        file.write(data + data[56:-9])
    done = heaptap("symbolize", cut, "-o", named, "--sysroot", root).expect(1)
    has(done.stderr, r"contradict each other|in the middle of")
    has(heaptap("leaks", named, "--sysroot", "/var").stdout, ALL_NAMES)
    before = os.stat(named)
    limit = (200, resource.RLIM_INFINITY)
    # Python ignores SIGXFSZ, and so does what inherits that.
    done = heaptap("symbolize", recording(), "-o", named, "--sysroot", root, restore_signals=False,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    done.expect(1)
    has(done.stderr, r"could not be written: File too large\.")
    after = os.stat(named)
    same((after.st_ino, after.st_size), (before.st_ino, before.st_size), "the output before")
    same([name for name in os.listdir(os.path.dirname(named)) if name.startswith(".heaptap")], [],
         "temporary files")


@test("symbolize: refusals")
def _():
    for arguments in (["symbolize"], ["symbolize", recording()], ["symbolize", "-o", temp()],
                      ["symbolize", recording(), "x", "-o", temp()]):
        done = heaptap(*arguments).expect(2)
        check(done.stderr.strip(), "no sentence on stderr")
    heaptap("symbolize", "/no/such/file", "-o", temp()).expect(1)


if __name__ == "__main__":
    main()
