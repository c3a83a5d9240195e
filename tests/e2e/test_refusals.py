#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Processes that cannot be watched, or are in a state in which one might think so: refused with a
sentence or watched, never harmed, and never a hang."""
import contextlib
import functools
import json
import os
import random
import re
import shutil
import signal

from htap import (HEAPTAP, NOBODY, TIMEOUT, Report, Skip, attached, build, check, has,
                  heaptap, interrupt, is_clean, leaks, lives, main, run, same, started,
                  steps, temp, test, unprivileged, wait_for)

# Nothing here may take longer.
SOON = 60


def state(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def refused(*arguments, pattern, prefix=()):
    """Fails unless heaptap ends with 1 and one full sentence, twice: as leaks and as doctor."""
    done = run([*prefix, HEAPTAP, *arguments], timeout=SOON).expect(1)
    has(done.stderr, pattern, "stderr")
    for line in done.stderr.splitlines():
        check(re.fullmatch(r"heaptap: .*[.]", line), f"no sentence: {done}")
    return done


def pid_refused(pid, pattern):
    refused("leaks", "-p", pid, pattern=pattern)
    has(heaptap("doctor", "-p", pid, timeout=SOON).expect(1).stderr, pattern, "doctor")


def readable(path, mode=0o755):
    """A copy that nobody may execute."""
    copy = temp("-" + os.path.basename(path))
    shutil.copy(path, copy)
    os.chmod(copy, mode)
    return copy


def watch_steps(target, *options, works=True):
    """Watches a running steps.c while it keeps 5 blocks of 30 bytes."""
    path = temp(".json")
    with attached(target.pid, "--json", "-o", path, *options) as watcher:
        if works:
            target("keep", 5, 30)
        done = interrupt(watcher, SOON).expect(0)
    with open(path) as file:
        report = Report(file.read(), done)
    if works:
        same(report.total_from("keep"), (5, 150), "kept")
        same(report.summary["allocations"], 5, "allocations")
    check(is_clean(target.pid), "probes are left")


# ---- what cannot be watched -----------------------------------------------------------------


@functools.cache
def bits32():
    try:
        program = build("bits32", "-m32", "-nostdlib", "-static", "-fno-pie", "-no-pie",
                        "-fno-stack-protector", target="bits32")
        same(run([program]).stdout, "32\n", "its output")
    except (AssertionError, OSError) as error:
        raise Skip("no 32-bit program can be built and run here") from error
    return program


@test("a 32-bit program, running and launched")
def _():
    with started([bits32()]) as target:
        same(target.stdout.read(3), b"32\n", "its output")
        pid_refused(target.pid, r"32-bit")
        target.stdin.close()
        same(target.wait(SOON), 0, "its status")
    done = heaptap("leaks", "--", bits32(), timeout=SOON).expect(1)
    has(done.stderr, r"32-bit .*\.\n", "stderr")


@test("a zombie, a kernel thread, a thread, nobody at all")
def _():
    with started(["true"]) as target:
        wait_for(lambda: not lives(target.pid), "its end")
        same(state(target.pid), "Z", "its state")
        pid_refused(target.pid, r"ended already")
    with open("/proc/2/comm") as comm:
        if comm.read() == "kthreadd\n":
            pid_refused(2, r"kernel thread")
    with started([build("crowd"), "2", "1", "wait"]) as target:
        tids = wait_for(lambda: len(os.listdir(f"/proc/{target.pid}/task")) == 3 and
                        os.listdir(f"/proc/{target.pid}/task"), "threads")
        pid_refused(max(map(int, tids)), r"is a thread, not a process")
        target.stdin.write(b"\n")
        target.stdin.close()
    with started(["true"]) as target:
        target.wait()
        pid_refused(target.pid, r"There is no process")


@test("the number a process has in its own pid namespace: which one to take is said")
def _():
    with open("/proc/loadavg") as load:
        newest = int(load.read().split()[-1])
    # None that somebody may get meanwhile: those behind the newest come again last.
    behind = range(newest - 300, 300, -1) if newest > 1000 else range(20000, 30000)
    inside = next(pid for pid in behind if not os.path.exists(f"/proc/{pid}"))
    script = f"echo {inside - 1} > /proc/sys/kernel/ns_last_pid; sleep 100 & echo; wait"
    with started(["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c",
                  script]) as outer:
        outer.stdout.readline()
        with open(f"/proc/{outer.pid}/task/{outer.pid}/children") as children:
            shell = int(children.read())
        with open(f"/proc/{shell}/task/{shell}/children") as children:
            pid = int(children.read())
        with open(f"/proc/{pid}/status") as status:
            if f"\t{inside}\n" not in status.read():
                raise Skip("the number inside cannot be chosen")
        pid_refused(inside, rf"There is no process {inside} here\. Process {pid} ")
        has(heaptap("doctor", "-p", pid, timeout=SOON).stdout,
            rf"is number {inside} inside; -p takes {pid}\n", "doctor")


@test("heaptap run by nobody")
def _():
    program, own = readable(HEAPTAP), readable(build("quit"))
    with started(unprivileged(["sleep", "100"])) as mine, started(["sleep", "100"]) as roots:
        wait_for(lambda: os.stat(f"/proc/{mine.pid}").st_uid == NOBODY, "nobody's process")
        for arguments in (["-p", mine.pid], ["-p", roots.pid], ["--", own, "0"]):
            done = run(unprivileged([program, "leaks", *arguments]), timeout=SOON).expect(1)
            has(done.stderr, r"needs root, or the capabilities .* Try again with sudo\.\n",
                "stderr")
            same(done.stdout, "", "stdout")
        check(lives(mine.pid) and lives(roots.pid), "a target is gone")


@test("heaptap as root of a user namespace: the others are not its own")
def _():
    with started(["sleep", "100"]) as target:
        refused("leaks", "-p", target.pid, prefix=["unshare", "--user", "--map-root-user"],
                pattern=r"does not let heaptap look into process|BPF programs")
        check(lives(target.pid), "the target is gone")


@test("processes that end while heaptap attaches, 100 times: never a hang or a crash")
def _():
    for _ in range(100):
        with started(["sleep", f"{random.uniform(0, 0.15):.3f}"]) as target:
            done = heaptap("leaks", "-p", target.pid, "-d", "5", timeout=SOON)
            check(done.status in (0, 1), f"status: {done}")
            check(done.status == 0 or done.stderr.strip().endswith("."), f"no sentence: {done}")


# ---- what looks as if it could not ----------------------------------------------------------


@test("a stopped process: watched, and stopped still")
def _():
    with steps() as target:
        target("keep", 1, 1)
        for options in ([], ["--lossless"]):
            os.kill(target.pid, signal.SIGSTOP)
            wait_for(lambda: state(target.pid) == "T", "its stop")
            watch_steps(target, *options, works=False)
            same(state(target.pid), "T", f"its state after {options}")
        has(heaptap("doctor", "-p", target.pid, timeout=SOON).expect(0).stdout,
            r"(?m)^  state +T +is stopped", "doctor")
        os.kill(target.pid, signal.SIGCONT)
        watch_steps(target)
        target.end()


@test("a process in uninterruptible sleep: watched, before it wakes and after")
def _():
    with started([build("vforker")]) as target:
        wait_for(lambda: state(target.pid) == "D", "uninterruptible sleep")
        for options in ([], ["--lossless"]):
            heaptap("leaks", "-p", target.pid, "-d", "0.1", *options, timeout=SOON).expect(0)
            same(state(target.pid), "D", "its state")
        has(heaptap("doctor", "-p", target.pid, timeout=SOON).expect(0).stdout,
            r"(?m)^  state +D +sleeps uninterruptibly", "doctor")
        path = temp(".json")
        with attached(target.pid, "--json", "-o", path) as watcher:
            target.stdin.close()
            watcher.wait(SOON)
            same(watcher.returncode, 0, "heaptap's status")
        tally = json.loads(target.stdout.read())
        with open(path) as file:
            same(json.load(file)["summary"], tally, "heaptap against the tally")
        same(target.wait(SOON), 0, "its status")


def sandboxed(mode):
    program = build("sandbox")
    same(run([program, mode], timeout=SOON).status, 0, "the sandbox, unwatched")
    report = leaks("--", program, mode, timeout=SOON)
    same(report.summary, json.loads(report.done.stdout), "heaptap against the tally, launched")
    for options in ([], ["--lossless"]):
        path = temp(".json")
        with started([program, mode, "wait"]) as target:
            same(target.stdout.readline(), b"\n", "its beginning")
            with attached(target.pid, "--json", "-o", path, *options) as watcher:
                target.stdin.write(b"x")
                target.stdin.flush()
                same(target.wait(SOON), 0, "the status of the watched")
                same(watcher.wait(SOON), 0, "heaptap's status")
            with open(path) as file:
                same(json.load(file)["summary"], json.loads(target.stdout.read()),
                     f"heaptap against the tally, attached {options}")


@test("seccomp's strict mode, and a filter that kills at any system call: survived, and counted")
def _():
    if "kills what is under it" in heaptap("doctor").stdout:
        with started([build("sandbox"), "filter", "wait"]) as target:
            target.stdout.readline()
            refused("leaks", "-p", target.pid, pattern="under seccomp")
        raise Skip("this kernel would kill such processes, so they are refused")
    for mode in ("strict", "filter"):
        sandboxed(mode)


@test("a setuid program stays one, launched and attached")
def _():
    program = readable(shutil.which("id"))
    os.chown(program, NOBODY, -1)
    os.chmod(program, 0o4755)
    done = heaptap("leaks", "-o", temp(), "--", program, timeout=SOON).expect(0)
    plain = run([program]).expect(0).stdout
    if f"euid={NOBODY}" not in plain:
        raise Skip("setuid does not work in the temporary directory")
    same(done.stdout, plain, "what it says it is")
    program = readable(build("steps"))
    os.chown(program, NOBODY, -1)
    os.chmod(program, 0o4755)
    with steps(program) as target:
        target("keep", 1, 1)
        with open(f"/proc/{target.pid}/status") as status:
            has(status.read(), rf"Uid:\t0\t{NOBODY}\t", "its status")
        watch_steps(target)
        target.end()


@test("no-new-privs")
def _():
    report = leaks("--", "setpriv", "--no-new-privs", build("functions"), timeout=SOON)
    same(report.summary, json.loads(report.done.stdout), "heaptap against the tally")


# ---- other tracers --------------------------------------------------------------------------


def tool(name):
    return shutil.which(name) or skip(f"no {name} here")


def skip(reason):
    raise Skip(reason)


@contextlib.contextmanager
def traced_by_strace(pid):
    output = temp(".strace")
    with started([tool("strace"), "-f", "-o", output, "-p", pid]) as tracer:
        wait_for(lambda: tracer_of(pid) == tracer.pid, "strace to attach")
        yield tracer
        same(tracer.poll(), None, "strace")
        tracer.send_signal(signal.SIGINT)
        tracer.wait(SOON)
    wait_for(lambda: tracer_of(pid) == 0, "strace to let go")


def tracer_of(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"(?m)^TracerPid:\t(\d+)", status.read())[1])


@test("a process that strace traces")
def _():
    tool("strace")
    with steps() as target:
        target("keep", 1, 1)
        with traced_by_strace(target.pid) as tracer:
            watch_steps(target)
            watch_steps(target, "--lossless")
            has(heaptap("doctor", "-p", target.pid, timeout=SOON).expect(0).stdout,
                rf"traced by +- +process {tracer.pid}, ", "doctor")
        target("churn", 10, 10)
        target.end()


@test("a process that a debugger holds")
def _():
    tool("gdb")
    with steps() as target:
        target("keep", 1, 1)
        with started(["gdb", "-q", "-nx", "-p", str(target.pid)]) as debugger:
            wait_for(lambda: state(target.pid) == "t", "gdb to attach")
            heaptap("leaks", "-p", target.pid, "-d", "0.2", timeout=SOON).expect(0)
            heaptap("leaks", "--lossless", "-p", target.pid, "-d", "0.2",
                    timeout=SOON).expect(0)
            same(state(target.pid), "t", "its state")
            debugger.stdin.write(b"detach\nquit\n")
            debugger.stdin.flush()
            debugger.communicate(timeout=SOON)
        watch_steps(target)
        target.end()


@test("a program that traces is not shown a stop that is not its child's own")
def _():
    for _ in range(5):
        heaptap("leaks", "--", build("tracer"), timeout=TIMEOUT).expect(0)


@test("a launched command that traces its child")
def _():
    output = temp(".strace")
    done = heaptap("leaks", "-o", temp(), "--", tool("strace"), "-f", "-o", output,
                   build("functions"), timeout=TIMEOUT).expect(0)
    check(json.loads(done.stdout)["allocations"], f"the child did nothing: {done}")
    with open(output) as file:
        has(file.read(), r"\+\+\+ exited with 0 \+\+\+", "what strace saw")
    done = heaptap("leaks", "-o", temp(), "--", tool("strace"), "-o", output, "sh", "-c",
                   "exit 7", timeout=TIMEOUT)
    same(done.status, 7, "the status passed on")


if __name__ == "__main__":
    main()
