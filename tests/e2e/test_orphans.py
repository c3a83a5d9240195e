#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Blocks that grow old without being freed: as rows beside a running program, and as a report."""
import collections
import contextlib
import json
import os
import re
import signal
import time

import rows
from htap import (HEAPTAP, attached, build, check, finish, has, heaptap, interrupt, leaks,
                  leaks_tree, main, run, same, started, steps, temp, test, wait_for, young_for)

AGED = ("--age", "1", "--interval", "0.5")


def of_size(path, size):
    """[(function, address, ...)] of a file's rows that are about blocks of that size."""
    events = rows.read(path) if os.path.exists(path) and os.path.getsize(path) else []
    addresses = {e["address"] for e in events if e["size"] == size}
    return [e for e in events if e["address"] in addresses]


@test("a leaking program: each row is old enough when it comes; at its end come the last")
def _():
    path = temp(".csv")
    with started([HEAPTAP, "orphans", *AGED, "--format", "malloc-trace", "-o", path, "--",
                  build("leak"), "40", "100", "100"]) as watcher:
        seen = 0
        while watcher.poll() is None:
            read_ms = time.time() * 1000
            events = of_size(path, 100)
            # The last 10 blocks are never of age.
            for event in events[:30]:
                check(read_ms - event["ms"] >= 999 or len(events) == 40,
                      f"{read_ms - event['ms']} ms old")
            seen = max(seen, len(events) if len(events) < 40 else 0)
            time.sleep(0.1)
        finish(watcher).expect(0)
    check(seen, "no row while it ran")
    events = of_size(path, 100)
    same([e["function"] for e in events], ["malloc"] * 40, "all rows")
    same(sorted(e["ms"] for e in events), [e["ms"] for e in events], "their order")
    same(len({e["address"] for e in events}), 40, "blocks")
    same(len([e for e in rows.read(path) if e["size"] == 33]), 0, "what was freed in time")


@test("shorter than --age, and by a crash: everything is there at the end")
def _():
    for form in ("csv", "malloc-trace"):
        path = temp(".csv")
        heaptap("orphans", "--format", form, "-o", path, "--", build("leak"), "5", "10", "100",
                "crash").expect(128 + signal.SIGABRT)
        same(len(of_size(path, 100)), 5, f"{form}: rows")


@test("the variables that malloc-trace was set up by do what they did")
def _():
    path = temp(".csv")
    variables = {"malloc_second_peremption": "1", "out_file_path": path,
                 "out_file_max_size": "0x800"}
    view = ("report", "--view", "orphans", "--format", "malloc-trace")
    command = ("--", build("leak"), "40", "50", "100")
    done = heaptap(*view, *command, env=variables).expect(0)
    same(done.stdout, "", "standard output")
    files = [p for p in (path, *(f"{path}.{n}" for n in range(1, 11))) if os.path.exists(p)]
    check(len(files) > 2, f"{len(files)} files")
    check(max(os.path.getsize(p) for p in files) <= 0x800, "a file's size")
    same(sum(len(of_size(p, 100)) for p in files), 40, "rows")
    # What the command line says goes first, and what is no number does not count.
    other = temp(".csv")
    done = heaptap(*view, "--age", "1", "-o", other, *command,
                   env={"malloc_second_peremption": "60", "out_file_path": path}).expect(0)
    same(len(of_size(other, 100)), 40, "rows where -o says")
    has(heaptap(*view, "-o", other, *command,
                env={"malloc_second_peremption": "soon"}).expect(0).stderr,
        "malloc_second_peremption is 'soon'")


@test("attached: a block that is freed late gets a row, then its free; pair takes both away")
def _():
    path, csv = temp(".csv"), temp(".csv")
    with steps() as target:
        target("keep", 1, 12345)
        with attached(target.pid, *AGED, "--format", "malloc-trace", "-o", path,
                      subcommand="orphans") as watcher, \
                attached(target.pid, *AGED, "--format", "csv", "-o", csv,
                         subcommand="orphans") as other:
            target("keep", 2, 100)
            wait_for(lambda: len(of_size(path, 100)) == 2 and len(of_size(csv, 100)) == 2, "rows")
            target("drop", 1)
            wait_for(lambda: len(of_size(path, 100)) == 3 and len(of_size(csv, 100)) == 3, "frees")
            target("keep", 1, 200)
            target("drop", 3)  # two of ours, and one that was there before
            interrupt(watcher).expect(0)
            interrupt(other).expect(0)
        target.end()
    events = rows.read(path)
    same([e["function"] for e in events], ["malloc", "malloc", "free", "free", "free"], "calls")
    same((events[2]["address"], events[3]["address"]),
         (events[1]["address"], events[0]["address"]), "the newest goes first")
    same({e["size"] for e in events if e["function"] == "free"}, {0}, "sizes of frees")
    same([e["event"] for e in rows.read(csv)],
         ["alloc", "alloc", "free", "free", "unknown_free"], "events")
    same(rows.pair(path), [], "malloc-trace's pairs")
    same(rows.pair(csv), [], "pairs")


