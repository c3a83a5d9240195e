#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""heaptap fail: a program is explored by itself, and each failure gets its verdict."""
import json
import os
import re
import shutil
import signal
import time
import xml.etree.ElementTree as xml

from htap import build, check, finish, has, heaptap, run, same, started, temp, test, wait_for, HEAPTAP, main

# What the functions of the workload make of their failures, by the bytes they ask for.
VERDICTS = {10: "clean error", 11: "clean error", 12: "clean error", 40: "clean error", 7: "clean error",
            1000: "clean error", 128: "clean error", 100: "crash", 101: "abort", 102: "hang", 103: "silent",
            104: "survived", 105: "crash", 106: "crash"}


def shaky():
    return build("shaky")


def stripped():
    path = temp()
    shutil.copy(shaky(), path)
    run(["strip", path]).expect(0)
    return path


def fail(*arguments, database=None, expect=(3,), **popen):
    database = database or temp(".fail")
    return heaptap("fail", "--database", database, "--timeout", "2", *arguments, **popen).expect(*expect)


def by_size(done):
    return {path["size"]: path for path in json.loads(done.stdout)["paths"]}


@test("acceptance: fifteen call paths, also of a stripped program, each with its verdict")
def _():
    for program in (shaky(), stripped()):
        data = json.loads(fail("--json", "--", program).stdout)
        same(data["complete"], True, "complete")
        same(len({path["id"] for path in data["paths"]}), 15, "paths")
        # Two in a run of two processes have runs of their own, and the last run finds nothing.
        same(data["runs"], 17, "runs")
        same({path["size"]: path["verdict"] for path in data["paths"]}, VERDICTS, "verdicts")


@test("a crash has both stacks, by name, and the text says where")
def _():
    database = temp(".fail")
    paths = by_size(fail("--json", "--", shaky(), database=database))
    for size, function in ((100, "unchecked"), (105, "crashing_child")):
        same(paths[size]["signal"], int(signal.SIGSEGV), "signal")
        for stack in ("stack", "crash_stack"):
            same([frame["function"] for frame in paths[size][stack][:2]], [function, "main"], f"{stack} of {size}")
    failed, crashed = (paths[100][stack][0]["line"] for stack in ("stack", "crash_stack"))
    same(crashed - failed, 2, "the line of the crash, behind that of the call")
    # A call of address 0 has no frame to walk from, but a caller.
    same([frame["function"] for frame in paths[106]["crash_stack"][:3]], [None, "call", "jumps"], "a jump to 0")
    has(fail("--", shaky(), database=database).stdout,
        r"(?s)malloc of 100 bytes: crash, signal 11 .*The call that failed:\n unchecked at shaky\.c:\d+\n"
        r".*Where it ended:\n unchecked at shaky\.c:\d+\n")


@test("a replay has the same end, and fails nothing else")
def _():
    database = temp(".fail")
    paths = by_size(fail("--json", "--", shaky(), database=database))
    for size in (100, 105, 103, 11):
        path = paths[size]
        done = fail("--json", "--replay", path["id"], "--", shaky(), database=database, expect=(0, 3))
        again = json.loads(done.stdout)["paths"]
        same([(one["id"], one["verdict"], one["crash_stack"]) for one in again],
             [(path["id"], path["verdict"], path["crash_stack"])], "replayed")
    done = fail("--replay", paths[100]["id"][:6], "--", shaky(), database=database)
    has(done.stdout, r"(?s)^begun\n.*crash, signal 11", "with the program's own output")
    has(fail("--replay", "0123", "--", shaky(), database=database, expect=(1,)).stderr, "knows no call path 0123")
    has(fail("--replay", "nonsense", "--", shaky(), database=database, expect=(1,)).stderr, "knows no call path")


@test("what is known is not tried again; lines taken out of the file are")
def _():
    database = temp(".fail")
    fail("--", shaky(), database=database)
    has(fail("--", shaky(), database=database).stdout, r"15 call paths: .* 1 run, until no new path came")
    known = f"{database}/known"
    with open(known, encoding="ascii") as file:
        lines = file.readlines()
    with open(known, "w", encoding="ascii") as file:
        file.writelines(lines[:-3])
    has(fail("--", shaky(), database=database).stdout, r"15 call paths: .* 4 runs, until")
    listed = fail("--list", database=database, expect=(0,)).stdout
    same(len(re.findall(r"(?m)^[0-9a-f]{16}  ", listed)), 15, "listed")
    same(listed.count("The call that failed:"), 15, "stacks")


