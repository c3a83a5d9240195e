#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The preload library: what it records is what happened, and the program does not notice it."""
import contextlib
import glob
import json
import os
import re
import resource
import socket
import threading
import time

from htap import (BUILT, HEAPTAP, OUT, ROOT, Counter, build, check, equal_counts, finish, has, heaptap, leaks,
                  leaks_tree, library, main, run, same, started, temp, test, wait_for)

LIBRARY = os.path.join(OUT, "libheaptap-preload.so")


def environment(base=None, **more):
    """Ours with the library preloaded, in front of what is."""
    env = dict(os.environ if base is None else base)
    env["LD_PRELOAD"] = " ".join(filter(None, [LIBRARY, env.get("LD_PRELOAD")]))
    return {**env, **more}


def record(*command, path=None, expect=(0,), **options):
    """Runs a command with the library and a file; (path, how it ended)."""
    path = path or temp(".htap")
    base = options.pop("env", None)
    more = options.pop("more", {})
    done = run(command, env=environment(base, HEAPTAP_FILE=path, **more), **options)
    return path, done.expect(*expect)


def against_tally(*command, **options):
    path, done = record(*command, **options)
    same(done.stderr, "", "stderr")
    report = leaks(path)
    same(report.summary, json.loads(done.stdout), f"heaptap against the tally of {command}")
    return report


def quiet(done, *lines):
    """stderr has these lines of ours, and no others."""
    got = [line for line in done.stderr.split("\n") if line.startswith("heaptap:")]
    same(len(got), len(lines), f"lines on stderr: {got}")
    for line, want in zip(got, lines):
        has(line, want, "stderr")


@test("all functions: success, failure, nesting, resizing")
def _():
    against_tally(build("functions"))


@test("what a thread that never gets on holds back is counted as lost")
def _():
    path, _ = record(build("stuck"))
    summary = leaks(path).summary
    lost = summary["lost_events"]
    # The free of the stuck thread, and all behind it.
    check(900 <= lost <= 1100, f"summary: {summary}")


@test("calls left by siglongjmp do not make the thread deaf")
def _():
    against_tally(build("escape"))
    against_tally(build("escape"), "realloc")


@test("constructors, preinit functions and destructors count")
def _():
    report = against_tally(build("ctor", "-Wl,--no-as-needed", library("early")))
    same(report.total_from("early_begin"), (3, 3333), "kept by the library's constructor")
    same(report.total_from("before_anything"), (1, 333), "kept before any constructor")
    same(report.total_from("early_end"), (1, 2222), "kept by the destructor")


@test("C++ operators of every form, and those that throw")
def _():
    _, done = record(build("operators"))
    same(done.stderr, "", "stderr")
    plain = run([build("operators")])
    same(done.stdout, plain.stdout, "what it prints")
    # The C++ library itself keeps a block, for exceptions when there is no memory.
    path, _ = record(build("operators"), "nothing")
    nothing = leaks(path).summary
    path, done = record(build("operators"))
    got, want = leaks(path).summary, json.loads(done.stdout)
    same({key: got[key] - nothing[key] for key in want if key != "peak_bytes"},
         {key: want[key] for key in want if key != "peak_bytes"}, "heaptap against the tally")
    for flags, target in (((), "throws"), (("-DOWN",), "throws-own")):
        program = build("throws", *flags, target=target)
        path, done = record(program)
        same(done.stdout, run([program]).stdout, "what it prints")
        same(leaks(path).summary["lost_events"], 0, "lost events")


@test("an independent count inside agrees: 1000 threads one after the other, and 8 at once")
def _():
    for arguments in (("short", "1000"), ("orphan", "20"), ("churn", "8", "20000")):
        counter = Counter(build("threads"))
        path, _ = record(build("threads"), *arguments, env=counter.environment(), timeout=120)
        equal_counts(leaks(path), counter)


@test("every count and every stack is what the kernel's probes see")
def _():
    for command in ([build("functions")], [build("stacks"), "many", "8"],
                    [build("stacks"), "deep", "3", "60", "200"]):
        path, _ = record(*command)
        inside, outside = leaks(path), leaks("--", *command)
        same(inside.summary, outside.summary, "summary")

        def entries(report):
            return sorted((leak["bytes"], leak["blocks"],
                           [(frame["function"] or "", frame["line"] or 0)
                            for frame in leak["frames"]]) for leak in report.leaks)
        same(entries(inside), entries(outside), "entries")


