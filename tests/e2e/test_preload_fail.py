#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Failure injection by the preload library: each call fails as its contract says, when it should."""
import json
import os
import re
import shutil

from htap import OUT, build, check, has, heaptap, leaks, library, main, run, same, temp, test

LIBRARY = os.path.join(OUT, "libheaptap-preload.so")
# Calls of the workload's functions() that can fail, where realloc has something to resize.
FUNCTIONS = ["malloc", "calloc", "malloc for realloc", "realloc", "realloc of nothing", "reallocarray",
             "aligned_alloc", "memalign", "valloc", "strdup", "posix_memalign", "inside"]


def failing(*arguments, program=None, expect=(0, 3), **environment):
    """The workload with the library; what failed, and how it ended."""
    env = dict(os.environ, LD_PRELOAD=LIBRARY, **environment)
    done = run([program or build("failing", "-rdynamic", "-ldl", "-pthread"), *arguments], env=env, timeout=60)
    done.expect(*expect)
    lines = done.stdout.splitlines()
    wrong = [line for line in lines if not re.search("( fine| failed| called)$|^failed: ", line)]
    same(wrong, [], "lines that are against the contracts")
    return [line[:-7] for line in lines if line.endswith(" failed")], done


def nr_failed(done):
    found = re.findall(r"^failed: (\d+)$", done.stdout, re.M)
    return int(found[0]) if found else 0


def ids(path):
    with open(path, encoding="ascii") as file:
        lines = file.read().split("\n")
    same(lines.pop(), "", "the last line's end")
    same([line for line in lines if not re.fullmatch("[0-9a-f]{16}", line)], [], "lines that are no ids")
    return lines


