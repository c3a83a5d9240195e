#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every option with every view and every format: it changes what is shown, or it is refused."""
import itertools
import os
import re

from htap import ROOT, check, has, heaptap, main, same, scratch, temp, test

GOLDEN = os.path.join(ROOT, "tests", "golden")
FILE = os.path.join(GOLDEN, "le64.htap")
OTHER = os.path.join(GOLDEN, "processes.htap")

VIEWS = ("leaks", "report", "sites", "peak", "timeline", "timeline --format tsv", "sizes", "threads",
         "ptr 0x5555555a4970", "misuse", "orphans", "orphans --format csv",
         "orphans --format malloc-trace", "tree", "tree --format cjdns", f"diff {OTHER}",
         *(f"export -f {name}" for name in ("folded", "callgrind", "pprof", "json", "csv",
                                            "malloc-trace", "sql")))

# With values that make a difference to each view that takes them.
OPTIONS = ("--min-bytes 100000", "--min-count 100", "--top 1", "--depth 1", "--cost temporary",
           "--cost total", "--cost live", "--older 100", "--at 30", "--between 30 60",
           "--thread 4243", "--min-size 70", "--max-size 40", "--function !^main$",
           "--file conf", "--module libconf", "--suppressions RULES", "--process 5001", "--width 200",
           "--min 50%", "--inverted", "--age 1", "--interval 7", "--resolve", "--rotate-size 1K",
           "--rotate-keep 3", "--error-exitcode 9", "--dialect mysql",
           "--time-slice-interval-secs 10", "--sample-interval-secs 10", "0x7f0000000010")

# What a view shows anyway, and what shows only in company of others.
NO_DIFFERENCE = {
    "--cost live": ("tree", f"diff {OTHER}", "export -f folded", "export -f callgrind"),
    "--cost total": ("sites", "export -f json"),
    "--interval 7": ("orphans",),
}
# Known to be wrong only when the view looks at it.
CANNOT = {
    "--process 5001": "no process 5001",
    "--cost temporary": "pprof has no place",
}


def made(words):
    """(status, standard output, {file: contents}, standard error)"""
    folder = os.path.join(scratch(), "made")
    os.makedirs(folder, exist_ok=True)
    done = heaptap(*words, cwd=folder)
    files = {}
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            files[name] = file.read()
        os.unlink(path)
    return done.status, done.stdout, files, done.stderr


def judge(view, option, before, after):
    """None, or what is wrong."""
    stderr = after[3]
    if after[0] == 2:
        refused = re.search(r"heaptap: .*(no use for|does not take|is not for|wants|takes one|"
                            r"does not go with|is for rows|is not given).*\.\n", stderr)
        return None if refused else f"refused without a sentence: {stderr}"
    if after[0] == 1:
        return None if option in CANNOT and CANNOT[option] in stderr else f"failed: {stderr}"
    same_as_before = before[:3] == after[:3]
    if same_as_before != (view in NO_DIFFERENCE.get(option, ())):
        return "ignored" if same_as_before else "makes a difference"
    return None


@test("each view with each option: a difference, or a refusal that says why")
def _():
    rules = temp(".supp")
    with open(rules, "w") as file:
        file.write("leak:json_value\nleak:session_open\nleak:misuse\n")
    wrong = []
    before = {view: made([*view.split(), FILE]) for view in VIEWS}
    for view in VIEWS:
        same(before[view][0], 0, f"status of {view}")
    for view, option in itertools.product(VIEWS, OPTIONS):
        after = made([*view.split(), *option.replace("RULES", rules).split(), FILE])
        fault = judge(view, option, before[view], after)
        if fault:
            wrong.append(f"{view} {option}: {fault}")
    check(not wrong, "\n".join(wrong))


@test("refusals name the option, the view and those that take it")
def _():
    for words, says in (
            ("peak --min 3%", r"peak has no use for --min; it is for tree\.\n"),
            ("sites --resolve", r"no use for --resolve; it is for orphans --format csv\|"),
            ("tree --format cjdns --depth 3", r"tree has no use for --depth with --format cjdns; "),
            ("tree --older 3 --cost peak", r"--older .* does not go with --cost peak\."),
            ("export -f csv --top 3", r"csv has no use for --top; it is for folded, callgrind, "),
            ("orphans --format csv --rotate-size 3M", r"name it by --output"),
            ("orphans --format csv --rotate-keep 3 -o x", r"--rotate-size, which makes them, is not"),
            ("orphans --format csv --resolve --interval 3", r"does not go with --interval")):
        has(heaptap(*words.split(), FILE).expect(2).stderr, says, words)
    has(heaptap("tree", "--format", "cjdns", "--json", FILE).expect(1).stderr, "cjdns has no JSON")


if __name__ == "__main__":
    main(watching=False)
