#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Names of code that programs generate while they run, from the maps they write for perf."""
import contextlib
import os
import re
import shutil
import subprocess

from htap import (NOBODY, Report, Skip, attached, build, check, finish, has, heaptap, interrupt,
                  leaks, main, run, same, scratch, started, temp, test)

LEAKED = {"blocks": 5, "bytes": 6170}
PATH = ["allocate", "jit_name", "call_generated", "main"]


def map_of(pid):
    """The map of a process, as perf looks for it."""
    return f"/tmp/perf-{pid}.map"


def remove(path):
    """Whatever it is, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def path_of(report):
    """The frames of the one leaked call path of the workload."""
    found = report.from_function("allocate")
    same(len(found), 1, "paths from allocate")
    same({key: found[0][key] for key in LEAKED}, LEAKED, "what leaked there")
    return found[0]["frames"]


def check_path(report, name="jit_name", module="[anon]"):
    """Are the C functions around the generated one there, and is it called so?"""
    frames = path_of(report)
    names = [frame["function"] for frame in frames]
    same(names[:4], [name if n == "jit_name" else n for n in PATH], "call path")
    same(names[-1], "_start", "outermost function")
    generated = frames[1]
    has(generated["module"], re.escape(module), "module of the generated code")
    same((generated["file"], generated["line"]), (None, None), "its source")


@contextlib.contextmanager
def waiting(*arguments):
    """The workload before it calls its code: (process, address of the code)."""
    with started([build("generated"), "wait", *arguments]) as process:
        address = int(process.stdout.readline(), 16)
        try:
            yield process, address
        finally:
            remove(map_of(process.pid))


def go_on(process):
    """Lets it make its calls."""
    process.stdin.write(b"x")
    process.stdin.flush()
    same(process.stdout.readline(), b"done\n", "the workload's answer")


def watch(process, *arguments):
    """Attaches while it makes its calls; the report, and how heaptap ended."""
    path = temp(".json")
    with attached(process.pid, "--json", "-o", path, *arguments) as watcher:
        go_on(process)
        done = interrupt(watcher).expect(0)
    with open(path) as file:
        return Report(file.read(), done)


def put_map(pid, address, name="jit_name"):
    """Writes a map on behalf of a process."""
    with open(map_of(pid), "w") as file:
        file.write(f"{address:x} 10 {name}\n")
    os.chmod(map_of(pid), 0o644)


@test("a launched program's generated code has a name")
def _():
    report = leaks("--", build("generated"), "map")
    remove(map_of(report.json["target"]["pid"]))
    check_path(report)


@test("without a map the path is complete all the same")
def _():
    check_path(leaks("--", build("generated")), name=None)


@test("code in a memfd has a name")
def _():
    with waiting("map", "memfd") as (process, _):
        report = watch(process)
    check_path(report, module="memfd:twice")
    check("ELF" not in report.done.stderr, f"a warning about a file: {report.done}")


@test("a recording carries the names")
def _():
    path = temp(".htap")
    heaptap("record", "-o", path, "--", build("generated"), "map").expect(0)
    report = leaks(path)
    remove(map_of(report.json["target"]["pid"]))
    check_path(leaks(path))
    has(heaptap("leaks", path).expect(0).stdout, r"\n jit_name at \[anon\]\+0x[0-9a-f]+\n")


@test("attached: a map written meanwhile counts")
def _():
    with waiting() as (process, address):
        path = temp(".json")
        with attached(process.pid, "--json", "-o", path) as watcher:
            go_on(process)
            put_map(process.pid, address)
            done = interrupt(watcher).expect(0)
        with open(path) as file:
            check_path(Report(file.read(), done))


@test("attached: a map removed meanwhile counts")
def _():
    with waiting("map") as (process, _):
        path = temp(".json")
        with attached(process.pid, "--json", "-o", path) as watcher:
            go_on(process)
            remove(map_of(process.pid))
            done = interrupt(watcher).expect(0)
        with open(path) as file:
            check_path(Report(file.read(), done))


@test("stacks shows the names")
def _():
    with waiting("map") as (process, _):
        with attached(process.pid, subcommand="stacks") as watcher:
            go_on(process)
            done = interrupt(watcher).expect(0)
    has(done.stdout, r" allocate at .*\n jit_name at \[anon\]\+.*\n call_generated at ")


def refused(prepare, reason):
    """A map made so is not used, and why is said."""
    with waiting() as (process, address):
        put_map(process.pid, address)
        prepare(map_of(process.pid))
        report = watch(process, "-v")
    check_path(report, name=None)
    has(report.done.stderr, rf"perf-{process.pid}\.map is not used .*: it {reason}\.")
    same(report.done.stderr.count("is not used"), 1, "times that it is said")


@test("a map of another user is not used")
def _():
    refused(lambda path: os.chown(path, NOBODY, NOBODY), "belongs to another user")


@test("a symbolic link is not followed")
def _():
    def make_link(path):
        target = temp(".map")
        shutil.copy(path, target)
        os.unlink(path)
        os.symlink(target, path)
    refused(make_link, "is a symbolic link")


@test("a map that others can write to is not used")
def _():
    refused(lambda path: os.chmod(path, 0o664), "can be written to by others than its owner")


@test("a map older than the process is not used")
def _():
    refused(lambda path: os.utime(path, (1e9, 1e9)), "is older than the process")


@test("a pipe in place of a map holds nobody up")
def _():
    def make_pipe(path):
        os.unlink(path)
        os.mkfifo(path, 0o644)
    refused(make_pipe, "is no regular file")


@test("control characters in names do not reach the terminal")
def _():
    path = temp(".htap")
    with waiting() as (process, address):
        put_map(process.pid, address, "jit\x1b[31m")
        with attached(process.pid, "-o", path, subcommand="record") as watcher:
            go_on(process)
            interrupt(watcher).expect(0)
    has(heaptap("leaks", path).expect(0).stdout, r"\n jit\?\[31m at \[anon\]")


@test("the target's own user may write the map")
def _():
    argv = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--",
            build("generated"), "map", "wait"]
    with started(argv) as process:
        process.stdout.readline()
        same(os.stat(map_of(process.pid)).st_uid, NOBODY, "owner of the map")
        try:
            check_path(watch(process))
        finally:
            remove(map_of(process.pid))


@test("the map is found in the target's own namespaces, even when they are gone")
def _():
    begin = ["unshare", "--pid", "--fork", "--mount", "--mount-proc", "--kill-child"]
    if run([*begin, "true"]).status:
        raise Skip("namespaces cannot be made here")
    # The workload itself may lie below the /tmp that is hidden.
    inside = 'exec 3<"$0" && mount -t tmpfs none /tmp && exec /proc/self/fd/3 map wait'
    argv = [*begin, "sh", "-c", inside, build("generated")]
    with started(argv) as process:
        check(process.stdout.readline(), "the workload does not start")
        children = f"/proc/{process.pid}/task/{process.pid}/children"
        with open(children) as file:
            pid = int(file.read().split()[0])
        check(not os.path.exists(map_of(pid)), "the map is outside")
        path = temp(".json")
        with attached(pid, "--json", "-o", path) as watcher:
            go_on(process)
            process.stdin.close()
            done = finish(watcher).expect(0)
        with open(path) as file:
            check_path(Report(file.read(), done))


SCRIPT = """
const keep = [];
function keepBuffer() { keep.push(Buffer.alloc(77777)); }
function doWork() { for (let i = 0; i < 20; i++) keepBuffer(); }
function onInput() { doWork(); console.log('done'); }
process.stdin.on('data', onInput);
console.log('ready');
"""


def check_script(node):
    """Do the functions of a script stand in the call path, and does it lead out of node?"""
    script, path = temp(".js"), temp(".json")
    with open(script, "w") as file:
        file.write(SCRIPT)
    argv = [node, "--perf-basic-prof", "--interpreted-frames-native-stack", script]
    with started(argv, stderr=subprocess.DEVNULL, cwd=scratch()) as process:
        same(process.stdout.readline(), b"ready\n", "node's first line")
        try:
            with attached(process.pid, "--json", "-o", path) as watcher:
                go_on(process)
                done = interrupt(watcher).expect(0)
        finally:
            remove(map_of(process.pid))
    with open(path) as file:
        report = Report(file.read(), done)
    paths = [[frame["function"] or "" for frame in leak["frames"]] for leak in report.leaks]
    wanted = [f"{function} {script}:" for function in ("keepBuffer", "doWork", "onInput")]
    calls = [path for path in paths if any(wanted[0] in name for name in path)]
    check(calls, f"no path from keepBuffer: {paths[:5]}")
    for path in calls:
        in_script = [name for name in path if script in name]
        for want, name in zip(wanted, in_script, strict=True):
            has(name, f"^[A-Za-z]+:.?{re.escape(want)}", "function of the script")
        same(path[-1], "_start", f"outermost function of {path}")


def find_node():
    """The path of node."""
    node = shutil.which("node")
    if not node:
        raise Skip("node is not installed")
    return os.path.realpath(node)


@test("functions of a script have names in node")
def _():
    check_script(find_node())


@test("functions of a script have names in node without symbols")
def _():
    node = shutil.copy(find_node(), temp())
    if not shutil.which("strip"):
        raise Skip("strip is not installed")
    run(["strip", "--strip-all", node]).expect(0)
    check_script(node)


main()