@test("MALLOCFAIL_FILE is the file of what is known")
def _():
    known = temp()
    fail("--", shaky(), env=dict(os.environ, MALLOCFAIL_FILE=known))
    with open(known, encoding="ascii") as file:
        same(len(set(re.findall(r"(?m)^[0-9a-f]{16}$", file.read()))), 15, "ids")


@test("rules: --size, --ignore, --only, --nth, --many, --max-runs, --strict")
def _():
    def sizes(*rules, expect=(0,)):
        done = fail("--json", *rules, "--", shaky(), expect=expect)
        return sorted(path["size"] for path in json.loads(done.stdout)["paths"])

    same(sizes("--size", ">=128"), [128, 1000], "--size >=128")
    same(sizes("--size", "11-12"), [11, 12], "--size 11-12")
    same(sizes("--size", "101"), [101], "--size 101")
    same(sizes("--size", "101", "--strict", expect=(3,)), [101], "--strict")
    same(sizes("--only", "strdup"), [7], "--only strdup")
    same(sizes("--only", "strdup", "--only", "nothing,"), [7], "--only, one of which is nowhere")
    same(sizes("--only", "strdup,libc.so.6", "--size", "<20"), [7, 10, 11, 12], "--only, two that overlap")
    same(sizes("--ignore", "libc.so", "--size", "<20"), [], "--ignore")
    same(sizes("--nth", "2"), [11], "--nth 2")
    same(sizes("--max-runs", "2"), [10, 11], "--max-runs")
    data = json.loads(fail("--many", "--json", "--size", "103-104", "--", shaky(), expect=(0,)).stdout)
    same((len(data["paths"]), data["runs"]), (3, 2), "--many: paths, runs")
    for wrong in (["--size", "x"], ["--rate", "5"], ["--seed", "3"], ["--only", "a,b", "--nth", "2"],
                  ["--ready", "("], ["--only", ","], ["--size", "9-3"]):
        fail(*wrong, "--", shaky(), expect=(2,))


@test("JUnit: a failure for each fault")
def _():
    path = temp(".xml")
    fail("--junit", path, "--", shaky())
    suite = xml.parse(path).getroot()
    same((suite.attrib["tests"], suite.attrib["failures"], len(suite.findall("testcase/failure"))),
         ("15", "4", 4), "counts")
    check(any("unchecked at shaky.c" in failure.text for failure in suite.iter("failure")), "no stack")


@test("an end by a signal: what is no error of the program's is no crash")
def _():
    database, report = temp(".fail"), temp(".xml")
    paths = by_size(fail("--json", "--junit", report, "--size", "400-412", "--", build("ends"), database=database))
    same({size: (path["verdict"], path["signal_name"], path["exit_status"]) for size, path in paths.items()},
         {400: ("clean error", "SIGPIPE", None), 401: ("clean error", "SIGTERM", None),
          402: ("clean error", "SIGUSR1", None), 403: ("hang", "SIGKILL", None), 404: ("hang", "SIGXFSZ", None),
          405: ("hang", "SIGALRM", None), 406: ("crash", "SIGFPE", None), 407: ("crash", "SIGSYS", None),
          # A child's crash goes before the parent's SIGPIPE, and a child's SIGPIPE is none of the parent's.
          408: ("crash", "SIGSEGV", None), 409: ("survived", None, 0), 410: ("abort", "SIGABRT", None),
          # The C library has noticed.
          411: ("crash", "SIGABRT", None), 412: ("crash", "SIGSEGV", None)}, "verdicts")
    same(paths[400]["signal"], int(signal.SIGPIPE), "its number")
    same([frame["function"] for frame in paths[408]["crash_stack"][:2]], ["die_in_child", "main"], "in the child")
    same([frame["function"] for frame in paths[412]["crash_stack"][:2]], ["halts", "main"], "at the last instruction")
    has(fail("--list", database=database, expect=(0,)).stdout,
        r"malloc of 400 bytes: clean error, signal 13 \(Broken pipe\)\n(?s:.*)403 bytes: hang, signal 9 \(Killed\)\n")
    suite = xml.parse(report).getroot()
    same(sorted(case.text for case in suite.iter("system-out"))[:2],
         ["abort, signal 6 (Aborted)", "clean error, signal 10 (User defined signal 1)"], "what JUnit says")
    same(suite.attrib["failures"], "8", "failures")
    done = fail("--replay", paths[411]["id"], "--", build("ends"), database=database)
    has(done.stdout, r"411 bytes: crash, signal 6 \(Aborted\)")
    check("another one" not in done.stderr, f"it differs: {done.stderr}")


