#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Recordings that are not as they should be, and disks that are full."""
import contextlib
import json
import os

from htap import (HEAPTAP, Steps, attached, build, check, finish, has, heaptap, leaks, main, run,
                  same, started, steps, temp, test)


def recording_of(*command):
    path = temp(".htap")
    heaptap("record", "-o", path, "--", *command).expect(0)
    with open(path, "rb") as file:
        return file.read()


def report_on(data, *options):
    """heaptap's report on a file of these bytes."""
    path = temp(".htap")
    with open(path, "wb") as file:
        file.write(data)
    try:
        return heaptap("leaks", *options, path)
    finally:
        os.unlink(path)


def sentence(done):
    check(done.stderr.strip().endswith("."), f"no sentence on stderr: {done}")


@test("not a recording: a sentence, status 1")
def _():
    for data in (b"", b"x", b"\0" * 4096, b"\x7fELF" + bytes(100), b"Leak sum=1\n" * 1000,
                 os.urandom(100000)):
        done = report_on(data).expect(1)
        sentence(done)
        same(done.stdout, "", f"stdout for {data[:20]}")
    for path in ("/no/such/file", "/", "/dev/null", "/proc/self/mem"):
        sentence(heaptap("leaks", path).expect(1))


@test("truncated anywhere: what is there is reported, with a sentence, status 1")
def _():
    whole = recording_of(build("threads"), "churn", "2", "3000")
    totals = 0
    cuts = sorted({*range(0, 24, 3), *(len(whole) * i // 33 for i in range(1, 33)),
                   *range(len(whole) - 9, len(whole), 2)})
    for cut in cuts:
        done = report_on(whole[:cut]).expect(1)
        sentence(done)
        totals += bool(done.stdout)
    check(totals >= 30, f"only {totals} of {len(cuts)} truncated recordings gave a report")
    report_on(whole).expect(0)


@test("damaged anywhere: never a crash or a hang, always a sentence")
def _():
    whole = recording_of(build("x"))
    for i in range(48):
        at = i * len(whole) // 48
        done = report_on(whole[:at] + bytes([whole[at] ^ (1 << i % 8)]) + whole[at + 1:])
        check(done.status in (0, 1), f"byte {at} changed: {done}")
        if done.status:
            sentence(done)


@test("from a newer version: says so")
def _():
    whole = recording_of(build("x"))
    # The version follows the magic of 8 bytes (docs/format.md).
    done = report_on(whole[:8] + b"\x63" + whole[9:]).expect(1)
    sentence(done)
    has(done.stderr, r"(?i)newer|version", "stderr")


@test("a recording holds everything: totals as from the living process")
def _():
    path = temp(".htap")
    done = heaptap("record", "-o", path, "--", build("functions")).expect(0)
    report = leaks(path)
    same(report.summary, json.loads(done.stdout), "the recording against the tally")
    same(os.path.realpath(report.json["target"]["exe"]), os.path.realpath(build("functions")),
         "exe")


@test("a recording can be piped")
def _():
    whole = recording_of(build("x"))
    for name in ("-", "/dev/stdin"):
        done = heaptap("leaks", name, data=whole).expect(0)
        has(done.stdout, "Leak sum=40960 count=10 avg=4096", "report")


@test("the watcher killed while recording: what is there can be read")
def _():
    path = temp(".htap")
    with steps() as target:
        with attached(target.pid, "-o", path, subcommand="record") as watcher:
            target("keep", 2000, 100)
            for _ in range(200):
                target("churn", 1000, 10)
                if os.path.getsize(path) > 65536:
                    break
            watcher.kill()
            watcher.wait(20)
    done = heaptap("leaks", path).expect(1)
    sentence(done)
    has(done.stdout, r"(?m)^Leak sum=200000 count=2000 avg=100\n", "report")


@contextlib.contextmanager
def small_disk():
    """A directory with room for 256 KiB."""
    path = temp()
    os.mkdir(path)
    run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", path]).expect(0)
    try:
        yield path
    finally:
        run(["umount", "-l", path]).expect(0)


def check_kept(path, watcher):
    """What a full disk leaves behind."""
    watcher.expect(1)
    has(watcher.stderr, r"(?i)no space|full", "stderr")
    check(os.path.getsize(path) > 100000, f"only {os.path.getsize(path)} bytes were kept")
    done = heaptap("leaks", path).expect(0, 1)
    has(done.stdout, r"(?m)^Leak sum=\d+ count=\d+", "report of what was kept")


@test("a full disk ends a recording; what was written is kept; the target goes on")
def _():
    with small_disk() as disk, steps() as target:
        path = os.path.join(disk, "a.htap")
        with attached(target.pid, "-o", path, subcommand="record") as watcher:
            target("keep", 100, 100)
            for _ in range(100):
                target("churn", 20000, 10)
                if watcher.poll() is not None:
                    break
            check_kept(path, finish(watcher))
        target("churn", 1000, 10)
        target.end()


@test("a full disk while launching: the command goes on to its end")
def _():
    with small_disk() as disk:
        path = os.path.join(disk, "a.htap")
        with started([HEAPTAP, "record", "-o", path, "--", build("steps")]) as watcher:
            target = Steps(watcher)
            target("keep", 100, 100)
            for _ in range(100):
                target("churn", 20000, 10)
                if os.path.getsize(path) >= 256 << 10:
                    break
            target("churn", 1000, 10)
            check_kept(path, finish(watcher))


@test("a disk that is full from the start")
def _():
    done = heaptap("record", "-o", "/dev/full", "--", build("x")).expect(1)
    has(done.stderr, r"(?i)no space|full", "stderr")


if __name__ == "__main__":
    main()
