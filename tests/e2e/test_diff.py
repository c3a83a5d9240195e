#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What grew from one recording to the next, the program unchanged or rebuilt."""
import json
import os
import re
import subprocess

from htap import CFLAGS, HEAPTAP, TIMEOUT, check, has, heaptap, main, run, same, scratch, temp, test

SOURCE = """#include <stdlib.h>
static void *kept[10000];
static int nr;
__attribute__((noinline)) static void leak(int n)
{
	while (n--)
		kept[nr++] = malloc(100);
}
int main(int argc, char **argv)
{
	kept[nr++] = malloc(5000);
	leak(atoi(argv[1]));
	kept[nr++] = malloc(7);
	if (argc > 2)
		free(kept[0]);
	return argc < 2;
}
"""


def compiled(name, source, *flags):
    directory = os.path.join(scratch(), name)
    os.mkdir(directory)
    with open(os.path.join(directory, "grow.c"), "w", encoding="utf-8") as file:
        file.write(source)
    run(["gcc", *CFLAGS, *flags, "-o", "grow", "grow.c"], cwd=directory).expect(0)
    return os.path.join(directory, "grow")


def recorded(program, *arguments):
    path = temp(".htap")
    heaptap("record", "-o", path, "--", program, *arguments).expect(0)
    return path


def sites(*arguments):
    """[(bytes, blocks, before, after, innermost function and line)] of the one process."""
    report = json.loads(heaptap("diff", "--json", *arguments).expect(0).stdout)
    same(len(report["processes"]), 1, "processes")
    return [(s["bytes"], s["blocks"], s["before"]["bytes"], s["after"]["bytes"],
             s["frames"][0]["function"], s["frames"][0]["line"])
            for s in report["processes"][0]["sites"]]


@test("a recording and itself, or another run of the same: nothing")
def _():
    program = compiled("same", SOURCE)
    first, second = recorded(program, "10"), recorded(program, "10")
    for later in (first, second):
        text = heaptap("diff", "--error-exitcode", 3, first, later).expect(0).stdout
        same(text, "Live: 6007 -> 6007 bytes (+0), 12 -> 12 blocks (+0).\n"
             "Call sites: 0 grew, of them 0 new; 0 shrank, of them 0 gone.\nLost events: 0, 0.\n",
             "text")
        same(sites(first, later), [], "sites")


@test("the leaking site comes first, what shrank last")
def _():
    program = compiled("grown", SOURCE)
    first, second = recorded(program, "10"), recorded(program, "30", "x")
    same(sites(first, second), [(2000, 20, 1000, 3000, "leak", 7),
                                (-5000, -1, 5000, 0, "main", 11)], "sites")
    same(sites("--top", 1, first, second)[0][4], "leak", "top")
    same([s[0] for s in sites("--min-bytes", 3000, first, second)], [-5000], "--min-bytes")
    same([s[0] for s in sites("--function", "^leak$", first, second)], [2000], "--function")
    same([s[0] for s in sites("--cost", "total", first, second)], [2000], "--cost total")
    done = heaptap("diff", "--error-exitcode", 3, first, second).expect(3)
    has(done.stdout, r"^\+2000 bytes \(\+20 blocks\): 1000 -> 3000\n leak at grow\.c:7\n main at ")
    has(done.stdout, r"\n-5000 bytes \(-1 block\): 5000 -> 0, gone\n main at grow\.c:11\n")
    has(done.stdout, r"\nLive: 6007 -> 3007 bytes \(-3000\), 12 -> 31 blocks \(\+19\)\.\n")
    heaptap("diff", "--error-exitcode", 3, second, second).expect(0)
    with open(first, "rb") as early:
        text = subprocess.run([HEAPTAP, "diff", "-", second], stdin=early, check=True,
                              stdout=subprocess.PIPE, timeout=TIMEOUT).stdout.decode()
    same(text, done.stdout, "the earlier one from standard input")


@test("a program that was rebuilt: other addresses, moved lines, a new site among the old")
def _():
    old = recorded(compiled("old", SOURCE), "10")
    optimised = recorded(compiled("optimised", SOURCE, "-O2", "-no-pie"), "10")
    same(sites(old, optimised), [], "the same source in other code")
    moved = recorded(compiled("moved", "\n\n" + SOURCE), "12")
    same(sites(old, moved), [(200, 2, 1000, 1200, "leak", 9)], "two lines more at the top")
    source = SOURCE.replace("\tkept[nr++] = malloc(5000);",
                            "\tkept[nr++] = malloc(9);\n\tkept[nr++] = malloc(5000);")
    added = recorded(compiled("added", source), "11")
    same(sites(old, added), [(100, 1, 1000, 1100, "leak", 7), (9, 1, 0, 9, "main", 11)],
         "a line more in main, which allocates")
    same(sites(added, old), [(-9, -1, 9, 0, "main", 11), (-100, -1, 1100, 1000, "leak", 7)],
         "and the other way round")


@test("a process tree: by name and in order; where they do not match, all in one")
def _():
    program = compiled("tree", SOURCE)
    shell = "for n in %s; do " + program + " $n; done; :"
    one = recorded("sh", "-c", shell % "10 20")
    two = recorded("sh", "-c", shell % "10 25")
    three = recorded("sh", "-c", shell % "10 20 30")
    text = heaptap("diff", one, two).expect(0).stdout
    same(re.findall(r"(?m)^[+-]\d+ bytes", text), ["+500 bytes"], f"changes of\n{text}")
    has(text, r"(?m)^Process \d+: \S+grow 25 ")
    text = heaptap("diff", one, three).expect(0).stdout
    has(text, r"^All processes, 3 and 4, are added up\.\n\n\+5000 bytes \(\+1 block\): 10000 -> 15000\n")
    has(text, r"\+3000 bytes \(\+30 blocks\): 3000 -> 6000\n leak at ")


@test("--unresolved lists what has no name in either recording")
def _():
    listed = []
    for name in ("before", "after"):
        program = compiled(name, SOURCE)
        path = temp(".htap")
        heaptap("record", "--no-symbols", "-o", path, "--", program, "10").expect(0)
        os.rename(program, program + ".gone")
        listed.append((program, path))
    unresolved = temp()
    heaptap("diff", listed[0][1], listed[1][1], "--unresolved", unresolved).expect(0)
    with open(unresolved, encoding="utf-8") as file:
        lines = file.read().splitlines()
    check(all(re.fullmatch(r"/\S+ 0x[0-9a-f]+", line) for line in lines), f"lines: {lines}")
    for program, _ in listed:
        check(sum(line.startswith(program + " ") for line in lines) >= 3, f"{program}: {lines}")
    same(lines, sorted(set(lines)), "order")


@test("what cannot be compared is said")
def _():
    for arguments in (["x.htap"], ["-p", "1"], ["--", "true"], ["-", "-"]):
        done = heaptap("diff", *arguments).expect(2)
        has(done.stderr, "compares two recordings|Only one of the two", "message")
    recording = recorded(compiled("cut", SOURCE), "10")
    heaptap("diff", recording, "/nowhere/x").expect(1)
    heaptap("tree", recording, recording).expect(2)
    short = temp(".htap")
    with open(recording, "rb") as whole, open(short, "wb") as part:
        part.write(whole.read()[:-20])
    has(heaptap("diff", recording, short).expect(1).stdout, "(?m)^Live: 6007 -> ")


if __name__ == "__main__":
    main()
