# SPDX-License-Identifier: BSD-2-Clause
"""What the preload library is to do on every machine; a test program of a few machines takes these by
add(). What is recorded there is read here, with a copy of the foreign machine's files."""
import glob
import json
import os
import re

from foreign import record
from formats import Annotated
from htap import (HEAPTAP, OUT, build, check, interrupt, leaks, run, same, started, temp, test,
                  wait_for)

NATIVE = os.path.join(OUT, "libheaptap-preload.so")

_everywhere = []


def everywhere(name):
    """Marks a function of a port as a test of each machine."""
    def mark(body):
        _everywhere.append((name, body))
        return body
    return mark


def for_each(ports, name):
    """Marks one as a test of these."""
    def mark(body):
        for port in ports:
            test(f"{port.name}: {name}")(lambda port=port: body(port))
        return body
    return mark


def add(ports):
    """Adds the tests of this file."""
    for name, body in _everywhere:
        for_each(ports, name)(body)


def add_one(name, make):
    """The same of one that make() gives when it is needed, or skips."""
    for what, body in _everywhere:
        test(f"{name}: {what}")(lambda body=body: body(make()))


@everywhere("the library is small, and needs the C library alone")
def _(port):
    path = port.library()
    stripped = os.path.join(os.path.dirname(path), "stripped", os.path.basename(path))
    if port.most_bytes:
        check(os.path.getsize(stripped) <= port.most_bytes,
              f"it has {os.path.getsize(stripped)} bytes, more than {port.most_bytes}")
    text = run(["readelf", "-dW", stripped]).expect(0).stdout
    same(set(re.findall(r"NEEDED.*\[(.*)\]", text)) - {port.loader}, {port.libc}, "libraries")
    check("TEXTREL" not in text, "text relocations")


@everywhere("every count is the program's own")
def _(port):
    path, done = record(port, port.program("functions"))
    same(leaks(path).summary, json.loads(done.stdout), "heaptap against the tally")


@everywhere("threads and forked children")
def _(port):
    path, _ = record(port, port.program("threads"), "short", "100")
    report = leaks(path)
    same((report.total_from("keep_one"), report.summary["lost_events"]), ((100, 4800), 0), "kept")
    path, done = record(port, port.program("fork"))
    parent = leaks(path)
    same(parent.summary, json.loads(done.stdout.split("\n")[-2]), "heaptap against the tally")
    children = [leaks(name) for name in glob.glob(f"{path}.*")]
    forked = [child for child in children if child.summary["allocations"] == 1000]
    same([(child.summary["leaked_bytes"], child.summary["unknown_frees"]) for child in forked],
         [(77000, 1)] * 3, "what the children did")
    same({child.json["target"].get("parent") for child in forked},
         {parent.json["target"]["pid"]}, "their parent")


def own_frames(report, program):
    """By bytes and blocks, the functions and lines of a program's own frames."""
    return sorted((leak["bytes"], leak["blocks"],
                   [(frame["function"], frame["line"]) for frame in leak["frames"]
                    if frame["module"] == program and frame["line"]]) for leak in report.leaks)


def kept(port, what, **env):
    """The workload that keeps blocks; its snapshots or recordings in their order, its own counts."""
    path = temp(".htap")
    done = port.run([port.program("keeper", "-pthread"), what], **{
        name: path if value is None else value for name, value in env.items()}).expect(0)
    check("heaptap:" not in done.stderr, f"the library complains: {done.stderr}")
    names = [name for name in [path, *(f"{path}.{i}" for i in range(1, 9))] if os.path.exists(name)]
    return names, [tuple(map(int, line.split())) for line in done.stdout.splitlines()]


def of_keep(path):
    """Bytes and blocks of a report that the workload's function keep has."""
    blocks, bytes_ = leaks(path).total_from("keep")
    return bytes_, blocks


@everywhere("snapshots, on a signal and at the end")
def _(port):
    names, counts = kept(port, "signal", HEAPTAP_SNAPSHOT=None)
    same([of_keep(name) for name in names], counts + counts[-1:], "live, twice on the signal, and at the end")