@test("pair leaves what is live, and its stacks are JSON")
def _():
    for form in ("csv", "malloc-trace"):
        path = temp(".csv")
        with steps() as target:
            with attached(target.pid, *AGED, "--format", form, "-o", path,
                          subcommand="orphans") as watcher:
                target("keep", 1, 300)
                target("keep", 1, 100)
                wait_for(lambda: len(of_size(path, 100)) == 1, "a row")
                target("drop", 1)
                target("keep", 1, 400)
                interrupt(watcher).expect(0)
        left = rows.pair(path)
        same(sorted(e["size"] for e in left), [300, 400], form)
        same({e["stack"][0]["f"] for e in left}, {"keep"}, f"{form}: innermost functions")


@test("--resolve: only what is left, once")
def _():
    for form in ("csv", "malloc-trace"):
        path = temp(".csv")
        with steps() as target:
            target("keep", 1, 55)
            with attached(target.pid, "--age", "1", "--format", form, "--resolve", "-o", path,
                          subcommand="orphans") as watcher:
                target("keep", 3, 100)
                time.sleep(1.7)
                target("drop", 1)
                interrupt(watcher).expect(0)
        same([e["size"] for e in rows.read(path)], [100, 100], form)


@test("moved away while it is written: a new file goes on")
def _():
    path = temp(".csv")
    with steps() as target:
        with attached(target.pid, "--age", "0.3", "--format", "csv", "-o", path,
                      subcommand="orphans") as watcher:
            target("keep", 1, 100)
            wait_for(lambda: of_size(path, 100), "the first row")
            os.rename(path, path + ".1")
            target("keep", 1, 200)
            wait_for(lambda: of_size(path, 200), "the second row")
            same(os.stat(path).st_mode & 0o777, 0o600, "its mode")
            os.unlink(path)
            target("keep", 1, 300)
            interrupt(watcher).expect(0)
    same([e["size"] for e in rows.read(path + ".1")], [100], "the file that was moved")
    same([e["size"] for e in rows.read(path)], [300], "the last file")


@contextlib.contextmanager
def small_disk():
    path = temp()
    os.mkdir(path)
    run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", path]).expect(0)
    try:
        yield path
    finally:
        run(["umount", "-l", path]).expect(0)


def text_of(path):
    with open(path) as file:
        return file.read()


@test("a full disk: said once, whole rows only, and it goes on when there is room")
def _():
    with small_disk() as disk, steps() as target:
        path, ballast = os.path.join(disk, "a.csv"), os.path.join(disk, "ballast")
        said = temp(".log")
        with open(said, "w") as log, attached(target.pid, "--age", "0.3", "--format", "csv", "-o",
                                              path, subcommand="orphans", stderr=log) as watcher:
            target("keep", 1, 100)
            wait_for(lambda: of_size(path, 100), "the first row")
            with open(ballast, "wb") as file, contextlib.suppress(OSError):
                file.write(bytes(50000))
                file.flush()
                file.write(bytes(50000))
            target("keep", 200, 200)
            wait_for(lambda: "cannot be written" in text_of(said), "what is said of the full disk")
            with open(path, newline="") as file:
                check(file.read().endswith("\n"), "a torn row")
            before = len(rows.read(path))
            check(before < 201, "the disk was not full")
            target("keep", 50, 201)
            time.sleep(1.5)  # so that most of these are lost, too; any number may be
            os.unlink(ballast)
            target("keep", 1, 300)
            wait_for(lambda: of_size(path, 300), "a row after that")
            interrupt(watcher).expect(1)
        sizes = [e["size"] for e in rows.read(path)]
    same(len(re.findall("cannot be written at present: No space left", text_of(said))), 1,
         f"told once: {text_of(said)}")
    lost = int(re.search(r"(\d+) rows are missing in /\S+: No space", text_of(said))[1])
    same(len(sizes) + lost, 1 + 200 + 50 + 1, f"rows and missing rows: {text_of(said)}")
    check(300 in sizes, "the last row")