def injected(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@test("MALLOCFAIL_FILE: each path fails once, over runs, also of a stripped program")
def _():
    stripped = temp()
    shutil.copy(build("failing", "-ldl", "-pthread", target="failing-plain"), stripped)
    run(["strip", stripped]).expect(0)
    for program in (build("failing", "-ldl", "-pthread", target="failing-plain"), stripped):
        known = temp()
        first, done = failing(program=program, MALLOCFAIL_FILE=known)
        same((first, nr_failed(done)), (FUNCTIONS, 12), "of the first run")
        same(done.stderr, "", "stderr")
        same(len(set(ids(known))), 12, "ids")
        second, _ = failing(program=program, MALLOCFAIL_FILE=known, expect=(0,))
        same((second, len(ids(known))), ([], 12), "of the second run")
        # What is taken away fails again.
        kept = ids(known)[:-3]
        with open(known, "w", encoding="ascii") as file:
            file.write("".join(f"{line}\n" for line in kept))
        again, _ = failing(program=program, MALLOCFAIL_FILE=known)
        same((again, len(ids(known))), (FUNCTIONS[-3:], 12), "forgotten")


@test("acceptance 4: IGNORE, DEBUG and FILE as mallocfail has them")
def _():
    known = temp()
    first, done = failing(MALLOCFAIL_IGNORE="nothing like it;mbedtls", MALLOCFAIL_DEBUG="1",
                          MALLOCFAIL_FILE=known)
    same(first, FUNCTIONS[:-1], "failed")
    same(len(ids(known)), 11, "ids: what is ignored is not written")
    blocks = re.findall(r"^-{7} Start trace -{7}\n(.*?)^-{7} End trace -{7}\n", done.stderr, re.M | re.S)
    same(len(blocks), 11, "traces")
    for block in blocks:
        has(block, r"(?m)^/.*/failing\(main\+0x[0-9a-f]+\)$", "a trace")
        same([line for line in block.splitlines() if not re.fullmatch(r"\S+\(\w*\+0x[0-9a-f]+\)", line)], [],
             "lines of a trace")
    second, _ = failing(MALLOCFAIL_FILE=known)
    check("inside" in second, f"not ignored any more: {second}")


@test("mallocfail's file is in the working directory where none is named")
def _():
    folder = temp()
    os.mkdir(folder)
    env = dict(os.environ, LD_PRELOAD=LIBRARY, MALLOCFAIL_FAIL_COUNT="2")
    done = run([build("failing", "-rdynamic", "-ldl", "-pthread")], env=env, cwd=folder).expect(3)
    same(nr_failed(done), 2, "failed")
    same(len(ids(f"{folder}/mallocfail_hashes")), 2, "ids")


@test("acceptance 5: 8 threads, 100000 mallocs each: exactly as many fail as may")
def _():
    for rules, want in (({"MALLOCFAIL_FAIL_COUNT": "1", "MALLOCFAIL_FILE": temp()}, 1),
                        ({"HEAPTAP_FAIL": "count=1"}, 1), ({"HEAPTAP_FAIL": "path"}, 1),
                        ({"HEAPTAP_FAIL": "nth=5000"}, 1),
                        ({"HEAPTAP_FAIL": "nth=5000,persistent,count=1234"}, 1234),
                        ({"HEAPTAP_FAIL": "rate=2.5%,seed=7,count=100"}, 100)):
        _, done = failing("threads", **rules)
        same(nr_failed(done), want, f"failed by {rules}")


@test("a path has the same id by every rule, however deep it is")
def _():
    def paths(rule):
        log = temp()
        run([build("stacks"), "deep", "60"], env={**os.environ, "LD_PRELOAD": LIBRARY, "HEAPTAP_FAIL": rule,
                                                  "HEAPTAP_FAIL_LOG": log}, timeout=60)
        return [(entry["path"], len(entry["frames"])) for entry in injected(log)] if os.path.exists(log) else []

    by_path = paths("path")
    check(max(nr for _, nr in by_path) > 60, f"frames: {by_path}")
    by_number = [path for nth in range(1, 30) for path in paths(f"nth={nth}")]
    same(set(by_number) - set(by_path), set(), "paths by number that are not among the others")
    check(max(nr for _, nr in by_number) > 60, f"frames: {by_number}")


@test("a rate is one; a seed says which")
def _():
    # The calls of threads come in any order, but their numbers are those chosen.
    counts = [nr_failed(failing("threads", HEAPTAP_FAIL=f"size<1K,rate=0.5%,seed={seed}")[1]) for seed in (1, 2)]
    for count in counts:
        check(3500 < count < 4500, f"{count} of 800000")
    runs = [failing(HEAPTAP_FAIL=f"rate=40%,seed={seed}")[0] for seed in (1, 1, 2, 3, 4)]
    same(runs[0], runs[1], "the same seed twice")
    check(len({tuple(one) for one in runs}) > 2, f"seeds: {runs}")


@test("acceptance 6: children that fork and exec count for themselves, and share the file")
def _():
    known = temp()
    failing("children", MALLOCFAIL_FILE=known, expect=(0,))
    lines = ids(known)
    # functions() is called in main and in children(), and all four children do it at once.
    same(len(set(lines)), 24, "paths")
    check(len(lines) < 6 * 12, f"{len(lines)} lines")
    _, done = failing("children", HEAPTAP_FAIL="count=2", expect=(0,))
    same(len(re.findall(r"^failed: 2$", done.stdout, re.M)), 2, "exec'd ones that had two failures")


@test("the loader, what is registered for the end, and thread creation never fail")
def _():
    failed, done = failing("loader", HEAPTAP_FAIL="rate=100%", PLUGIN=library("unwind_plugin"))
    same(failed, [], "failed")
    same((nr_failed(done), done.stdout.count("atexit called\n")), (800000, 64), "mallocs, functions called")


@test("rules: size, module, function; and what is no rule")
def _():
    same(failing(HEAPTAP_FAIL="size>1K")[0], ["realloc"], "size>1K")
    same(failing(HEAPTAP_FAIL="size=14")[0], ["inside"], "size=14")
    same(failing(HEAPTAP_FAIL="function=strdup")[0], ["strdup"], "function=strdup")
    same(failing(HEAPTAP_FAIL="function=strdup,module=libc.so.6")[0], ["strdup"], "both")
    same(failing(HEAPTAP_FAIL="function=strdup,module=libm.so.6")[0], [], "both")
    same(failing(HEAPTAP_FAIL="module=failing,count=2")[0], ["malloc", "calloc"], "module=failing")
    same(failing(HEAPTAP_FAIL="nth=2,persistent,size<100,count=3")[0], FUNCTIONS[1:3] + FUNCTIONS[4:5], "nth")
    for rules in ("paths", "nth=0", "rate=101%", "size", "size>", "path,,path", "count=-1"):
        failed, done = failing(HEAPTAP_FAIL=rules)
        same(failed, [], rules)
        has(done.stderr, "^heaptap: what HEAPTAP_FAIL says is not understood", rules)


@test("the log: a line of JSON for each, with stacks")
def _():
    log = temp()
    failed, _ = failing(HEAPTAP_FAIL="path", HEAPTAP_FAIL_LOG=log)
    lines = injected(log)
    same(len(lines), len(failed), "lines")
    same([line["number"] for line in lines], list(range(1, 13)), "numbers")
    same([(line["function"], line["size"]) for line in lines[:4]],
         [("malloc", 10), ("calloc", 30), ("malloc", 20), ("realloc", 2000)], "the first calls")
    same(len({line["path"] for line in lines}), 12, "paths")
    check(all(len(line["frames"]) >= 3 and line["frames"][-1]["module"].endswith("failing") for line in lines),
          f"frames: {lines[0]}")


@test("a recording says what was injected, and misuse shows it")
def _():
    path = temp(".htap")
    failing(HEAPTAP_FAIL="size<1K,count=3", HEAPTAP_FILE=path)
    summary = leaks(path).summary
    same((summary["failed_allocations"], summary["lost_events"], summary["unknown_frees"]), (3, 0, 0), "summary")
    done = heaptap("misuse", path).expect(0)
    same(done.stdout.count("1 injected"), 3, f"misuse: {done.stdout}")
    data = json.loads(heaptap("misuse", "--json", path).stdout)
    found = re.findall(r'"injected": ?1\b', json.dumps(data))
    same(len(found), 3, "in JSON")


@test("C++: operators throw, or return NULL; one failure is one")
def _():
    program = build("bad_alloc", "-std=c++17")
    for rules, want in (("count=1,size=10", "thrown 1 null 0 fine 397"),
                        ("count=1,size=4", "thrown 1 null 0 fine 398"),
                        ("count=1,size=64", "thrown 1 null 0 fine 399"),
                        ("size=16,count=7", "thrown 0 null 7 fine 393"),
                        ("size=10", "thrown 100 null 0 fine 100")):
        log, path = temp(), temp(".htap")
        done = run([program], env=dict(os.environ, LD_PRELOAD=LIBRARY, HEAPTAP_FAIL=rules, HEAPTAP_FAIL_LOG=log,
                                       HEAPTAP_FILE=path)).expect(0)
        has(done.stderr, f"^{want} ", rules)
        wanted = sum(int(nr) for nr in re.findall(r"(?:thrown|null) (\d+)", want))
        same((len(injected(log)), leaks(path).summary["failed_allocations"]), (wanted, wanted), "failures")
    done = run([program, "handler"], env=dict(os.environ, LD_PRELOAD=LIBRARY, HEAPTAP_FAIL="size=10,count=1"))
    has(done.expect(0).stderr, "thrown 0 null 0 fine 400 handled 1", "with a handler")


@test("without a recording nothing is written; a program that crashes leaves its path")
def _():
    known = temp()
    failing("crash", MALLOCFAIL_FILE=known, expect=(139,))
    same(len(ids(known)), 1, "ids")
    failing("crash", MALLOCFAIL_FILE=known, expect=(0,))


@test("a file that cannot be written: said once, and allocations fail all the same")
def _():
    failed, done = failing(MALLOCFAIL_FILE="/nonexistent/x")
    same((failed, len(re.findall("^heaptap: ", done.stderr, re.M))), (FUNCTIONS, 1), "failed, lines on stderr")


if __name__ == "__main__":
    main()
