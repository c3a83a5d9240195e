#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Call trees, also in the format of cjdns, whose users' own pipeline must count right."""
import json
import os
import re
import select
import signal
import subprocess
from collections import Counter

from htap import (CFLAGS, TIMEOUT, attached, build, check, finish, has, heaptap, leaks, main, run, same,
                  scratch, started, temp, test)


def nodes(node):
    yield node
    for child in node["children"]:
        yield from nodes(child)


def check_sums(tree):
    """Fails unless every total is what is below it; returns the total."""
    for node in nodes(tree):
        for kind in ("bytes", "blocks"):
            same(node[kind], node["own"][kind] + sum(c[kind] for c in node["children"]),
                 f"{kind} of {node.get('function')}")
        sizes = [child["bytes"] for child in node["children"]]
        same(sizes, sorted(sizes, reverse=True), "order of children")
    return tree["bytes"], tree["blocks"]


def recorded(*command):
    path = temp(".htap")
    heaptap("record", "-o", path, "--", *command).expect(0)
    return path


def tree_of(*arguments):
    return json.loads(heaptap("tree", "--json", *arguments).expect(0).stdout)["processes"][0]["tree"]


@test("x.c as a tree: text and JSON")
def _():
    recording = recorded(build("x"))
    text = heaptap("tree", recording, env=dict(os.environ, LC_ALL="C")).expect(0).stdout
    has(text, r"(?m)^40960      10   83\.3%  \|- main at x\.c:26\n +\|  f at x\.c:13\n"
              r" 8192       1   16\.7%  `- main at x\.c:28\n\nLive: 49152 bytes in 11 blocks\.$")
    tree = tree_of(recording)
    same(check_sums(tree), (49152, 11), "all")
    same([(n["bytes"], n["line"]) for n in nodes(tree) if n.get("function") == "f"],
         [(40960, 13)], "f")
    inverted = tree_of("--inverted", recording)
    same(check_sums(inverted), (49152, 11), "all, inverted")
    same([(n["function"], n["bytes"]) for n in inverted["children"]],
         [("f", 40960), ("main", 8192)], "innermost calls")
    same(check_sums(tree_of("--cost", "total", recording))[0], 640 * 4096 + 15360, "allocated")
    small = heaptap("tree", "--min", "20%", recording).expect(0).stdout
    has(small, r"(?m)^ 8192       1   16\.7% .* 1 smaller$")
    same(heaptap("tree", "--min", 8193, recording).expect(0).stdout, small, "--min in bytes")


@test("a program with deep stacks: own amounts add up to what is live")
def _():
    recording = recorded("/usr/bin/perl", "-e", "my %h; $h{$_} = [$_] for 1..500; exec('true') if 0;")
    report = leaks(recording)
    whole = report.summary["leaked_bytes"], report.summary["leaked_blocks"]
    for options in ([], ["--inverted"]):
        same(check_sums(tree_of(*options, recording)), whole, f"{options}")
    heaptap("tree", recording).expect(0)


PIPELINE = r"sed -n -e 's/.* \([a-zA-Z0-9_]*\.[ch]\:[0-9]*\) .*$/\1/p' | sort | uniq -c | sort -n"


def piped(text):
    """What cjdns's documentation counts: {FILE:LINE: objects}."""
    inner = text.partition("----- cjdns memory snapshot -----\n")[2].partition(
        "----- end cjdns memory snapshot -----\n")[0]
    done = subprocess.run(["sh", "-c", PIPELINE], input=inner.encode(), stdout=subprocess.PIPE,
                          check=True, timeout=TIMEOUT)
    return {line.split()[1]: int(line.split()[0]) for line in done.stdout.decode().splitlines()}


def by_site(recording):
    """Live blocks by innermost FILE:LINE, as heaptap's own JSON has them."""
    counts = Counter()
    for leak in leaks(recording).leaks:
        frame = leak["frames"][0] if leak["frames"] else {"file": None}
        if frame["file"]:
            name = re.sub(r"[^a-zA-Z0-9]", "_", os.path.basename(frame["file"])[:-2])
            counts[f"{name}{frame['file'][-2:]}:{frame['line']}"] += leak["blocks"]
    return counts