@test("of several failures in one run, a crash is of those in its process, and the rest is tried alone")
def _():
    database = temp(".fail")
    data = json.loads(fail("--json", "--", build("together"), database=database).stdout)
    # 501 and 511 come only after 500 and 510: their own crash is known, but no end without a crash.
    same({path["size"]: (path["verdict"], path["exit_status"]) for path in data["paths"]},
         {500: ("crash", None), 501: ("untried", None), 510: ("clean error", 4), 511: ("crash", 4)}, "verdicts")
    same({path["size"]: path["crash_stack"][0]["function"] for path in data["paths"] if path["crash_stack"]},
         {500: "main", 511: "crashes"}, "where it crashed")
    same(data["runs"], 7, "runs")
    has(fail("--", build("together"), database=database).stdout,
        r"501 bytes: untried, it has failed only together with others\n(?s:.*)4 call paths: .* 1 run, until no")


@test("a shell's children are told apart")
def _():
    verdicts = {path["size"]: path["verdict"] for path in json.loads(
        fail("--json", "--size", "100-106", "--", "sh", "-c", f"{shaky()} | cat; {shaky()}").stdout)["paths"]}
    wanted = (100, 101, 102, 103, 105, 106)
    same({size: verdicts.get(size) for size in wanted}, {size: VERDICTS[size] for size in wanted}, "verdicts")


@test("standard input that is a file is given to each run, from its beginning")
def _():
    path = temp()
    with open(path, "w", encoding="ascii") as file:
        file.write("a text")
    with open(path, encoding="ascii") as file, \
         started([HEAPTAP, "fail", "--database", temp(".fail"), "--size", ">1G", "--",
                  "sh", "-c", '[ "$(cat)" = "a text" ] || kill -SEGV $$'], stdin=file) as process:
        has(finish(process).expect(0).stdout, "^0 call paths. 1 run")


@test("leaks: what an error path forgets, with its stack, and nothing of those that do not")
def _():
    program, database = build("forgets"), temp(".fail")
    paths = by_size(fail("--json", "--", program, database=database))
    leaks = {size: (path["leaked_blocks"], path["leaked_bytes"],
                    [(leak["stack"][0]["function"], leak["blocks"], leak["bytes"]) for leak in path["leaks"]])
             for size, path in paths.items() if path["verdict"] == "leak"}
    same(leaks, {201: (1, 200, [("forgets", 1, 200)]), 1220: (1, 220, [("grows", 1, 220)]),
                 231: (3, 690, [("collects", 3, 690)]), 250: (1, 251, [("in_child", 1, 251)]),
                 251: (1, 250, [("in_child", 1, 250)])}, "leaks")
    same({size: path["verdict"] for size, path in paths.items() if size in (200, 210, 211, 220, 230, 240, 241, 260, 270, 280,
                                                                            1270, 1280, 1290)},
         {200: "survived", 210: "silent", 211: "silent", 220: "survived", 230: "survived", 240: "clean error",
          241: "clean error", 260: "clean error", 270: "survived", 280: "survived", 1270: "survived",
          1280: "survived", 1290: "survived"}, "the others")
    has(fail("--list", database=database, expect=(0,)).stdout,
        r"(?s)1220 bytes: leak, 1 block of 220 bytes, exit status 0\n.*Left behind, 220 bytes in 1 block:\n grows at ")
    data = json.loads(fail("--json", "--replay", paths[231]["id"], "--", program, database=database).stdout)
    same([(path["verdict"], path["leaks"]) for path in data["paths"]], [("leak", paths[231]["leaks"])], "replayed")
    # Of a run that is not traced only the first process is known.
    paths = by_size(fail("--json", "--no-trace", "--size", "201-251", "--", program))
    same((paths[201]["leaked_bytes"], paths[251]["verdict"]), (200, "survived"), "untraced")
    paths = by_size(fail("--json", "--no-leaks", "--size", "201", "--", program, expect=(0,)))
    same(paths[201]["verdict"], "survived", "with --no-leaks")


@test("leaks: in parallel")
def _():
    paths = by_size(fail("--json", "--jobs", "3", "--", build("forgets")))
    same({size: path["leaked_bytes"] for size, path in paths.items() if path["leaks"]},
         {201: 200, 1220: 220, 231: 690, 250: 251, 251: 250}, "leaked bytes")


