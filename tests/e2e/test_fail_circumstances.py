#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""heaptap fail where little is as usual: sanitizers, C++, threads, children, no root, a full disk, databases that
somebody has damaged, and others that use them."""
import contextlib
import json
import os
import re
import shlex
import shutil
import time

from htap import (HEAPTAP, NOBODY, Skip, as_nobody, build, check, finish, has, heaptap, main, run, same, started, temp,
                  test, unprivileged)

# Statuses of an exploration.
FAULTLESS, FAULTS = (0,), (3,)


def fail(*arguments, database=None, expect=FAULTLESS, **popen):
    return heaptap("fail", "--database", database or temp(".fail"), "--timeout", "20", *arguments,
                   **popen).expect(*expect)


def explored(*arguments, expect=FAULTLESS, **popen):
    """What --json says."""
    return json.loads(fail("--json", *arguments, expect=expect, **popen).stdout)


def verdicts(*arguments, **options):
    return {path["size"]: path["verdict"] for path in explored(*arguments, **options)["paths"]}


def allocating():
    return build("failing", "-rdynamic", "-ldl", "-pthread")


def lines(path):
    with open(path, "rb") as file:
        return file.read().split(b"\n")


def written(database):
    """The ids in its files; every line of them is whole."""
    *known, rest = lines(f"{database}/known")
    same((rest, [line for line in known if not re.fullmatch(b"[0-9a-f]{16}", line)]), (b"", []), "odd lines")
    *paths, rest = lines(f"{database}/paths.jsonl")
    same(rest, b"", "the end of paths.jsonl")
    return {line.decode() for line in known}, {json.loads(line)["id"] for line in paths}


# ---- rules --------------------------------------------------------------------------------------


@test("--persistent: all calls behind the first fail, in one run")
def _():
    data = explored("--persistent", "--size", "10-2000", "--", allocating(), "functions")
    same((len(data["paths"]), {path["run"] for path in data["paths"]}, data["runs"], data["complete"]),
         (12, {1}, 2, True), "paths, runs with new ones, runs, complete")
    # Without a block for it there is nothing to resize: the others have failed all the same.
    same([path["verdict"] for path in data["paths"]].count("clean error"), 1, "paths that have the end of the run")


@test("--budget ends the search, which goes on from there")
def _():
    database = temp(".fail")
    begun = time.monotonic()
    done = fail("--json", "--budget", "1ms", "--", allocating(), "functions", database=database)
    first = json.loads(done.stdout)
    # The undisturbed runs alone take longer.
    same((first["complete"], first["runs"], first["paths"]), (False, 0, []), "complete, runs, paths")
    has(done.stderr, "the same command goes on from here")
    check(time.monotonic() - begun < 15, "it has taken its time")
    rest = explored("--", allocating(), "functions", database=database)
    same((rest["complete"], rest["runs"]), (True, len(rest["paths"]) + 1), "the rest: complete, runs")


@test("--rate: the same seed fails the same calls, others fail others")
def _():
    def failed(seed):
        data = explored("--rate", "40%", "--seed", str(seed), "--", allocating(), "functions")
        same(data["runs"], 1, "runs")
        return sorted(path["id"] for path in data["paths"])

    first = failed(7)
    same(failed(7), first, "the same seed")
    check(len({tuple(failed(seed)) for seed in (1, 2, 3)} | {tuple(first)}) > 2, "all seeds fail the same")


# ---- programs -----------------------------------------------------------------------------------


THROWING = {410: "clean error", 411: "abort", 412: "crash", 413: "survived", 414: "survived", 415: "leak"}


@test("C++: bad_alloc that is caught, is not, or leaves a block behind")
def _():
    database = temp(".fail")
    program = build("throwing", "-std=c++17")
    same(verdicts("--size", "410-415", "--", program, database=database, expect=FAULTS), THROWING, "verdicts")
    has(fail("--list", database=database).stdout, r"(?s)412 bytes: crash.*Where it ended:\n unchecked\(\) at "
                                                  r"throwing\.cc:\d+\n main at ")


@test("C++: operators new that ask no malloc fail, too")
def _():
    program = build("throwing", "-std=c++17")
    for name in ("libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libmimalloc.so.2"):
        path = f"/usr/lib/{os.uname().machine}-linux-gnu/{name}"
        check(os.path.exists(path), f"{path} is missing")
        # Not into heaptap itself.
        command = f'LD_PRELOAD="$LD_PRELOAD:{path}" exec {shlex.quote(program)}'
        same(verdicts("--size", "410-415", "--", "sh", "-c", command, expect=FAULTS), THROWING, name)


@test("threads: with a count of 1 one call gets NULL, of 800000")
def _():
    # The program exits with 3 when one has, and prints how many: the output of a run is not shown, so a
    # file has it. The shell has no blocks of these sizes.
    for rules in (("--size", "64-79", "--max-runs", "1"), ("--size", "64-79", "--rate", "1%", "--count", "1")):
        out = temp()
        command = f"exec {shlex.quote(allocating())} threads >{out}"
        data = explored("--no-leaks", *rules, "--", "sh", "-c", command)
        same([(path["verdict"], path["exit_status"]) for path in data["paths"]], [("clean error", 3)], f"{rules}")
        same(lines(out)[-2:], [b"failed: 1", b""], f"what the program says, {rules}")


@test("children that fork and exec count for themselves, and are in one database")
def _():
    database = temp(".fail")
    data = explored("--no-leaks", "--", allocating(), "children", database=database)
    same((data["complete"], len(data["paths"])), (True, 24), "complete, paths")
    same(written(database), ({path["id"] for path in data["paths"]},) * 2, "known, paths")


def sanitized(name, *flags, kind="address"):
    program = build(name, f"-fsanitize={kind}", *flags, target=f"{name}-{kind}{''.join(flags)}")
    # Its run-time library may not be installed, or not work on this kernel.
    if run([program, "--version"], env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}).status not in (0, 2):
        raise Skip(f"programs with -fsanitize={kind} do not run here")
    return program


@test("AddressSanitizer: its report is the verdict")
def _():
    program = sanitized("shaky")
    same(verdicts("--size", "100-101", "--", program, expect=FAULTS), {100: "sanitizer", 101: "abort"}, "faults")
    same(verdicts("--size", "103-104", "--no-trace", "--", program), {103: "silent", 104: "survived"}, "not traced")
    # What the user has set counts.
    environment = {**os.environ, "ASAN_OPTIONS": "handle_segv=0"}
    same(verdicts("--size", "100", "--", program, expect=FAULTS, env=environment), {100: "crash"}, "ASAN_OPTIONS")


@test("LeakSanitizer: where the run is not traced; else the leaks are found without")
def _():
    program = sanitized("throwing", "-std=c++17")
    same(verdicts("--size", "415", "--", program, expect=FAULTS), {415: "leak"}, "traced")
    same(verdicts("--size", "415", "--no-trace", "--", program, expect=FAULTS), {415: "sanitizer"}, "not traced")
    done = fail("--size", ">1G", "--no-trace", "--", sanitized("forgets"))
    has(done.stderr, "A sanitizer reports errors of undisturbed runs, too")


@test("ThreadSanitizer and UndefinedBehaviorSanitizer: reports")
def _():
    for kind in ("undefined", "thread"):
        same(verdicts("--size", "100", "--", sanitized("shaky", kind=kind), expect=FAULTS), {100: "sanitizer"}, kind)


@test("a program with an allocator of its own: that nothing fails is said")
def _():
    done = fail("--json", "--", sanitized("shaky", "-static-libasan"))
    same(json.loads(done.stdout)["paths"], [], "paths")
    has(done.stderr, "allocates nothing, or by an allocator of its own")


# ---- where it runs ------------------------------------------------------------------------------


@test("root is not needed")
def _():
    if os.geteuid() != 0:
        raise Skip("only root can be somebody else")
    folder = temp()
    with as_nobody() as own:
        os.mkdir(folder, 0o755)
        os.chown(folder, NOBODY, NOBODY)
        program = shutil.copy(build("shaky"), folder)
        os.chmod(program, 0o755)
        done = run(unprivileged([own, "fail", "--json", "--size", "100-101", "--timeout", "20", "--", program]),
                   cwd=folder).expect(3)
        paths = {path["size"]: path for path in json.loads(done.stdout)["paths"]}
        same({size: path["verdict"] for size, path in paths.items()}, {100: "crash", 101: "abort"}, "verdicts")
        same(paths[100]["crash_stack"][0]["function"], "unchecked", "where it crashed")
        same(done.stderr, "", "stderr")
        os.chmod(folder, 0o555)
        shutil.rmtree(f"{folder}/heaptap.fail")
        done = run(unprivileged([own, "fail", "--", program]), cwd=folder).expect(1)
        has(done.stderr, "^heaptap: heaptap.fail cannot be made: Permission denied")


@test("programs that go to another directory, or become somebody else")
def _():
    folder = temp()
    os.mkdir(folder, 0o755)
    os.mkdir(f"{folder}/tmp")
    environment = {**os.environ, "TMPDIR": "tmp"}
    command = f"cd / && exec {shlex.quote(allocating())} functions"
    data = explored("--only", "/failing", "--", "sh", "-c", command, database="db", cwd=folder, env=environment)
    same((data["complete"], {path["verdict"] for path in data["paths"]}), (True, {"clean error"}), "elsewhere")
    paths = {path["size"] for path in data["paths"]}
    same(os.listdir(f"{folder}/tmp"), [], "left in the temporary folder")
    if os.geteuid():
        return
    program = shutil.copy(allocating(), folder)
    command = ("--only", "/failing", "--", *unprivileged([program, "functions"]))
    done = fail(*command, cwd=folder, expect=(1,))
    has(done.stderr, "known does not keep the call paths that have failed")
    known = temp()
    with open(known, "w", encoding="ascii"):
        os.chmod(known, 0o666)
    data = explored(*command, env={**os.environ, "MALLOCFAIL_FILE": known})
    same({path["size"] for path in data["paths"]}, paths, "sizes, by somebody else")


@contextlib.contextmanager
def full_disk():
    """A folder where there is no room, but for names."""
    folder = temp()
    os.mkdir(folder)
    if os.geteuid() or run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder]).status:
        raise Skip("nothing can be mounted here")
    try:
        with open(f"{folder}/all", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        yield folder
    finally:
        run(["umount", folder]).expect(0)


@test("a full disk: under the database, the file of what is known, or the temporary one")
def _():
    command = ("--", allocating(), "functions")
    with full_disk() as folder:
        done = fail(*command, database=f"{folder}/db", expect=(1,))
        has(done.stderr, r"db/paths\.jsonl cannot be written: No space left on device")
        # Nobody would tell the next run what has failed.
        done = fail(*command, env={**os.environ, "MALLOCFAIL_FILE": f"{folder}/known"}, expect=(1,))
        has(done.stderr, "known does not keep the call paths that have failed")
        done = fail(*command, env={**os.environ, "TMPDIR": folder}, expect=(1,))
        has(done.stderr, r"log cannot be made: No space left on device\. TMPDIR")
        same(set(os.listdir(folder)) - {"known"}, {"all", "db"}, "left there")


# ---- databases ----------------------------------------------------------------------------------


@test("a damaged database: what is whole is used, and nothing of it reaches the terminal as it is")
def _():
    database = temp(".fail")
    before = explored("--", allocating(), "functions", database=database)
    whole = lines(f"{database}/paths.jsonl")[:-1]
    odd = {"id": "00000000000000aa", "verdict": "crash", "signal": 11, "function": "\x1b[31mevil\x07",
           "stack": [{"module": "/\x1b]0;x\x07", "offset": 1}], "crash_stack": []}
    with open(f"{database}/paths.jsonl", "wb") as file:
        file.write(b"\0\xff\x80 junk\n" + whole[0] + b"\n" + b"[" * 100000 + b"\n{" + b"x" * (10 << 20) + b"\n")
        file.write(json.dumps(odd).encode() + b"\n" + b"\n".join(whole[1:-1]) + b"\n" + whole[-1][:-20])
    with open(f"{database}/known", "ab") as file:
        file.write(b"\xff\0\n" + b"7" * 100000 + b"\n00000000")
    listed = fail("--list", database=database).stdout
    same(len(re.findall(r"(?m)^[0-9a-f]{16}  ", listed)), len(whole) + 1, "listed, with the odd one")
    has(listed, rf"(?m)^{json.loads(whole[-1])['id']}  .*: untried", "what is listed of the torn one")
    check("\x1b" not in listed and "\x07" not in listed, f"control characters: {listed}")
    # The one whose line is torn has failed as far as `known` goes, but what became of it nobody knows: again.
    again = explored("--", allocating(), "functions", database=database, expect=FAULTS)
    lost = json.loads(whole[-1])["id"]
    same((again["complete"], again["runs"]), (True, 2), "complete, runs")
    same({path["id"]: path["verdict"] for path in again["paths"] if path["id"] != odd["id"]},
         {path["id"]: path["verdict"] for path in before["paths"]}, "verdicts")
    has(lines(f"{database}/paths.jsonl")[-2].decode(), lost, "the last line")


@test("links, FIFOs and devices in a database: followed, or refused, but not waited for")
def _():
    command = ("--size", "10", "--", allocating(), "functions")
    database = temp(".fail")
    elsewhere = temp()
    os.mkdir(database)
    os.symlink(elsewhere, f"{database}/paths.jsonl")
    fail(*command, database=database)
    same(len(lines(elsewhere)), 2, "lines where the link points to")
    for name in ("paths.jsonl", "known"):
        for make in (os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)):
            database = temp(".fail")
            os.mkdir(database)
            make(f"{database}/{name}")
            has(fail(*command, database=database, expect=(1,), timeout=20).stderr,
                rf"/{name} cannot be read: it is no regular file\.")
    fail("--list", database=elsewhere, expect=(1,))


@test("two explorations of one program share a database")
def _():
    database = temp(".fail")
    argv = [HEAPTAP, "fail", "--json", "--database", database, "--timeout", "20", "--", allocating(), "functions"]
    with started(argv) as one, started(argv) as other:
        both = [json.loads(finish(process).expect(0).stdout) for process in (one, other)]
    listed = {path["id"]: path["verdict"] for path in json.loads(fail("--list", "--json", database=database).stdout)["paths"]}
    same([data["complete"] for data in both], [True, True], "complete")
    same(written(database), (set(listed),) * 2, "known, paths")
    alone = explored("--", allocating(), "functions")
    same(listed, {path["id"]: path["verdict"] for path in alone["paths"]}, "paths, against one alone")


main(watching=False)