@everywhere("a sample stands for all")
def _(port):
    names, counts = kept(port, "exit", HEAPTAP_FILE=None, HEAPTAP_SAMPLE="4K", HEAPTAP_SEED="7")
    report = leaks(names[0])
    same(report.json["target"]["sample_bytes"], 4096, "bytes for each sample")
    (bytes_, _), (real, _) = of_keep(names[0]), counts[0]
    check(0.8 * real < bytes_ < 1.2 * real, f"an estimate of {bytes_} for {real} bytes")


@everywhere("each call path fails once, with ENOMEM, over runs")
def _(port):
    program, known = port.program("failing", "-ldl", "-pthread"), temp()
    first = port.run([program], MALLOCFAIL_FILE=known).expect(0, 3)
    second = port.run([program], MALLOCFAIL_FILE=known).expect(0)
    for done in first, second:
        lines = [line for line in done.stdout.splitlines()
                 if not re.search("( fine| failed| called)$|^failed: ", line)]
        same(lines, [], "lines that are against the contracts")
    with open(known, encoding="ascii") as file:
        ids = file.read().split()
    same((first.stdout.count(" failed\n"), len(set(ids)), second.stdout.count(" failed\n")), (12, 12, 0),
         "failures, ids, failures of the second run")


@everywhere("functions and lines are those of a native run")
def _(port):
    here, there = build("stacks"), port.program("stacks")
    arguments = ("deep", "1", "3", "60")
    native = temp(".htap")
    run([here, *arguments], env={**os.environ, "LD_PRELOAD": NATIVE,
                                 "HEAPTAP_FILE": native}).expect(0)
    path, _ = record(port, there, *arguments)
    report = leaks("--sysroot", port.rootfs(there), path)
    same(report.done.stderr, "", "what heaptap says")
    same(own_frames(report, there), own_frames(leaks(native), here), "frames")
    same([leak["cut"] for leak in report.leaks], [False] * 3, "cut")


@everywhere("libraries that are loaded later, at the place of those that went, are told apart")
def _(port):
    plugin = port.shared("unwind_plugin")
    path, _ = record(port, port.program("unwind_dlopen"), plugin, "5")
    report = leaks("--sysroot", port.rootfs(port.program("unwind_dlopen"), plugin), path)
    same([leak["frames"] for leak in report.leaks if leak["cut"]], [], "stacks that are cut")
    modules = {leak["frames"][0]["module"] for leak in report.leaks}
    check(plugin in modules, f"modules: {modules}")


@everywhere("a device sends, a PC receives, Ctrl-C, callgrind_annotate")
def _(port):
    program = port.program("functions")
    folder = temp()
    os.mkdir(folder)
    with open(f"{folder}.log", "wb") as log, started(
            [HEAPTAP, "receive", "127.0.0.1:0", "-f", "callgrind", "--sysroot",
             port.rootfs(program)], cwd=folder, stderr=log) as receiver:
        def port_number():
            with open(f"{folder}.log", encoding="utf-8") as file:
                return re.findall(r"127\.0\.0\.1:(\d+)", file.read())
        server = f"127.0.0.1:{wait_for(port_number, 'a listener')[0]}"
        done = port.run([program], HEAPTAP_SERVER=server).expect(0)
        check("heaptap:" not in done.stderr, f"the library complains: {done.stderr}")
        name = wait_for(lambda: glob.glob(f"{folder}/*.htap"), "a recording")[0]
        wait_for(lambda: json.loads(run([HEAPTAP, "leaks", "--json", name]).stdout or "{}")
                 .get("summary", {}).get("allocations") == json.loads(done.stdout)["allocations"],
                 "all of it")
        same(interrupt(receiver).status, 0, "status of heaptap receive")
    tally = json.loads(done.stdout)
    pid = leaks(name).json["target"]["pid"]
    path = os.path.join(folder, f"callgrind.out.{os.path.basename(program)}.{pid}")
    check(os.path.exists(path), f"there are only {os.listdir(folder)}")
    annotated = Annotated(path)
    same(annotated.total, (tally["leaked_bytes"], tally["leaked_blocks"]),
         "total of callgrind_annotate")
    check("took" in annotated.text or "every_function" in annotated.text,
          f"no function of the program: {annotated.text}")
