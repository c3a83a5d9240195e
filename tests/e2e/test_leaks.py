#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The leak report itself: launched, attached, and from a recording anywhere."""
import os
import random
import re
import select
import shutil
import struct

from htap import (HEAPTAP, attached, build, check, has, heaptap, interrupt, leaks, main, run, same,
                  scratch, started, temp, test, unprivileged)

# What x.c leaks. More frames may follow main: the C library's start.
FROM_F = r"(?m)^Leak sum=40960 count=10 avg=4096\n f at x\.c:13\n main at x\.c:26\n"
FROM_MAIN = r"(?m)^Leak sum=8192 count=1 avg=8192\n main at x\.c:28\n"


def blocks(text):
    """The part of a report above its totals."""
    return re.findall(r"(?m)^Leak .*\n(?: .*\n)*", text)


def check_text(text):
    has(text, FROM_F, "report")
    has(text, FROM_MAIN, "report")
    same(len(blocks(text)), 2, f"entries of\n{text}")
    check(text.index("sum=40960") < text.index("sum=8192"), f"not largest first:\n{text}")


def readable(path):
    """A copy that nobody may read and execute."""
    copy = temp()
    shutil.copy(path, copy)
    os.chmod(copy, 0o755)
    return copy


@test("x.c launched: its two leaks by function and line")
def _():
    check_text(heaptap("leaks", "--", build("x")).expect(0).stdout)


@test("x.c attached: the same from a living process")
def _():
    with started([build("x"), "wait"]) as target:
        with attached(target.pid) as watcher:
            target.stdin.write(b"g")
            target.stdin.flush()
            check(select.select([target.stdout], [], [], 20)[0], "the target says nothing")
            check_text(interrupt(watcher).expect(0).stdout)
        same(target.poll(), None, "the target after the report")


@test("x.c in JSON: exact numbers")
def _():
    report = leaks("--", build("x"))
    same(report.summary, {
        "allocations": 644, "frees": 633, "failed_allocations": 0, "unknown_frees": 0,
        "allocated_bytes": 640 * 4096 + 1024 + 2048 + 4096 + 8192,
        "peak_bytes": (9 + 64) * 4096, "leaked_blocks": 11, "leaked_bytes": 49152,
        "lost_events": 0}, "summary")
    same([(l["bytes"], l["blocks"]) for l in report.leaks], [(40960, 10), (8192, 1)], "leaks")
    frame = report.leaks[0]["frames"][0]
    same((frame["function"], os.path.basename(frame["file"]), frame["line"], frame["inlined"]),
         ("f", "x.c", 13, False), "innermost frame")


@test("a recording gives the same report, to anybody, with the program gone")
def _():
    program = os.path.join(scratch(), "x")
    shutil.copy(build("x"), program)
    live = heaptap("leaks", "--", program).expect(0).stdout
    recording = temp(".htap")
    heaptap("record", "-o", recording, "--", program).expect(0)
    own = heaptap("leaks", recording).expect(0).stdout
    check_text(own)
    same(blocks(own), blocks(live), "recorded against live")
    os.unlink(program)
    os.chmod(recording, 0o644)
    argv = unprivileged([readable(HEAPTAP), "leaks", recording])
    same(run(argv).expect(0).stdout, own, "as nobody, without the program")


@test("a recording of a living process gives the same report")
def _():
    recording = temp(".htap")
    with started([build("x"), "wait"]) as target:
        with attached(target.pid, "-o", recording, subcommand="record") as watcher:
            target.stdin.write(b"g")
            target.stdin.flush()
            check(select.select([target.stdout], [], [], 20)[0], "the target says nothing")
            interrupt(watcher).expect(0)
    check_text(heaptap("leaks", recording).expect(0).stdout)


@test("record chooses a name: NAME.PID.htap")
def _():
    directory = temp()
    os.mkdir(directory)
    heaptap("record", "--", build("x"), cwd=directory).expect(0)
    names = os.listdir(directory)
    check(len(names) == 1 and re.fullmatch(r"x\.\d+\.htap", names[0]), f"files: {names}")
    check_text(heaptap("leaks", os.path.join(directory, names[0])).expect(0).stdout)


