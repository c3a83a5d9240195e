#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The older kinds of link, which older kernels have only, count and walk exactly like the newest."""
import json

from htap import (Counter, attached, build, check, equal_counts, has, interrupt, leaks, main, same,
                  steps, test)


def every_function(kind):
    report = leaks("--link", kind, "--", build("functions"))
    same(report.summary, json.loads(report.done.stdout), f"functions by {kind} links")


def threads(kind):
    counter = Counter(build("threads"))
    report = leaks("--link", kind, "--", build("threads"), "short", "500",
                   env=counter.environment())
    equal_counts(report, counter)


def calls_left_by_longjmp(kind):
    report = leaks("--link", kind, "--", build("escape"))
    same(report.summary, json.loads(report.done.stdout), f"escape by {kind} links")


def attach(kind):
    with steps() as target:
        with attached(target.pid, "--link", kind) as watcher:
            target("keep", 30, 7)
            done = interrupt(watcher).expect(0)
        target.end()
    has(done.stdout, r"(?m)^Leak sum=210 count=30 avg=7\n keep at steps\.c:\d+\n", f"by {kind} links")
    check(" _start at " in done.stdout, f"no stack goes out to _start by {kind} links")


@test("without bpf_loop stacks are the same")
def _():
    frames = [{(leak["bytes"], tuple(frame["offset"] for frame in leak["frames"]))
               for leak in leaks(*options, "--", "perl", "-e", "my %h = map { $_ => 1 } 1..100;",
                                  env={"PERL_HASH_SEED": "0"}).leaks}
              for options in ((), ("--plain-loop",))]
    check(len(frames[0]) > 5, f"hardly anything: {frames[0]}")
    same(frames[1], frames[0], "stacks by the plain loop")


for KIND in ("session", "multi", "perf"):
    for body in (every_function, threads, calls_left_by_longjmp, attach):
        test(f"{KIND}: {body.__name__.replace('_', ' ')}")(lambda body=body, kind=KIND: body(kind))

if __name__ == "__main__":
    main()