@test("forked children have recordings of their own, and what is exec'd too")
def _():
    path, done = record(build("fork"))
    same(leaks(path).summary, json.loads(done.stdout), "heaptap against the tally")
    children = [leaks(name) for name in glob.glob(f"{path}.*")]
    same(len(children), 4, "recordings of children")
    forked = [child for child in children if child.summary["allocations"] == 1000]
    same([(child.summary["leaked_bytes"], child.summary["unknown_frees"]) for child in forked],
         [(77000, 1)] * 3, "what the children did")
    pid = leaks(path).json["target"]["pid"]
    same({child.json["target"].get("parent") for child in forked}, {pid}, "their parent")


@test("exec keeps what was recorded before, and begins a recording of its own")
def _():
    path, done = record(build("replace"), build("functions"))
    before = leaks(path)
    same(before.total_from("main"), (100, 123400), "of the first image")
    pid = before.json["target"]["pid"]
    same(glob.glob(f"{path}.*"), [f"{path}.{pid}"], "other recordings")
    same(leaks(f"{path}.{pid}").summary, json.loads(done.stdout), "of the second")


@test("an exec that fails takes nothing away")
def _():
    path, _ = record(build("replace"), "/nonexistent", expect=(99,))
    same(leaks(path).total_from("main"), (100, 123400), "kept")
    same(glob.glob(f"{path}.*"), [], "other recordings")


@test("a shell and all it starts: a file each, no two processes in one")
def _():
    path, _ = record("sh", "-c", "ls / >/dev/null; (ls /; true) | sort >/dev/null; exec ls /")
    names = glob.glob(f"{path}*")
    check(len(names) >= 5, f"only {names}")
    for name in names:
        same(leaks(name).summary["lost_events"], 0, "lost events")


@test("%p is the pid; a file that is there stays")
def _():
    pattern = temp(".%p.htap")
    record("true", path=pattern)
    names = glob.glob(pattern.replace("%p", "*"))
    same(len(names), 1, "files")
    same(leaks(names[0]).summary["lost_events"], 0, "lost events")


@test("vfork: what the child does to the heap is its parent's")
def _():
    against_tally(build("vforker"))


@test("a library that is loaded later, and unloaded, is known by its name")
def _():
    plugin = library("unwind_plugin")
    path, _ = record(build("unwind_dlopen"), plugin, "5")
    modules = {leak["frames"][0]["module"] for leak in leaks("--depth", "1", path).leaks}
    check(plugin in {os.path.realpath(str(module)) for module in modules}, f"modules: {modules}")


@test("signal handlers that allocate, and jump out, from anywhere")
def _():
    pool = library("pool", "-fno-builtin")
    base = {**os.environ, "LD_PRELOAD": pool}
    path, done = record(build("handlers"), "3000", env=base, timeout=120)
    same(done.stderr, "", "stderr")
    report = leaks(path)
    check(report.summary["allocations"] > 1000, f"summary: {report.summary}")
    kept = sum(leak["blocks"] for leak in report.leaks if leak["bytes"] == leak["blocks"] * 7777)
    same(kept, 1000, "blocks kept at the end")


@test("ended by _exit, quick_exit, exit, abort: everything before is there")
def _():
    path, _ = record(build("quit"), "7", "4321", expect=(7,))
    same(leaks(path).total_from("main"), (1, 4321), "kept")
    # Killed: as far as it was written.
    path, _ = record(build("quit"), "-9", "4321", expect=(137,))
    done = heaptap("leaks", path)
    has(done.stderr, "no end record", "stderr")


@test("without a name for the recording: one line, and nothing else is different")
def _():
    program = build("functions")
    done = run([program], env=environment()).expect(0)
    quiet(done, "nothing is recorded: neither HEAPTAP_FILE nor HEAPTAP_SERVER is set")
    same(done.stdout, run([program]).stdout, "stdout")