@test("children of a fork: rows of their own, and of what they inherited")
def _():
    path = temp(".csv")
    heaptap("orphans", "--format", "csv", "-o", path, "--", build("fork")).expect(0)
    kept = collections.Counter((e["pid"], e["size"]) for e in rows.read(path))
    check(sorted(n for (_, size), n in kept.items() if size == 77) == [1000] * 3,
          f"children's blocks: {kept}")
    left = collections.Counter()
    for event in rows.pair(path):
        left[event["pid"]] += event["size"]
    tree = temp(".htap")
    heaptap("record", "-o", tree, "--", build("fork")).expect(0)
    same(sorted(left.values()), sorted(r.summary["leaked_bytes"] for r in
                                       leaks_tree(tree).values() if r.summary["leaked_bytes"]),
         "what each process left")


@test("10 000 short-lived threads: none is missed")
def _():
    path = temp(".csv")
    heaptap("orphans", "--format", "csv", "-o", path, "--", build("threads"), "short", "10000").expect(0)
    kept = [e for e in rows.read(path) if e["size"] == 48 and
            e["stack"][0]["f"] == "keep_one"]
    same(len(kept), 10000, "blocks")
    same(len({e["tid"] for e in kept}), 10000, "threads")


@test("a recording's own clock: the same rows as from the living program")
def _():
    recording, live, later = temp(".htap"), temp(".csv"), temp(".csv")
    with steps() as target:
        with attached(target.pid, "-o", recording, subcommand="record") as recorder, \
                attached(target.pid, *AGED, "--format", "csv", "-o", live,
                         subcommand="orphans") as watcher:
            target("keep", 3, 100)
            target("churn", 1000, 50)
            time.sleep(1.7)
            target("drop", 2)
            target("keep", 1, 200)
            time.sleep(0.2)
            interrupt(watcher).expect(0)
            interrupt(recorder).expect(0)
    heaptap("orphans", *AGED, "--format", "csv", "-o", later, recording).expect(0)
    for path in (live, later):
        same([(e["event"], e["size"]) for e in rows.read(path)],
             [("alloc", 100)] * 3 + [("free", 100)] * 2 + [("alloc", 200)], path)
        same({e["stack"][0]["f"] for e in rows.read(path) if e["event"] == "alloc"}, {"keep"},
             "names")


@test("the report: what is old, what is young, what was freed after all")
def _():
    out = temp()

    def watch(age):
        with steps() as target:
            target("keep", 1, 55)
            with attached(target.pid, "--age", str(age), "--interval", "0.5", "-o", out,
                          subcommand="orphans") as watcher:
                target("keep", 3, 1000)
                time.sleep(age + 0.8)
                target("drop", 1)
                begun = time.monotonic()
                target("keep", 2, 10)
                interrupt(watcher).expect(0)
                return time.monotonic() - begun
    age = young_for(watch)
    with open(out) as file:
        text = file.read()
    ages = re.match(r"Orphan sum=2020 count=4 avg=505 oldest=([\d.]+)s newest=([\d.]+)s\n keep at ", text)
    check(ages and float(ages[1]) >= age > float(ages[2]), f"ages: {text}")
    for line in (f"At least {age} s old: 2000 bytes in 2 blocks.", "Younger: 20 bytes in 2 blocks.",
                 "Grew old and were freed after all: 1000 bytes in 1 block.",
                 "Frees of blocks that were never seen allocated: 0.", "Lost events: 0."):
        check(line in text, f"no '{line}' in:\n{text}")


@test("the report as JSON, and of a program that has ended")
def _():
    path = temp(".htap")
    heaptap("record", "-o", path, "--", build("leak"), "7", "1", "100").expect(0)
    done = heaptap("orphans", "--json", "--error-exitcode", "9", path).expect(9)
    report = json.loads(done.stdout)
    same((report["view"], report["lost_events"]), ("orphans", 0), "head")
    process, = report["processes"]
    same((process["young"], process["old"]),
         ({"bytes": 700, "blocks": 7}, {"bytes": 0, "blocks": 0}), "sums")
    orphan, = process["orphans"]
    same((orphan["bytes"], orphan["orphan"], orphan["frames"][0]["function"]),
         (700, True, "leak_in_here_for_ever"), "nobody will free them")
    has(heaptap("orphans", path).expect(0).stdout, r"\AOrphan sum=700 count=7 avg=100 ", "text")
    same(leaks(path).summary["leaked_bytes"], 700, "as leaks says")


@test("what makes no sense is refused with a sentence")
def _():
    path = temp(".htap")
    heaptap("record", "-o", path, "--", build("leak"), "1", "1", "100").expect(0)
    has(heaptap("orphans", "--format", "xml", path).expect(1).stderr, r"csv\|malloc-trace", "it")
    has(heaptap("orphans", "--older", "3", path).expect(2).stderr, "no use for --older", "it")
    has(heaptap("orphans", "--interval", "0.01", path).expect(2).stderr, "0.1 or more", "it")
    heaptap("orphans", "--age", "0", path).expect(2)


if __name__ == "__main__":
    main()
