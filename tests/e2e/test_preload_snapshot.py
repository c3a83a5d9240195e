#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Snapshots by the preload library: what is live, exactly as the program itself counts it."""
import glob
import json
import os
import re
import signal

from htap import (OUT, build, check, finish, has, heaptap, leaks, main, run, same, started, temp, test, wait_for)

LIBRARY = os.path.join(OUT, "libheaptap-preload.so")


def environment(path, **more):
    return dict(os.environ, LD_PRELOAD=LIBRARY, HEAPTAP_SNAPSHOT=path, **more)


def keeper(what, expect=(0,), **more):
    """The workload; (paths of its snapshots by number, its own counts as (bytes, blocks), how it ended)."""
    path = temp(".htap")
    done = run([build("keeper", "-pthread"), what], env=environment(path, **more), timeout=60).expect(*expect)
    names = [path] + [f"{path}.{i}" for i in range(1, 100)]
    names = [name for name in names if os.path.exists(name)]
    same(sorted(glob.glob(f"{path}*")), sorted(names), "files")
    return names, [tuple(map(int, line.split())) for line in done.stdout.splitlines()], done


def live(path):
    """Of the workload's own blocks: (bytes, blocks)."""
    report = leaks(path)
    same(report.summary["lost_events"], 0, "lost events")
    same(report.summary["unknown_frees"], 0, "unknown frees")
    mine = [leak for leak in report.leaks if any(frame["function"] == "keep" for frame in leak["frames"])]
    return sum(leak["bytes"] for leak in mine), sum(leak["blocks"] for leak in mine)


@test("at the end: bytes and blocks are the program's own counts")
def _():
    names, counts, done = keeper("exit")
    same(done.stderr, "", "stderr")
    same([live(name) for name in names], counts, "live")


@test("as a recording of the same program has it, stack by stack")
def _():
    path = temp(".htap")
    env = dict(os.environ, LD_PRELOAD=LIBRARY, HEAPTAP_FILE=path)
    run([build("functions")], env=env).expect(0)
    shot = temp(".htap")
    run([build("functions")], env=environment(shot)).expect(0)

    def entries(report):
        return sorted((leak["bytes"], leak["blocks"], [(frame["function"], frame["line"], frame["offset"])
                                                       for frame in leak["frames"]]) for leak in report.leaks)
    # The first is of its first failure.
    same(entries(leaks(f"{shot}.1")), entries(leaks(path)), "entries")


@test("on a signal, each in a file of its own; the program goes on")
def _():
    names, counts, _ = keeper("signal")
    same([live(name) for name in names], counts + counts[-1:], "live: twice on the signal, then at the end")


@test("on a signal from outside, while the program sleeps")
def _():
    path = temp(".htap")
    with started([build("keeper", "-pthread"), "wait"], env=environment(path, HEAPTAP_SNAPSHOT_SIGNAL="SIGUSR1")) \
            as process:
        count = process.stdout.readline()
        process.send_signal(signal.SIGUSR1)
        wait_for(lambda: os.path.exists(path) and os.path.getsize(path), "a snapshot")
        same(live(path), tuple(map(int, count.split())), "live")
        process.terminate()
        finish(process)


@test("signals at any moment, also inside the allocator")
def _():
    names, counts, _ = keeper("busy")
    check(len(names) >= 3, f"{len(names)} snapshots")
    for name in names:
        same(live(name), counts[0], name)


@test("a program's own handler for the signal stays")
def _():
    names, counts, _ = keeper("own")
    same([live(name) for name in names], counts, "live: at the end alone")


@test("when an allocation fails, and when one is made to")
def _():
    names, counts, _ = keeper("fail")
    same(len(names), 2, "snapshots")
    same(live(names[0]), counts[0], "live when it failed")
    check(live(names[1])[1] == counts[0][1] // 2, "live at the end")
    names, _, _ = keeper("exit", expect=(98,), HEAPTAP_FAIL="size=498,count=1")
    same(len(names), 2, "snapshots: when it was injected, and when the program gave up")


@test("a forked child has its parent's heap, less what it frees")
def _():
    names, counts, _ = keeper("fork")
    shots = {leaks(name).json["target"]["pid"]: live(name) for name in names}
    same(sorted(shots.values()), sorted(counts), "live of both")


@test("a small device's memory: what does not fit is counted as lost, not guessed")
def _():
    path = temp(".htap")
    code = "import os; x = [bytearray(1000) for i in range(200000)]; os._exit(0)"
    run(["python3", "-c", code], env=environment(path, HEAPTAP_MEMORY="912K", PYTHONMALLOC="malloc")).expect(0)
    summary = leaks(path).summary
    check(summary["lost_events"] > 100000, f"summary: {summary}")
    check(summary["leaked_blocks"] > 1000, f"summary: {summary}")


@test("every view says that it is a snapshot, and exports read it")
def _():
    names, _, _ = keeper("exit")
    line = "A snapshot: only what was live then; frees and totals are not in it."
    for command in ("leaks", "sites", "tree", "peak"):
        has(heaptap(command, names[0]).expect(0).stdout, re.escape(line), command)
    same(json.loads(heaptap("leaks", "--json", names[0]).stdout)["target"]["snapshot"], True, "in JSON")
    done = heaptap("export", "-f", "folded", names[0]).expect(0)
    total = sum(int(row.rsplit(" ", 1)[1]) for row in done.stdout.splitlines())
    same(total, leaks(names[0]).summary["leaked_bytes"], "bytes of the folded stacks")
    has(done.stderr, re.escape(line), "export")


@test("nothing is overwritten; what cannot be written is said once")
def _():
    path = temp(".htap")
    for _ in range(3):
        run([build("keeper", "-pthread"), "exit"], env=environment(path)).expect(0)
    same(sorted(glob.glob(f"{path}*")), [path, f"{path}.1", f"{path}.2"], "files")
    done = run([build("functions")], env=environment("/nonexistent/x")).expect(0)
    has(done.stderr, r"^heaptap: writing a snapshot to /nonexistent/x failed: no such file", "stderr")
    same(done.stdout, run([build("functions")]).stdout, "stdout")
    done = run([build("functions")], env=environment(path, HEAPTAP_FILE=temp())).expect(0)
    has(done.stderr, "no snapshots are written, for there is a recording", "stderr")


if __name__ == "__main__":
    main()
