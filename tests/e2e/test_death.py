#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""heaptap's own death at any moment: the target goes on, unharmed and unprobed, and nothing of
heaptap's stays behind."""
import concurrent.futures
import contextlib
import os
import random
import re
import select
import shutil
import signal
import time

from htap import (HEAPTAP, TIMEOUT, Skip, build, check, has_libc, is_clean, is_watching, lives, main, run,
                  same, started, temp, test, wait_for)

AT_ONCE = 5
ATTACHES, LAUNCHES = 150, 50


def own_heaptap():
    """A copy: what runs it is ours, whoever else uses heaptap on this machine."""
    copy = temp("-heaptap")
    shutil.copy(HEAPTAP, copy)
    return copy


def running(program):
    """The pids of processes that run this very file."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and os.readlink(f"/proc/{name}/exe") == program:
                found.append(int(name))
    return found


def state(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "gone"


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return {int(word) for word in file.read().split()}
    except (FileNotFoundError, ProcessLookupError):
        return set()


def leaked_uprobes():
    """{pid: line} of what the kernel says of uprobes it could not take out."""
    lines = run(["dmesg"]).stdout.splitlines()
    return {int(match[1]): line for line in lines
            if (match := re.search(r"uprobe: .*:(\d+) failed to unregister", line))}


def read_line(target):
    check(select.select([target.stdout], [], [], TIMEOUT)[0], "the target says nothing")
    return target.stdout.readline().decode()


def ends_well(target, what):
    """Lets a busy.c end; what it says must be right."""
    target.stdin.close()
    words = read_line(target).split()
    check(len(words) == 3 and words[1] == words[2] and int(words[0]) > 0,
          f"output of {what}: {words}")


def kill_at_once(watcher):
    """kill -9 while it starts, attaches or watches; the pids of what was killed."""
    time.sleep(random.uniform(0, 0.6))
    return kill(watcher)


def kill(watcher):
    pids = children(watcher.pid) | {watcher.pid}
    watcher.kill()
    watcher.wait(TIMEOUT)
    return pids


def goes_on(pid, what):
    wait_for(lambda: state(pid) not in "Tt", f"{what} to go on")
    check(lives(pid), f"{what} is gone: state {state(pid)}")


def is_clean_or_gone(pid):
    """Of a command that may still be loading its C library."""
    try:
        return has_libc(pid) and is_clean(pid)
    except (FileNotFoundError, ProcessLookupError):
        return True


WATCH = ["leaks", "--lossless", "--ring-size", "64K", "-o", "/dev/null"]


def kill_attached(program, rounds, kill_sometime=kill_at_once):
    """One target, attached to and left again and again; the pids of all that was killed."""
    pids = set()
    with started([build("busy")]) as target:
        same(read_line(target), "on\n", "its beginning")
        for number in range(rounds):
            what = f"the target of attach {number}"
            with started([program, *WATCH, "-p", target.pid]) as watcher:
                pids |= kill_sometime(watcher)
            goes_on(target.pid, what)
            # Now and then the next one comes while the last one's probes still go.
            if number % 3 == 0:
                wait_for(lambda: is_clean(target.pid), "probes to go")
        wait_for(lambda: is_clean(target.pid), "probes to go")
        goes_on(target.pid, "the target")
        ends_well(target, "the target")
        same(target.wait(TIMEOUT), 0, "the target's status")
    return pids


def kill_launching(program, number):
    """A command whose heaptap is killed while it loads, or later."""
    command = temp("-busy")
    shutil.copy(build("busy"), command)
    with started([program, *WATCH, "--", command]) as watcher:
        wait_for(lambda: running(command), "the command to be executed")
        time.sleep(random.uniform(0, 0.3))
        kill(watcher)
        for pid in running(command):
            goes_on(pid, f"command {number}")
            wait_for(lambda: is_clean_or_gone(pid), "probes to go")
        same(read_line(watcher), "on\n", "its beginning")
        ends_well(watcher, f"command {number}")
        wait_for(lambda: not running(command), "the command's own end")


@test(f"kill -9 at {ATTACHES + LAUNCHES} random moments: the targets go on, right, and clean")
def _():
    program = own_heaptap()
    build("busy")
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = [pool.submit(kill_attached, program, ATTACHES // AT_ONCE) for _ in range(AT_ONCE)]
        jobs += [pool.submit(kill_launching, program, number) for number in range(LAUNCHES)]
        for job in jobs:
            job.result()
    wait_for(lambda: not running(program), "every process of heaptap's to end")


def kill_letting_go(watcher):
    """Ctrl-C, and kill -9 before it is through."""
    wait_for(lambda: is_watching(watcher), "heaptap to watch")
    watcher.send_signal(signal.SIGINT)
    time.sleep(random.uniform(0, 0.05))
    return kill(watcher)


@test("kill -9 while it lets go, 60 times: no probe is left, says the kernel as well")
def _():
    program, before = own_heaptap(), leaked_uprobes()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = [pool.submit(kill_attached, program, 60 // AT_ONCE, kill_letting_go)
                for _ in range(AT_ONCE)]
        pids = set().union(*(job.result() for job in jobs))
    wait_for(lambda: not running(program), "every process of heaptap's to end")
    same({pid: line for pid, line in leaked_uprobes().items()
          if pid in pids and line not in before.values()}, {}, "uprobes the kernel has leaked")


@test("kill -9 between fork and exec: nobody waits for ever")
def _():
    if not shutil.which("strace"):
        raise Skip("no strace here")
    program = own_heaptap()
    with started(["strace", "-o", temp(), "-e", "trace=ptrace", "-e",
                  "inject=ptrace:delay_enter=3000000", program, *WATCH, "--", build("busy")]):
        pids = wait_for(lambda: len(running(program)) == 3 and running(program),
                        "a keeper and a child")
        os.kill(min(pids), signal.SIGKILL)
        wait_for(lambda: min(pids) not in running(program), "heaptap's end")
        try:
            wait_for(lambda: not running(program), "the child's end")
        finally:
            for pid in running(program):
                os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
