#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""On a terminal: progress, Ctrl-C, and a shell that must not think its job was stopped."""
import re

from htap import (HEAPTAP, build, check, has, heaptap, main, same, steps, temp, terminal, test,
                  wait_for, is_probed, is_watching, lives)


@test("long work shows a progress line on a terminal, on stderr")
def _():
    argv = [HEAPTAP, "leaks", "-o", temp(), "--", build("threads"), "churn", "2", "300000"]
    with terminal(argv) as term:
        same(term.end(), 0, "status")
    has(term.text, r"\r", "terminal")
    has(term.text, r"\d[\d,.]*[kKM]? events", "terminal")
    has(term.text, r"(?i)live", "terminal")
    has(term.text, r"(?i)lost", "terminal")


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
        term.wait_for(r"END \d+", 120)
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