@test("C++ names are shown as people write them")
def _():
    names = [frame["function"] or "" for leak in leaks("--", build("names")).leaks
             if leak["bytes"] == 800 for frame in leak["frames"]]
    has("\n".join(names), r"shop::Shelf<double>::stock\(int, double const&\)", "frames")
    has("\n".join(names), r"(?m)^main$", "frames")


@test("a stripped program's frames are module and offset")
def _():
    program = build("x", "-s", target="x-stripped")
    text = heaptap("leaks", "--", program).expect(0).stdout
    has(text, r"(?m)^Leak sum=40960 count=10 avg=4096\n \?\? at x-stripped\+0x[0-9a-f]+\n", "report")


@test("without line information a frame is function, module and offset")
def _():
    program = build("x", "-g0", target="x-plain")
    text = heaptap("leaks", "--", program).expect(0).stdout
    has(text, r"(?m)^Leak sum=40960 count=10 avg=4096\n f at x-plain\+0x[0-9a-f]+\n"
              r" main at x-plain\+0x[0-9a-f]+\n", "report")


@test("debug information apart: by debug link, and below --debug-dir by build-id")
def _():
    program, apart = temp("-split"), temp("-debug")
    shutil.copy(build("x"), program)
    notes = run(["readelf", "-n", program]).stdout
    build_id = re.search(r"Build ID: ([0-9a-f]+)", notes)
    check(build_id, f"no build-id:\n{notes}")
    by_id = os.path.join(apart, ".build-id", build_id[1][:2])
    os.makedirs(by_id)
    debug = os.path.join(by_id, build_id[1][2:] + ".debug")
    run(["objcopy", "--only-keep-debug", program, debug]).expect(0)
    run(["strip", program]).expect(0)
    text = heaptap("leaks", "--", program).expect(0).stdout
    check(not re.search(FROM_F, text), f"names out of nowhere:\n{text}")
    check_text(heaptap("leaks", "--debug-dir", apart, "--", program).expect(0).stdout)
    shutil.copy(debug, program + ".debug")
    run(["objcopy", f"--add-gnu-debuglink={program}.debug", program]).expect(0)
    check_text(heaptap("leaks", "--", program).expect(0).stdout)


@test("record --no-symbols leaves names to the reader, who may look below --sysroot")
def _():
    program, recording, root = temp("-named"), temp(".htap"), temp("-root")
    shutil.copy(build("x"), program)
    heaptap("record", "--no-symbols", "-o", recording, "--", program).expect(0)
    check_text(heaptap("leaks", recording).expect(0).stdout)
    os.makedirs(root + os.path.dirname(program))
    os.rename(program, root + program)
    text = heaptap("leaks", recording).expect(0).stdout
    has(text, rf"count=10 avg=4096\n \?\? at {os.path.basename(program)}\+0x", "without the file")
    check_text(heaptap("leaks", "--sysroot", root, recording).expect(0).stdout)


def sections(path):
    """{name: (file offset, size)}"""
    lines = run(["readelf", "-S", "-W", path]).expect(0).stdout
    return {name: (int(offset, 16), int(size, 16)) for name, offset, size in re.findall(
        r"\] (\.\S+) +\w+ +[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+)", lines)}


def damaged(data, ranges, chance):
    """data with bytes in ranges changed."""
    data = bytearray(data)
    for offset, size in ranges:
        for at in range(offset, offset + size):
            if chance.random() < 0.03:
                data[at] = chance.randrange(256)
    return data


@test("damaged symbols and debug information: names suffer, nothing else does")
def _():
    with open(build("x"), "rb") as file:
        whole = file.read()
    names = [name for name in sections(build("x")) if re.match(r"\.(debug|symtab|strtab)", name)]
    check(len(names) > 5, f"sections: {names}")
    headers = struct.unpack_from("<Q", whole, 40)[0], 64 * struct.unpack_from("<H", whole, 60)[0]
    all_sections = sections(build("x"))
    for seed in range(12):
        chance = random.Random(seed)
        ranges = [headers] if seed == 0 else [all_sections[name] for name in
                                              chance.sample(names, 1 + seed % len(names))]
        program = temp("-damaged")
        with open(program, "wb") as file:
            file.write(damaged(whole, ranges, chance))
        os.chmod(program, 0o755)
        report = leaks("--", program)
        same((report.summary["leaked_blocks"], report.summary["leaked_bytes"]), (11, 49152),
             f"totals of damage {seed}")


if __name__ == "__main__":
    main()