def check_cjdns(text, live):
    """Every line as cjdns wrote it, and the figures of the lines against each other."""
    lines = text.splitlines()
    same(lines[0], "----- cjdns memory snapshot -----", "first line")
    same(lines[-1], "----- end cjdns memory snapshot -----", "last line")
    same(lines[-2], f"totalBytes [{live[0]}] remaining [0]", "limit")
    owners, seen = [], [0, 0]
    for line in lines[1:-2]:
        match = re.fullmatch(r"((?:\| |  )*)(\S+:\d+) \[(\d+)\] bytes( at \[0x[0-9a-f]+\])?", line)
        same(bool(match), True, f"is a line of cjdns: {line}")
        depth, size = len(match[1]) // 2, int(match[3])
        while len(owners) > depth:
            same(owners.pop(), 0, "own bytes without a block")
        if match[4]:
            same(len(owners), depth, f"depth of {line}")
            owners[-1] -= size
            seen = [seen[0] + size, seen[1] + 1]
        else:
            owners.append(size)
    same(set(owners), {0}, "own bytes without a block")
    same(tuple(seen), live, "all blocks")


@test("cjdns's format: its lines, its indentation, and the counts of its users' pipeline")
def _():
    for command in ([build("x")], ["/usr/bin/perl", "-e", "my %h; $h{$_} = [$_] for 1..100;"]):
        recording = recorded(*command)
        report = leaks(recording)
        text = heaptap("tree", "--format", "cjdns", recording).expect(0).stdout
        check_cjdns(text, (report.summary["leaked_bytes"], report.summary["leaked_blocks"]))
        same(piped(text), dict(by_site(recording)), f"counts of {command[0]}")
    text = heaptap("tree", "--format", "cjdns", recorded(build("x"))).expect(0).stdout
    same(piped(text), {"x.c:13": 10, "x.c:28": 1}, "counts")
    has(text, r"(?m)^(  )+\S+/x\.c:26 \[40960\] bytes\n((  )+x\.c:13 \[4096\] bytes at \[0x.*\]\n){10}"
              r"(  )+x\.c:28 \[8192\] bytes at ")


HOARD = """#include <stdlib.h>
#include <unistd.h>
static void *kept[50000];
static void take(void) { for (int i = 0; i < 50000; i++) kept[i] = malloc(64); }
int main(void)
{
	char byte;
	if (read(0, &byte, 1) != 1)
		return 1;
	take();
	if (write(1, "done\\n", 5) != 5)
		return 1;
	while (read(0, &byte, 1) == 1)
		if (write(1, &byte, 1) != 1)
			return 1;
	return 0;
}
"""


def is_stopped(pid):
    """Is process pid stopped, or traced?"""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        return stat.read().rpartition(")")[2].split()[0] in "Tt"


@test("50000 live blocks of a running process: it neither stops nor says anything")
def _():
    source = os.path.join(scratch(), "hoarder.c")
    with open(source, "w", encoding="utf-8") as file:
        file.write(HOARD)
    run(["gcc", *CFLAGS, "-o", source[:-2], source]).expect(0)
    with started([source[:-2]]) as target:
        with attached(target.pid, "--format", "cjdns", subcommand="tree") as watcher:
            target.stdin.write(b"g")
            target.stdin.flush()
            same(select.select([target.stdout], [], [], TIMEOUT)[0] != [], True, "the target went on")
            same(os.read(target.stdout.fileno(), 100), b"done\n", "what the target says")
            watcher.send_signal(signal.SIGINT)
            while True:
                target.stdin.write(b"x")
                target.stdin.flush()
                check(select.select([target.stdout], [], [], TIMEOUT)[0], "no answer")
                same(os.read(target.stdout.fileno(), 1), b"x", "the answer")
                check(not is_stopped(target.pid), "the target is stopped")
                if select.select([watcher.stdout], [], [], 0.001)[0]:
                    break
            text = finish(watcher).expect(0).stdout
        same(piped(text), {"hoarder.c:4": 50000}, "counts")
        same(target.poll(), None, "the target's end")
        target.stdin.close()
        same((target.stdout.read(), target.stderr.read()), (b"", b""), "what the target says")


@test("what a tree cannot do is said")
def _():
    recording = recorded(build("x"))
    has(heaptap("tree", "--format", "x", recording).expect(1).stderr, "formats cjdns, not 'x'")
    heaptap("tree", "--format", "cjdns", "--cost", "peak", recording).expect(2)
    heaptap("tree", "--format", "cjdns", "--json", recording).expect(1)
    for share in ("x", "101%", "-1%", "5%x", "nan%"):
        has(heaptap("tree", f"--min={share}", recording).expect(2).stderr, "such as 1% or")


if __name__ == "__main__":
    main()