@test("--jobs finds the same")
def _():
    data = json.loads(fail("--jobs", "3", "--json", "--", shaky()).stdout)
    same(data["complete"], True, "complete")
    same(len({path["id"] for path in data["paths"]}), 15, "paths")
    same({path["size"]: path["verdict"] for path in data["paths"]}, VERDICTS, "verdicts")


def serve(*arguments, pattern="^serves: listening$", **options):
    """heaptap fail of the server, with its client; the socket is the test's own."""
    socket = temp(".sock")
    return fail("--ready", pattern, "--drive", f"{build('serves')} {socket} client", *arguments, "--",
                build("serves"), socket, **options)


@test("a server is driven by its client, and both tell the verdict")
def _():
    database = temp(".fail")
    paths = by_size(serve("--json", "--size", "300-360", database=database))
    same({size: (path["verdict"], path["exit_status"], path["client_status"]) for size, path in paths.items()},
         {300: ("clean error", 0, 1), 301: ("leak", 0, 1), 310: ("clean error", 0, 1), 311: ("clean error", 0, 1),
          320: ("crash", None, 2), 330: ("hang", None, None), 340: ("silent", 0, 0), 350: ("clean error", 3, 2),
          360: ("clean error", 4, None)}, "verdicts")
    same([(leak["bytes"], leak["stack"][0]["function"]) for leak in paths[301]["leaks"]], [(300, "forgetful")],
         "leaks")
    has(fail("--list", database=database, expect=(0,)).stdout,
        "311 bytes: clean error, exit status 1 of the client")
    done = serve("--replay", paths[320]["id"], "--json", database=database)
    same([(path["id"], path["verdict"]) for path in json.loads(done.stdout)["paths"]], [(paths[320]["id"], "crash")],
         "replayed")


@test("servers that end by no handler, that are only to begin, or that cannot be driven")
def _():
    server = ["sh", "-c", "echo begun; exec sleep 99"]
    done = fail("--ready", "begun", "--size", ">1G", "--drive", "echo client", "--", *server, expect=(0,))
    has(done.stdout, "^0 call paths. 1 run")
    fail("--ready", "beg", "--size", ">1G", "--", *server, expect=(0,))
    paths = by_size(fail("--json", "--ready", "listening", "--size", "300-360", "--", build("serves"), temp(".sock"),
                         expect=(0,)))
    same({size: path["verdict"] for size, path in paths.items()}, {360: "clean error"}, "of the beginning alone")
    has(fail("--ready", "^egun", "--", *server, expect=(1,)).stderr, "was not ready in time without any failure")
    has(fail("--ready", "x", "--", "true", expect=(1,)).stderr, "was not ready before it ended")
    has(fail("--drive", "sleep 9", "--", *server, expect=(1,)).stderr, "not done after 2 s")
    deaf = ["sh", "-c", "trap '' TERM; echo on; while :; do sleep 1; done"]
    has(fail("--ready", "on", "--drive", "true", "--", *deaf, expect=(1,)).stderr,
        "not done after 2 s")


@test("Ctrl-C keeps what is known")
def _():
    database = temp(".fail")
    with started([HEAPTAP, "fail", "--database", database, "--timeout", "50", "--", shaky()]) as process:
        # The one that hangs holds it.
        wait_for(lambda: os.path.exists(f"{database}/known") and
                 sum(1 for _ in open(f"{database}/known", encoding="ascii")) >= 9, "the ninth path")
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        done = finish(process)
    done.expect(3)
    has(done.stderr, "Interrupted")
    has(done.stdout, r"8 call paths: 1 crash, 1 abort, 6 clean error\. \d+ runs, not complete")
    has(fail("--", shaky(), database=database).stdout, "15 call paths: 3 crash, 1 hang")


@test("what cannot be driven is refused in a sentence")
def _():
    has(fail("--", "/nonexistent", expect=(1,)).stderr, "/nonexistent cannot be run: No such file")
    has(heaptap("fail").expect(2).stderr, "what to run")
    has(fail("--", "sh", "-c", "kill -SEGV $$", expect=(1,)).stderr, "without any failure")
    has(fail("--", "sleep", "9", expect=(1,)).stderr, "not done after 2 s")
    has(fail("--list", database="/nonexistent", expect=(1,)).stderr, "/nonexistent cannot be read")


main(watching=False)