@test("a file that cannot be: one line, and nothing else is different")
def _():
    program = build("functions")
    link = temp()
    os.symlink("/etc/passwd", link)
    fifo = temp()
    os.mkfifo(fifo)
    for name, why in (("/dev/full", "no space is left"), ("/nonexistent/x", "no such file"),
                      ("/", "it is a directory"), (link, "symbolic link"),
                      (fifo, "no file that can be written")):
        done = run([program], env=environment(HEAPTAP_FILE=name)).expect(0)
        quiet(done, f"{re.escape(name)} failed: .*{why}")
        same(done.stdout, run([program]).stdout, "stdout")


@test("a disk that is full: what fitted can be read, what did not is counted")
def _():
    disk = temp()
    os.mkdir(disk)
    run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", disk]).expect(0)
    try:
        path, done = record(build("threads"), "churn", "2", "100000", path=f"{disk}/x",
                            timeout=120)
        quiet(done, "no space is left on the device")
        done = heaptap("leaks", "--json", path)
        check(json.loads(done.stdout)["summary"]["allocations"] > 1000, f"{done}")
    finally:
        run(["umount", "-l", disk]).expect(0)


@test("a limit to the size of files raises no signal")
def _():
    done = run([build("threads"), "churn", "2", "20000"], env=environment(HEAPTAP_FILE=temp()),
               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000)))
    quiet(done.expect(0), "the file has become too large")


@test("little memory: events are dropped rather than waited for, and counted")
def _():
    path, _ = record(build("threads"), "churn", "8", "20000", more={"HEAPTAP_MEMORY": "912K"},
                     timeout=120)
    summary = leaks(path).summary
    same(summary["lost_events"], 0, "a file is fast enough")
    same(summary["leaked_blocks"] <= 8 * 20000, True, "blocks")


@test("the memory it takes is what was allowed")
def _():
    for allowed in (912, 2048, 8192):
        done = run(["sh", "-c", "cat /proc/$$/status; true"],
                   env=environment(HEAPTAP_FILE=temp(), HEAPTAP_MEMORY=f"{allowed}K"))
        without = run(["sh", "-c", "cat /proc/$$/status; true"])
        with_kb, without_kb = (int(re.findall(r"VmData:\s+(\d+)", text.stdout)[-1])
                               for text in (done, without))
        check(with_kb - without_kb <= allowed + 32, f"{with_kb - without_kb} KiB of {allowed}")


@test("a descriptor the program closes, and gets for itself, is not written to")
def _():
    mine = temp()
    # All descriptors are closed, and then all numbers are of the program's own file.
    code = ("import os, sys\nos.closerange(3, 2000)\n"
            f"fds = [os.open({mine!r}, os.O_WRONLY | os.O_CREAT, 0o600) for _ in range(1000)]\n"
            "x = [bytearray(1000 + i % 100) for i in range(100000)]\nprint(len(x))")
    path, done = record("python3", "-c", code, more={"PYTHONMALLOC": "malloc"})
    same((done.stdout, os.path.getsize(mine)), ("100000\n", 0), "what was written")
    check(leaks(path).summary["allocations"] > 100000, "events")


# ---- servers ---------------------------------------------------------------------------------


@contextlib.contextmanager
def receiver():
    """A heaptap receive; (folder, port)."""
    folder = temp()
    os.mkdir(folder)
    with open(f"{folder}.log", "wb") as log:
        with started([HEAPTAP, "receive", "127.0.0.1:0", "-o", folder], stderr=log) as process:
            def port():
                with open(f"{folder}.log", encoding="utf-8") as file:
                    return re.findall(r"127\.0\.0\.1:(\d+)", file.read())
            yield folder, wait_for(port, "a listener")[0]
            process.terminate()
            finish(process)


@test("heaptap receive gets the same recording, by either name of the variable")
def _():
    with receiver() as (folder, port):
        for variable in ("HEAPTAP_SERVER", "DUMPALLOC_SERVER"):
            for host in ("127.0.0.1", "localhost"):
                done = run([build("functions")], env=environment(**{variable: f"{host}:{port}"}))
                same(done.expect(0).stderr, "", "stderr")
                name = wait_for(lambda: glob.glob(f"{folder}/functions*.htap"), "a recording")[0]
                same(leaks(name).summary, json.loads(done.stdout), "heaptap against the tally")
                os.unlink(name)


@test("a server that is not there: one line, no wait, and nothing else is different")
def _():
    program = build("functions")
    begun = time.monotonic()
    for server in ("127.0.0.1:1", "no.such.host.invalid:1", "[::1]:1"):
        done = run([program], env=environment(HEAPTAP_SERVER=server)).expect(0)
        quiet(done, f"{re.escape(server)} failed")
        same(done.stdout, run([program]).stdout, "stdout")
    check(time.monotonic() - begun < 30, "it took too long")


