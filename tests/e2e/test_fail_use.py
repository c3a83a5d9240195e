#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""heaptap fail as it is used: what it says when nothing failed, or when it was asked for what cannot be."""
import json
import os
import re
import shutil

from htap import build, check, has, heaptap, run, same, temp, terminal, test, HEAPTAP, main


def fail(*arguments, database=None, expect=(0,), **popen):
    limit = () if "--timeout" in arguments else ("--timeout", "2")
    return heaptap("fail", "--database", database or temp(".fail"), *limit, *arguments, **popen).expect(*expect)


@test("a search that tries nothing says so")
def _():
    has(fail("--", "true").stderr, "No call failed: true allocates nothing, or by an allocator")
    empty = temp(".fail")
    os.mkdir(empty)
    has(fail("--list", database=empty).stderr, "knows no call paths")
    has(fail("--only", "nowhere", "--", build("shaky")).stderr, "none that --size, --only and --ignore mean")
    done = fail("--nth", "99", "--", build("shaky"))
    has(done.stderr, "makes fewer of them")
    has(done.stdout, r"^0 call paths\. 1 run\.$")
    has(fail("--nth", "2", "--", build("shaky")).stdout, r"1 clean error\. 1 run\.$")


@test("a command, or a client, that fails by itself is told of")
def _():
    has(fail("--", "sh", "-c", "exit 5", expect=(0, 3)).stderr, "sh has exit status 5 without any failure")
    server = ["sh", "-c", "echo begun; exec sleep 99"]
    done = fail("--ready", "begun", "--size", ">1G", "--drive", "exit 4", "--", *server)
    has(done.stderr, "client of --drive fails without any failure of the server's, by exit status 4")
    check("without any failure" not in fail("--", "true").stderr, "said of one that succeeds")


@test("what cannot be run: why")
def _():
    path = temp()
    with open(path, "w", encoding="ascii"):
        pass
    for command, why in ((path, "it is not executable"), ("/", "it is not a program"),
                         ("nosuchprogram", "there is no such program in PATH"),
                         (path + "/x", "Not a directory")):
        has(fail("--", command, expect=(1,)).stderr, f"{command} cannot be run: {why}\\.")
    static = build("shaky", "-static", target="shaky-static")
    has(fail("--", static, expect=(1,)).stderr, r"linked statically.*`heaptap fail -p PID`")


@test("output that cannot be written is said to be so once")
def _():
    done = run(["sh", "-c", 'exec "$@" >/dev/full', "sh", HEAPTAP, "fail", "--database", temp(".fail"), "--nth", "2",
                "--", build("shaky")]).expect(1)
    has(done.stderr, r"^heaptap: The output could not be written: No space left on device\.\n$")
    has(fail("--timeout", "0.01", "--", "sleep", "1", expect=(1,)).stderr, "not done after 0.01 s without")


@test("options that do not go together are refused")
def _():
    for arguments, why in ((["--gdb", "--", "true"], "--gdb is for --replay"),
                           (["--list", "--", "true"], "goes without -- COMMAND"),
                           (["--list", "--replay", "1"], "goes without --replay"),
                           (["--list", "--nth", "1"], "--nth is for a search"),
                           (["--replay", "1", "--jobs", "2", "--", "true"], "--jobs is for a search"),
                           (["--replay", "1", "--junit", "x", "--", "true"], "--junit is for a search or --list"),
                           (["--replay", "", "--", "true"], "takes an ID, not an empty word")):
        has(heaptap("fail", *arguments).expect(2).stderr, why)


@test("what was not compared is not said to be the same")
def _():
    database = temp(".fail")
    fail("--size", "103-104", "--", build("shaky"), database=database)
    done = fail("--list", "--json", database=database)
    paths = {path["size"]: path for path in json.loads(done.stdout)["paths"]}
    same([paths[size]["output_differs"] for size in (103, 104)], [True, False], "of a search")
    replay = fail("--replay", paths[103]["id"], "--", build("shaky"), database=database)
    has(replay.stdout, "survived, output not compared")
    # Calls of other sizes are not known, and those of a child could fail besides.
    same(replay.stderr.count("Once more, without them"), 1, "sentences")
    same((replay.stdout.count("begun"), replay.stderr.count("no memory")), (1, 1), "shown of the first and the last")
    has(replay.stderr, "its output was another one than undisturbed: silent")
    data = json.loads(fail("--replay", paths[103]["id"], "--json", "--", build("shaky"), database=database).stdout)
    same(data["paths"][0]["verdict"], "silent", "a replay with --json")
    # All fail in one run, which can be laid to the last of them alone.
    many = fail("--many", "--json", "--size", "103-104", "--", build("shaky"))
    same([path["output_differs"] for path in json.loads(many.stdout)["paths"]].count(None), 2, "of --many")


@test("blocks that undisturbed runs leave now and then are no leaks")
def _():
    done = fail("--json", "--size", "501-505", "--", build("moody"), temp())
    same({path["verdict"] for path in json.loads(done.stdout)["paths"]}, {"survived"}, "verdicts")


@test("--gdb: each run of it fails")
def _():
    if not shutil.which("gdb"):
        return
    database = temp(".fail")
    fail("--size", "100", "--", build("shaky"), database=database, expect=(3,))
    path = json.loads(fail("--list", "--json", database=database).stdout)["paths"][0]["id"]
    done = fail("--replay", path, "--gdb", "--", build("shaky"), database=database,
                data=b"set confirm off\nrun\nrun\nbt 1\nkill\nquit\n")
    same(done.stdout.count("SIGSEGV"), 2, f"crashes in {done}")
    has(done.stdout, "unchecked")


@test("Ctrl-C ends a replay that hangs")
def _():
    database = temp(".fail")
    fail("--timeout", "1", "--", build("shaky"), database=database, expect=(3,))
    path = next(path["id"] for path in json.loads(fail("--list", "--json", database=database).stdout)["paths"]
                if path["verdict"] == "hang")
    argv = [HEAPTAP, "fail", "--database", database, "--timeout", "60", "--replay", path, "--", build("shaky")]
    with terminal(argv) as term:
        term.wait_for("begun")
        term.type("\x03")
        same(term.end(), 1, "status")
    has(term.text, "heaptap: Interrupted")


@test("a terminal shows how far it is, of several jobs together")
def _():
    with terminal([HEAPTAP, "fail", "--database", temp(".fail"), "--jobs", "2", "--", build("shaky")]) as term:
        same(term.end(), 3, "status")
    shown = re.findall(r"\r\x1b\[Krun (\d+), (\d+) call paths?, (\d+) faults?", term.text)
    numbers = [tuple(map(int, numbers)) for numbers in shown]
    check(len(numbers) > 2 and numbers[-1][0] > 9 and numbers[-1][2] > 0, f"progress: {numbers}")
    for column in zip(*numbers):
        same(list(column), sorted(column), "a number that only grows")
    check("undisturbed runs" in term.text and term.text.rfind("\r\x1b[K") > term.text.rfind("\rrun"), "the line stays")


main(watching=False)
