#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""On a terminal: progress, Ctrl-C, and a shell that must not think its job was stopped."""
import os
import re
import sys

from htap import (HEAPTAP, ROOT, build, check, has, heaptap, main, same, steps, temp, terminal, test,
                  wait_for, is_probed, is_watching, lives)

sys.path.insert(0, os.path.join(ROOT, "tests", "golden"))
import htap_format  # noqa: E402


@test("long work shows a progress line on a terminal, on stderr")
def _():
    argv = [HEAPTAP, "leaks", "-o", temp(), "--", build("threads"), "churn", "2", "300000"]
    with terminal(argv) as term:
        same(term.end(), 0, "status")
    has(term.text, r"\r", "terminal")
    has(term.text, r"\d[\d,.]*[kKM]? events", "terminal")
    has(term.text, r"(?i)live", "terminal")
    has(term.text, r"(?i)lost", "terminal")


@test("of a file that takes long to read, a terminal shows how much of it has been read")
def _():
    path, named = temp(".htap"), temp(".htap")
    with open(path, "wb") as file:
        writer = htap_format.Writer(file, index=False, codec=htap_format.STORED)
        writer.add({"type": "TARGET", "pid": 7, "started_ns": 1, "attached_ns": 1, "flags": 1,
                    "exe": b"/bin/x", "cmdline": b"x"})
        writer.flush()
        events = b"".join(htap_format.encode(record, "<") for number in range(1, 10000) for record in (
            {"type": "ALLOC", "pid": 7, "time_ns": number, "addr": 64 * number, "bytes": 10, "tid": 7,
             "stack": 0, "func": 1, "flags": 0},
            {"type": "FREE", "pid": 7, "time_ns": number, "addr": 64 * number, "tid": 7, "func": 5,
             "flags": 0}))
        block = htap_format.block(events, "<", htap_format.PACKED)
        for _ in range(500):
            file.write(block)
        for pid in (7, 0):
            writer.add({"type": "END", "pid": pid, "time_ns": 20000, "reason": 2, "status": 0})
        writer.close()
    for argv in (["leaks", "-o", temp(), path], ["symbolize", path, "-o", named]):
        with terminal([HEAPTAP, *argv]) as term:
            same(term.end(), 0, "status")
        percents = [int(text) for text in re.findall(r"\r\x1b\[K(\d+)% read", term.text)]
        check(len(percents) > 1 and percents == sorted(percents) and percents[0] < percents[-1] <= 100,
              f"{argv}: {percents} of {term.text!r}")
        check(term.text.endswith("\r\x1b[K"), f"the line stays: {term.text!r}")
    with open(path, "rb") as file:
        done = heaptap("leaks", "-", data=file.read()).expect(0)
    check("read" not in done.stderr, f"elsewhere: {done}")


@test("no progress line elsewhere")
def _():
    done = heaptap("leaks", "-o", temp(), "--", build("threads"), "churn", "2", "300000").expect(0)
    check("\r" not in done.stderr and "events" not in done.stderr, f"stderr: {done}")


@test("Ctrl-C on a terminal: the report, and the target lives")
def _():
    with steps() as target:
        with terminal([HEAPTAP, "leaks", "-p", target.pid]) as term:
            wait_for(lambda: is_probed(target.pid) and is_watching(term), "probes")
            target("keep", 3, 100)
            term.type("\x03")
            same(term.end(), 0, "status")
        has(term.text, r"Leak sum=300 count=3 avg=100", "terminal")
        check(lives(target.pid), "the target is gone")
        target("churn", 10, 10)


@test("Ctrl-C on a launched command ends the command; the report comes")
def _():
    with terminal([HEAPTAP, "leaks", "--", build("steps")]) as term:
        term.type("keep 3 100\n")
        term.wait_for("ok")
        term.type("\x03")
        same(term.end(), 130, "status")
    has(term.text, r"Leak sum=300 count=3 avg=100", "terminal")


@test("lossless under an interactive shell: no job is ever stopped")
def _():
    command = f"{HEAPTAP} leaks --ring-size 64K -o {temp()} -- {build('threads')} churn 4 30000"
    with terminal(["bash", "--norc", "--noprofile", "-i"]) as term:
        term.type(f"{command}; echo EN''D $?\n")
        term.wait_for(r"END \d+")
        term.type(f"jobs; echo JO''BS\n")
        term.wait_for(r"JOBS\r?\n")
        term.type("exit\n")
        term.end()
    has(term.text, r"END 0\b", "terminal")
    check(not re.search(r"(?i)stopped", term.text), f"a job was stopped:\n{term.text}")


@test("lossless under an interactive shell, reading the terminal in the foreground")
def _():
    command = f"{HEAPTAP} leaks --ring-size 64K -o {temp()} -- {build('steps')}"
    with terminal(["bash", "--norc", "--noprofile", "-i"]) as term:
        term.type(f"{command}; echo EN''D $?\n")
        for number in range(5):
            term.type("churn 30000 10\n")
            term.wait_for(r"(?:(?s:.)*ok\r?\n){%d}" % (number + 1))
        term.type("\x04")
        term.wait_for(r"END \d+")
        term.type("exit\n")
        term.end()
    has(term.text, r"END 0\b", "terminal")
    check(not re.search(r"(?i)stopped", term.text), f"a job was stopped:\n{term.text}")


if __name__ == "__main__":
    main()