@test("a server that takes nothing: the program waits once, then events are dropped")
def _():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        port = server.getsockname()[1]
        begun = time.monotonic()
        run([build("threads"), "churn", "4", "100000"], timeout=60,
            env=environment(HEAPTAP_SERVER=f"127.0.0.1:{port}", HEAPTAP_WAIT="100")).expect(0)
        check(time.monotonic() - begun < 30, f"{time.monotonic() - begun} s")


def receive_all(peer, nr_enough, enough=None):
    """What a program sends until it ends, or until that many bytes have come; with an event, which is
    set by then, to the end."""
    parts, nr = [], 0
    while nr < nr_enough or enough:
        data = peer.recv(65536)
        if not data:
            break
        parts.append(data)
        nr += len(data)
        if enough and nr >= nr_enough:
            enough.set()
    peer.close()
    return b"".join(parts)


@test("after a break it connects again, and says how much is missing")
def _():
    streams, came_back = [], threading.Event()

    def serve(server):
        receive_all(server.accept()[0], 300_000)
        streams.append(receive_all(server.accept()[0], 300_000, came_back))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        # It goes on until the second connection works, however slow the machine is.
        with started([build("threads"), "until", "2"],
                     env=environment(HEAPTAP_SERVER=f"127.0.0.1:{server.getsockname()[1]}")) as process:
            came_back.wait(60)
            done = finish(process)
        quiet(done.expect(0), "failed: (connection reset|the connection was closed)")
        thread.join(60)
    same(len(streams), 1, "second connections")
    path = temp(".htap")
    with open(path, "wb") as file:
        file.write(streams[0])
    report = leaks(path)
    check(report.summary["lost_events"] > 0, f"summary: {report.summary}")
    check(report.json["target"]["exe"] == build("threads"), "target")
    check(all(leak["frames"] for leak in report.leaks), "stacks are there, too")


# ---- other machines --------------------------------------------------------------------------


@test("musl: the library is built for it, and counts the same")
def _():
    out = os.path.join(BUILT, "musl")
    run(["make", "-C", ROOT, f"O={out}", "PRELOAD_CC=musl-gcc", "preload"], timeout=300).expect(0)
    program = build("quit", target="quit-musl", compiler="musl-gcc")
    path = temp(".htap")
    env = dict(os.environ, LD_PRELOAD=f"{out}/libheaptap-preload.so", HEAPTAP_FILE=path)
    same(run([program, "5", "777"], env=env).expect(5).stdout, "out\n", "stdout")
    same(leaks(path).total_from("main"), (1, 777), "kept")


@test("HEAPTAP_HELP lists the variables, and docs/preload.md has them all")
def _():
    done = run(["true"], env=environment(HEAPTAP_HELP="1")).expect(0)
    names = re.findall(r"(?:HEAPTAP|DUMPALLOC)_\w+", done.stderr)
    check(len(set(names)) >= 8, f"names: {names}")
    with open(f"{ROOT}/docs/preload.md", encoding="utf-8") as file:
        text = file.read()
    same([name for name in names if f"`{name}`" not in text], [], "variables without documentation")
    same(done.stdout, "", "stdout")


@test("what the library needs: libc alone, nothing it writes to is code")
def _():
    text = run(["readelf", "-dW", LIBRARY]).expect(0).stdout
    same(re.findall(r"NEEDED.*\[(.*)\]", text), ["libc.so.6"], "libraries")
    check("TEXTREL" not in text, "text relocations")


def symbols(path, kind):
    """Names in a file's dynamic symbols that are of these kinds of nm's."""
    lines = run(["nm", "-D", "--without-symbol-versions", path]).expect(0).stdout.split("\n")
    return {line.split()[-1] for line in lines if re.search(rf" [{kind}] \S+$", line)}


@test("every name the library must have is one of musl, too, whose loader ends a program otherwise")
def _():
    missing = symbols(LIBRARY, "U") - symbols("/lib/ld-musl-x86_64.so.1", "TWVBDiR")
    same(missing, set(), "names that musl does not know")


if __name__ == "__main__":
    main()
