#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What heaptap must do on every kernel it works on; runs in a guest of scripts/kernel-vm. LINK: the kind
of link this kernel must give (session, multi or perf)."""
import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from htap import (Counter, attached, build, check, equal_counts, finish, has, heaptap, interrupt,  # noqa: E402
                  is_clean, leaks, leaks_tree, main, run, same, started, steps, temp, test, wait_for, HEAPTAP)
from walks import figures, none_wrong, tool, STATS  # noqa: E402

LINK = os.environ.get("LINK", "")
# Linux 6.13: a forked child is held until it is probed.
HOLDS_CHILDREN = LINK == "session"
QUERY = "[range(300) | {id: ., kind: \"k\\(. % 17)\"}] | group_by(.kind) | map({k: .[0].kind, n: length})"
SQL = ("create table t(id integer primary key, name text);"
       "with recursive n(i) as (select 1 union all select i + 1 from n where i < 300)"
       "insert into t select i, 'name ' || i from n; create index by_name on t(name);"
       "select count(*), group_concat(distinct substr(name, 1, 6)) from t group by id % 7;")


@test("doctor finds all it needs, and the cheapest kind of link")
def _():
    done = heaptap("doctor").expect(0)
    has(done.stdout, r"BPF programs +ok +the kernel takes them")
    has(done.stdout, rf"; used: {LINK}\n")
    has(done.stdout, r"All is well\.")


@test("launched: every function and every byte is counted")
def _():
    report = leaks("--engine", "bpf", "--", build("functions"))
    same(report.summary, json.loads(report.done.stdout), "heaptap against the tally")


@test("launched: threads, against a count inside the process")
def _():
    counter = Counter(build("threads"))
    report = leaks("--engine", "bpf", "--", build("threads"), "short", "200", env=counter.environment())
    equal_counts(report, counter)


@test("launched: calls that never return, left by longjmp and by exceptions")
def _():
    report = leaks("--engine", "bpf", "--", build("escape"))
    same(report.summary, json.loads(report.done.stdout), "heaptap against the tally")
    report = leaks("--engine", "bpf", "--", build("throws"))
    same(report.done.status, 0, "the status of a program that throws")


@test("attached: what it does from then on, with whole stacks; and nothing is left in it")
def _():
    with steps() as target:
        with attached(target.pid) as watcher:
            target("keep", 30, 7)
            done = interrupt(watcher).expect(0)
        check(is_clean(target.pid), "probes are left in the target")
        target("keep", 5, 5)
        target.end()
    has(done.stdout, r"(?m)^Leak sum=210 count=30 avg=7\n keep at steps\.c:\d+\n")
    has(done.stdout, " _start at ")
    has(done.stdout, r"Lost events: 0\.")


@test("attached: a heaptap that is killed leaves nothing behind")
def _():
    with steps() as target:
        with attached(target.pid) as watcher:
            target("keep", 30, 7)
            watcher.send_signal(signal.SIGKILL)
            watcher.wait()
            wait_for(lambda: is_clean(target.pid), "the probes' end")
        target("keep", 5, 5)
        target.end()


@test("children: what they exec is counted from its first instruction on")
def _():
    reports = leaks_tree("--engine", "bpf", "--", "sh", "-c", f"{build('functions')}; {build('functions')}; true")
    ours = [r for r in reports.values() if r.json["target"]["exe"].endswith("/functions")]
    same(len(ours), 2, "processes that ran it")
    tally = json.loads(ours[0].done.stdout.splitlines()[0])
    for report in ours:
        same({key: report.summary[key] for key in tally}, tally, "heaptap against the tally")


@test("children: a fork's own allocations")
def _():
    reports = leaks_tree("--engine", "bpf", "--", build("fork"))
    forks = [r for r in reports.values() if r.json.get("inherited")]
    check(len(forks) >= 3, f"{len(forks)} children with a heap that they inherited")
    nr_seen = [sum(l["blocks"] for l in r.leaks if l["bytes"] == 77 * l["blocks"]) for r in forks]
    if HOLDS_CHILDREN:
        same([nr for nr in nr_seen if nr], [1000] * 3, "blocks of 77 bytes, of each child")
    else:
        check(all(nr <= 1000 for nr in nr_seen), f"more than there were: {nr_seen}")


@test("a recording says the same as the process did")
def _():
    path = temp(".htap")
    done = heaptap("record", "--engine", "bpf", "--free-stacks", "-o", path, "--", build("functions")).expect(0)
    same(leaks(path).summary, json.loads(done.stdout), "the recording against the tally")


def accuracy(name, *command):
    """Every distinct stack of a program without frame pointers, against libdwfl's walk of it."""
    done = run([HEAPTAP, "leaks", "--engine", "bpf", "--stats", "--check-stacks", "--lossless", "-o", temp(".txt"),
                "--", tool(name), *command]).expect(0)
    found = none_wrong(name, done.stderr)
    check(found["checked"] >= 100, f"hardly any stacks: {found}")
    check(found["equal"] + found["agreeing"] >= 0.995 * found["checked"], f"too many are cut: {found}")
    ended = figures(STATS, done.stderr)
    check(ended["gap"] + ended["lost"] <= 1 + 0.005 * found["checked"], f"too many end early: {ended}")


@test("stacks of sqlite3 are libdwfl's")
def _():
    accuracy("sqlite3", ":memory:", SQL)


@test("stacks of jq are libdwfl's")
def _():
    accuracy("jq", "-nc", QUERY)


@test("the preload library needs nothing of the kernel")
def _():
    report = leaks("--engine", "preload", "--", build("functions"))
    same(report.summary, json.loads(report.done.stdout), "heaptap against the tally")


if __name__ == "__main__":
    main()
