#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Watching a process that already runs, and letting go of it."""
import os
import random
import shutil
import signal
import time

from htap import (HEAPTAP, TIMEOUT, Report, Skip, Steps, attached, build, check, finish, has,
                  heaptap, interrupt, is_clean, leaks, library, lives, main, run, same, started,
                  steps, temp, test, wait_for, young_for)


def json_report(watcher, path):
    """Ends a `leaks --json -o path` and reads what it wrote."""
    done = interrupt(watcher).expect(0)
    with open(path) as file:
        return Report(file.read(), done)


def child_running(pid, program):
    """The pid of a descendant of process pid that runs program; None: not yet."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            pids = [int(word) for word in children.read().split()]
    except FileNotFoundError:
        return None
    for child in pids:
        try:
            if os.path.samefile(f"/proc/{child}/exe", program):
                return child
        except OSError:
            continue
    return next(filter(None, (child_running(child, program) for child in pids)), None)


@test("Ctrl-C prints the report; the target lives on, works, and is clean")
def _():
    with steps() as target:
        target("keep", 3, 50)
        with attached(target.pid) as watcher:
            target("keep", 7, 1000)
            done = interrupt(watcher).expect(0)
        has(done.stdout, r"(?m)^Leak sum=7000 count=7 avg=1000\n keep at steps\.c:\d+\n", "report")
        check(lives(target.pid), "the target is gone")
        check(is_clean(target.pid), "probes are left")
        target("churn", 1000, 10)
        target.end()


@test("SIGTERM and the end of -d print it too")
def _():
    with steps() as target:
        with attached(target.pid) as watcher:
            target("keep", 2, 10)
            watcher.send_signal(signal.SIGTERM)
            has(finish(watcher).expect(0, 143).stdout, "Leak sum=20 count=2", "after SIGTERM")
        with attached(target.pid, "-d", "1") as watcher:
            target("keep", 4, 20)
            has(finish(watcher).expect(0).stdout, "Leak sum=80 count=4", "after -d 1")
        target("keep", 1, 1)


@test("the target's end is the end of the report")
def _():
    with steps() as target:
        with attached(target.pid) as watcher:
            target("keep", 2, 10)
            target.end()
            has(finish(watcher).expect(0).stdout, "Leak sum=20 count=2", "report")


@test("frees of blocks older than the attach are counted, not errors")
def _():
    path = temp()
    with steps() as target:
        target("keep", 5, 100)
        with attached(target.pid, "--json", "-o", path) as watcher:
            target("drop", 3)
            target("keep", 2, 40)
            summary = json_report(watcher, path).summary
    same({key: summary[key] for key in ("allocations", "frees", "unknown_frees", "leaked_bytes")},
         {"allocations": 2, "frees": 0, "unknown_frees": 3, "leaked_bytes": 80}, "summary")


@test("--older shows only what was there before, live and from a recording")
def _():
    path, recording = temp(), temp(".htap")

    def watch(age, subcommand, *options):
        with steps() as target, attached(target.pid, *options, subcommand=subcommand) as watcher:
            target("keep", 3, 111)
            time.sleep(age + 0.1)
            begun = time.monotonic()
            target("keep", 5, 222)
            interrupt(watcher).expect(0)
            return time.monotonic() - begun

    young_for(lambda age: watch(age, "leaks", "--json", "-o", path, "--older", age))
    with open(path) as file:
        live = Report(file.read(), None)
    age = young_for(lambda age: watch(age, "record", "-o", recording))
    for name, report in (("live", live), ("recorded", leaks("--older", age, recording))):
        same([(l["bytes"], l["blocks"]) for l in report.leaks], [(333, 3)], f"--older, {name}")
    same(sum(l["blocks"] for l in leaks(recording).leaks), 8, "without --older")


@test("two at once on one process agree")
def _():
    paths = temp(), temp()
    with steps() as target:
        with attached(target.pid, "--json", "-o", paths[0]) as first:
            with started([HEAPTAP, "leaks", "--json", "-o", paths[1], "-p", target.pid,
                          "-d", "2"]) as second:
                finish(second).expect(0)
            target("churn", 1000, 10)
            target("keep", 5, 30)
            report = json_report(first, paths[0])
            same(report.summary["allocations"], 1005, "seen by the first")


@test("a library loaded while watched has names")
def _():
    path = temp()
    with steps() as target:
        with attached(target.pid, "--json", "-o", path) as watcher:
            target("load", library("plug"))
            report = json_report(watcher, path)
    same(report.total_from("plug_keep"), (3, 3 * 4321), "kept by the library")
    frame = report.from_function("plug_keep")[0]["frames"][0]
    has(frame["file"] or "", r"plug\.c$", "file")


@test("a program deleted while it runs has names")
def _():
    program = temp("-deleted")
    shutil.copy(build("steps"), program)
    with steps(program) as target:
        target("keep", 1, 1)
        os.unlink(program)
        with attached(target.pid) as watcher:
            target("keep", 2, 50)
            has(interrupt(watcher).expect(0).stdout,
                r"Leak sum=100 count=2 avg=50\n keep at steps\.c:\d+\n", "report")


@test("a program in another pid and mount namespace has names")
def _():
    inside = temp()
    os.mkdir(inside)
    script = f"mount -t tmpfs none {inside} && cp {build('steps')} {inside} && exec {inside}/steps"
    with started(["unshare", "--pid", "--fork", "--mount", "--mount-proc", "sh", "-c",
                  script]) as outer:
        Steps(outer)("keep", 1, 1)
        pid = child_running(outer.pid, build("steps")) or only_child(outer.pid)
        with attached(pid) as watcher:
            Steps(outer)("keep", 2, 50)
            has(interrupt(watcher).expect(0).stdout,
                r"Leak sum=100 count=2 avg=50\n keep at steps\.c:\d+\n", "report")


def only_child(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return int(children.read())


@test("heaptap inside a pid namespace")
def _():
    done = run(["unshare", "--pid", "--fork", "--mount-proc", HEAPTAP, "leaks", "--", build("x")])
    has(done.expect(0).stdout, r"Leak sum=40960 count=10 avg=4096\n f at x\.c:13\n", "report")


@test("threads at full speed: attach and let go, again and again")
def _():
    with started([build("threads"), "until", "4"]) as target:
        for _ in range(4):
            done = heaptap("leaks", "-p", target.pid, "-d", "0.2").expect(0)
            has(done.stdout, r"Allocations: [1-9]", "report")
            check(lives(target.pid), "the target died")
        wait_for(lambda: is_clean(target.pid), "probes to go")
        target.stdin.close()
        same(target.wait(TIMEOUT), 0, "the target's own status")


@test("SIGKILL leaves the target running and clean")
def _():
    with steps() as target:
        with attached(target.pid) as watcher:
            target("keep", 2, 10)
            watcher.kill()
            watcher.wait(TIMEOUT)
        wait_for(lambda: is_clean(target.pid), "probes to go")
        target("churn", 1000, 10)
        target.end()


def killed_while_busy(target, watcher, pid):
    """Kills the watcher at some moment of a long step; the step must end nevertheless."""
    target.process.stdin.write(b"churn 150000 64\n")
    target.process.stdin.flush()
    time.sleep(random.uniform(0.01, 0.08))  # any moment will do
    watcher.kill()
    same(os.read(target.process.stdout.fileno(), 100), b"ok\n", "the step's answer")
    wait_for(lambda: is_clean(pid), "probes to go")


@test("SIGKILL while the target is held for a full ring: it goes on")
def _():
    with steps() as target:
        for _ in range(5):
            with attached(target.pid, "--lossless", "--ring-size", "64K") as watcher:
                killed_while_busy(target, watcher, target.pid)
        target.end()


@test("SIGKILL of a launching heaptap: the command goes on")
def _():
    for _ in range(3):
        with started([HEAPTAP, "leaks", "--ring-size", "64K", "-o", temp(), "--",
                      build("steps")], stderr=None) as watcher:
            target = Steps(watcher)
            target("keep", 1, 1)
            pid = child_running(watcher.pid, build("steps"))
            check(pid, "where is the command?")
            killed_while_busy(target, watcher, pid)
            watcher.stdin.close()
            wait_for(lambda: not lives(pid), "the command's own end")


@test("processes that end while heaptap attaches: never a hang or a crash")
def _():
    for round_number in range(24):
        with started(["sleep", f"{round_number * 0.002:.3f}"]) as target:
            done = heaptap("leaks", "-p", target.pid, "-d", "5")
            check(done.status in (0, 1), f"status: {done}")
            check(done.status == 0 or done.stderr.strip().endswith("."), f"no sentence: {done}")


@test("a statically linked program")
def _():
    with steps(build("steps", "-static", target="steps-static")) as target:
        target("keep", 5, 100)
        with started([HEAPTAP, "leaks", "-p", target.pid, "-d", "1.5"]) as watcher:
            while watcher.poll() is None:
                target("keep", 1, 1)
                time.sleep(0.05)
            has(finish(watcher).expect(0).stdout, r" keep at steps\.c:\d+\n step ", "report")


@test("a 32-bit process: refused with a sentence")
def _():
    try:
        program = build("quit", "-m32", target="quit-32")
    except AssertionError as error:
        raise Skip("no 32-bit compiler and C library") from error
    done = heaptap("leaks", "--", program).expect(1)
    has(done.stderr, r"32", "stderr")


@test("a stopped process can be watched, and stays stopped")
def _():
    with steps() as target:
        target("keep", 1, 1)
        os.kill(target.pid, signal.SIGSTOP)
        with attached(target.pid) as watcher:
            interrupt(watcher).expect(0)
        with open(f"/proc/{target.pid}/stat") as stat:
            same(stat.read().rpartition(")")[2].split()[0], "T", "its state")
        os.kill(target.pid, signal.SIGCONT)
        target("churn", 10, 10)


@test("lossless attaches, one after the other, leave nothing in the target")
def _():
    with steps() as target:
        for _ in range(20):
            heaptap("leaks", "--lossless", "-p", str(target.pid), "-d", "0.001").expect(0)
            check(is_clean(target.pid), "a probe was left behind")
        target.end()


if __name__ == "__main__":
    main()
