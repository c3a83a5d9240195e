#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""--engine preload: what the library sees is what the kernel's probes see, for anybody, in all that a
command starts; and a command outlives whoever watches it."""
import collections
import functools
import json
import os
import re
import shutil
import signal
import sys
import time

from htap import (HEAPTAP, NOBODY, OUT, ROOT, Counter, Skip, as_nobody, build, check, counted_tree, equal_counts,
                  finish, has, heaptap, leaks, leaks_tree, library, lives, main, run, same, scratch, started, temp,
                  test, tree_environment, unprivileged, wait_for)

sys.path.insert(0, os.path.join(ROOT, "tests", "golden"))
import htap_format  # noqa: E402

INSIDE = ("--engine", "preload")
PYTHON = "/usr/bin/python3"
COUNTS = ("allocations", "frees", "failed_allocations", "unknown_frees", "allocated_bytes", "leaked_blocks",
          "leaked_bytes", "lost_events")


def frames_of(entry):
    """A stack that is the same in another process: what is at each frame, wherever it was mapped. The
    kernel's probes are in malloc when an operator new calls it that nobody knows (the aligned ones); the
    library stands in front of those, too, so its stacks begin behind them."""
    frames = [(f["function"], f["line"], f["module"], f["offset"]) for f in entry["frames"]]
    while frames and (frames[0][0] or "").startswith("operator new"):
        del frames[0]
    return tuple(frames)


def added_up(members, numbers):
    """{stack: what these functions of its entries come to}."""
    sums = {}
    for entry in members:
        before = sums.setdefault(frames_of(entry), [0] * len(numbers))
        sums[frames_of(entry)] = [a + number(entry) for a, number in zip(before, numbers)]
    return collections.Counter((stack, *numbers) for stack, numbers in sums.items())


def entries(report):
    return added_up(report.leaks, (lambda e: e["bytes"], lambda e: e["blocks"]))


def sites(*arguments, **options):
    """The same of `sites`: what each call path has allocated in all."""
    path = temp(".json")
    heaptap("sites", "--json", "-o", path, *arguments, **options).expect(0)
    with open(path) as file:
        whole = json.load(file)
    return added_up(whole["processes"][0]["sites"],
                    [lambda e, part=part, unit=unit: e[part][unit] for unit in ("bytes", "blocks")
                     for part in ("live", "allocated", "freed", "peak")])


def only_in(one, other):
    return "\n".join(str(entry) for entry in list((one - other).elements())[:3]) or "none"


def both(*command, **options):
    """The reports of both engines, after comparing everything in them."""
    outside = leaks("--engine", "bpf", "--", *command, **options)
    inside = leaks(*INSIDE, "--", *command, **options)
    same(inside.summary, outside.summary, f"summary of {command}")
    a, b = entries(inside), entries(outside)
    check(a == b, f"leaks of {command}: only inside:\n{only_in(a, b)}\nonly outside:\n{only_in(b, a)}")
    a, b = (sites("--engine", engine, "--", *command, **options) for engine in ("preload", "bpf"))
    check(a == b, f"sites of {command}: only inside:\n{only_in(a, b)}\nonly outside:\n{only_in(b, a)}")
    return inside


@test("every function, nested and failing calls, many stacks: both engines see the same, stack by stack")
def _():
    for command in ([build("functions")], [build("escape")], [build("stacks"), "many", "8"]):
        report = both(*command)
        check(sum(len(leak["frames"]) > 2 for leak in report.leaks) > 1, f"no stacks in {report.json}")


@test("C++ operators of every form: both engines begin at who calls new")
def _():
    report = both(build("operators"))
    check(not any("operator new" in (leak["frames"][0]["function"] or "") for leak in report.leaks),
          "a stack begins in an operator")
    # An operator that throws allocates the exception: the probes see that, the library is in its midst.
    program = build("throws", target="throws")
    a, b = (entries(leaks("--engine", engine, "--", program)) for engine in ("preload", "bpf"))
    check(a == b, f"leaks: only inside:\n{only_in(a, b)}\nonly outside:\n{only_in(b, a)}")


@test("threads: what an independent count inside has counted")
def _():
    for arguments in (("short", "300"), ("churn", "8", "20000")):
        counter = Counter(build("threads"))
        report = leaks(*INSIDE, "--", build("threads"), *arguments, env=counter.environment(), timeout=120)
        equal_counts(report, counter)


def as_many_variables():
    """Programs copy their environment: four variables more, of the same length, for the other engine."""
    words = run([HEAPTAP, "leaks", *INSIDE, "-o", temp(), "--", "env"], env={"PATH": "/usr/bin"}).stdout.split()
    return {name[::-1]: value for name, _, value in (word.partition("=") for word in words) if name != "PATH"}


@test("sqlite3, jq, git, python3: every count and byte of both engines is equal")
def _():
    with open(temp(".json"), "w") as file:
        json.dump([{"n": i, "text": str(i) * 5} for i in range(2000)], file)
    for command in (["sqlite3", ":memory:", "with recursive c(x) as (values(1) union all select x+1 from c "
                                            "where x<2000) select count(*) from c a join c b on a.x=b.x;"],
                    ["jq", "-c", "map(.n)|add", file.name],
                    ["git", "--version"],
                    [PYTHON, "-I", "-c", "import json; print(len([str(i) * 40 for i in range(5000)]))"]):
        env = {"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0"}
        outside = leaks("--engine", "bpf", "--", *command, env={**env, **as_many_variables()})
        inside = leaks(*INSIDE, "--", *command, env=env)
        check(outside.summary["allocations"] > 20, f"hardly anything: {outside.summary}")
        got, want = ({key: report.summary[key] for key in COUNTS} for report in (inside, outside))
        same(got, want, command[0])


@test("an environment of its own does not take a child out of sight")
def _():
    code = ("import os, subprocess\nsubprocess.run(['%s'], env={}, stdout=subprocess.DEVNULL)\n"
            "os.posix_spawn('%s', ['functions'], {'LD_PRELOAD': ''}); os.wait()") % ((build("functions"),) * 2)
    for command in ((PYTHON, "-I", "-c", code), ("env", "-i", "LD_PRELOAD=", build("functions"))):
        reports = leaks_tree(*INSIDE, "--", *command)
        seen = [r for r in reports.values() if r.total_from("every_function")[0]]
        same(len(seen), 2 if command[0] == PYTHON else 1, f"children of {command}")
        same([r.summary["lost_events"] for r in seen], [0] * len(seen), "lost events")


@test("children by fork, vfork and exec: each is what its own count says")
def _():
    folder = temp()
    os.mkdir(folder)
    report = leaks_tree(*INSIDE, "--", "env", *tree_environment(folder), "PATH=/usr/bin:/bin", "sh", "-c",
                        f"{build('functions')}; {build('fork')}; ({build('phases')}; true) | cat; "
                        "exec " + build("functions"))
    counted = counted_tree(folder)
    check(len(counted) >= 8, f"only {len(counted)} processes were counted")
    same(sorted(report), sorted(counted), "processes of the report and of the counters")
    for pid, want in counted.items():
        # What fails for its arguments alone does so in the library in front, and the counter never sees it.
        want = {**want, "lost_events": 0}
        del want["failed_allocations"]
        same({key: report[pid].summary[key] for key in want}, want, f"{report[pid].json['target']['cmdline']}")


@test("forked children begin with their parent's heap, whatever the parent does meanwhile")
def _():
    inside = leaks_tree(*INSIDE, "--", build("fork"))
    outside = leaks_tree("--engine", "bpf", "--", build("fork"))

    def shape(reports):
        return [(r.summary, r.json.get("inherited"), r.json["target"].get("parent") is not None)
                for r in reports.values() if "fork" in r.json["target"]["exe"]]
    same(shape(inside), shape(outside), "the parent, then its children")


@test("a thousand children, some at once")
def _():
    script = "for i in $(seq 40); do for j in $(seq 25); do (true) & done; wait; done"
    path = temp(".json")
    heaptap("leaks", "--json", "-o", path, *INSIDE, "--", "bash", "-c", script, timeout=120).expect(0)
    with open(path) as file:
        processes = json.load(file)["processes"]
    check(len(processes) >= 1000, f"{len(processes)} processes")
    same({p["summary"]["lost_events"] for p in processes}, {0}, "lost events")
    orphans = [p for p in processes[1:] if not p["target"].get("parent")]
    same(orphans, [], "children without a parent")


@test("exec: the new program's heap counts, and how it ends is passed on")
def _():
    report = leaks(*INSIDE, "--", "sh", "-c", "exec " + build("functions"))
    same(report.summary, json.loads(report.done.stdout), "heaptap against the tally")
    same(heaptap("leaks", *INSIDE, "--", "sh", "-c", "exit 7").status, 7, "status")
    done = heaptap("leaks", *INSIDE, "--", "sh", "-c", "kill -KILL $$")
    same(done.status, 137, "status of one that was killed")
    has(done.stdout, r"Lost events: 0", "what was seen until then")


@test("--no-follow leaves children alone")
def _():
    report = leaks_tree(*INSIDE, "--no-follow", "--", build("fork"))
    same(len(report), 1, "processes")


@test("-d ends the watching, not the command")
def _():
    begun = time.monotonic()
    mark = temp()
    done = heaptap("leaks", *INSIDE, "-d", "0.5", "--", PYTHON, "-c",
                   f"import time; x = [bytearray(5000) for _ in range(9)]; time.sleep(1.5); open('{mark}', 'w')")
    check(time.monotonic() - begun > 1, "it did not wait for its command")
    has(done.stdout, r"Lost events: 0", "report")
    check(os.path.exists(mark), "the command did not end as usual")


@test("a killed heaptap: the command goes on, full ring or not")
def _():
    mark = temp()
    code = (f"import os\nfor i in range(400): x = [bytes(600 + j % 64) for j in range(3000)]\n"
            f"open('{mark}', 'w').write(str(os.getpid()))")
    with started([HEAPTAP, "record", *INSIDE, "--ring-size", "1M", "-o", temp(".htap"), "--", PYTHON, "-c",
                  code]) as watcher:
        time.sleep(0.7)
        watcher.kill()
        watcher.wait()
        wait_for(lambda: os.path.exists(mark) and os.path.getsize(mark), "the command's end", 30)


@test("a stopped heaptap: a ring that is full makes the command wait, for a bounded time; nothing is lost")
def _():
    with started([HEAPTAP, "leaks", *INSIDE, "--ring-size", "1M", "--", build("threads"), "churn", "4",
                  "30000"]) as watcher:
        time.sleep(0.2)
        watcher.send_signal(signal.SIGSTOP)
        time.sleep(1)
        watcher.send_signal(signal.SIGCONT)
        done = finish(watcher)
    has(done.stdout, r"Lost events: 0\.", f"{done}")


@test("without --lossless what does not fit is counted")
def _():
    recording = temp(".htap")
    command = ["--", build("threads"), "churn", "4", "60000"]
    run([HEAPTAP, "record", *INSIDE, "--no-lossless", "--ring-size", "1M", "-o", recording, *command]).expect(0)
    whole = leaks(*INSIDE, *command).summary
    # The records themselves: a report counts a realloc of which one half was lost in its own way.
    with open(recording, "rb") as file:
        records = list(htap_format.read(file))
    nr_lost = sum(record["events"] for record in records if record["type"] == "LOST")
    nr_come = sum(record["type"] in ("ALLOC", "FREE") for record in records)
    check(nr_lost > 1000, f"{nr_lost} lost")
    same(nr_come + nr_lost, whole["allocations"] + whole["frees"], "records that came and that were lost")


@test("anybody can: auto takes the library where BPF does not work, and says so")
def _():
    with as_nobody() as own:
        done = run(unprivileged([own, "leaks", "--", build("functions")]))
        has(done.expect(0).stderr, r"(?m)^heaptap: Watching from inside, by a preloaded library, for BPF does not "
                                   r"work here: privileges are missing \(CAP_BPF,", "stderr")
        want = json.loads(done.stdout.split("\n")[0])
        has(done.stdout, rf"Allocations: {want['allocations']} \({want['allocated_bytes']} bytes\)", "report")
        done = run(unprivileged([own, "leaks", "-p", str(os.getpid())])).expect(1)
        has(done.stderr, "needs root", "stderr")
        has(done.stderr, "watches what it starts itself: -- COMMAND", "stderr")
        done = run(unprivileged([own, "leaks", "--mmap", "--", "true"])).expect(1)
        has(done.stderr, "--mmap is for --engine bpf, which does not work here", "stderr")
        done = run(unprivileged([own, "doctor"]))
        has(done.stdout, r"preload library +ok", "doctor")
        has(done.stdout, "commands that it starts can be watched", "doctor")


@test("what is preloaded already stays so, behind the library")
def _():
    counter = Counter(build("threads"))
    report = leaks(*INSIDE, "--", build("threads"), "churn", "2", "1000", env=counter.environment())
    equal_counts(report, counter)
    jemalloc = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"
    report = leaks(*INSIDE, "--", build("stacks"), "many", "8", env={**os.environ, "LD_PRELOAD": jemalloc})
    plain = leaks(*INSIDE, "--", build("stacks"), "many", "8")
    same(report.summary["leaked_bytes"] - plain.summary["leaked_bytes"] >= 0, True, "kept with jemalloc")
    check(entries(plain) - entries(report) == collections.Counter(), "jemalloc behind it hides blocks")


@test("what cannot be preloaded is refused in a sentence: static, set-user-ID, another machine")
def _():
    def refused(program, *words):
        done = heaptap("leaks", *INSIDE, "--", program).expect(1)
        same(done.stdout, "", "stdout")
        for word in words:
            has(done.stderr, word, "stderr")

    static = build("leak", "-static", target="leak-static")
    refused(static, "linked statically", "--engine bpf")
    own = temp()
    shutil.copy(build("leak"), own)
    os.chown(own, NOBODY, NOBODY)
    os.chmod(own, 0o4755)
    refused(own, "set-user-ID")
    with open(build("leak"), "rb") as file:
        image = bytearray(file.read())
    image[18:20] = (8).to_bytes(2, "little")  # EM_MIPS
    other = temp()
    with open(other, "wb") as file:
        file.write(image)
    os.chmod(other, 0o755)
    refused(other, "another machine")
    script = temp(".sh")
    with open(script, "w") as file:
        file.write(f"#!{static}\n")
    os.chmod(script, 0o755)
    refused(script, "linked statically")
    refused("/nonexistent", "cannot be run")


def for_musl(name, *flags):
    return build(name, *flags, target=f"{name}-musl", compiler="musl-gcc")


@test("programs of musl are watched by the same library: a command, children, what they exec")
def _():
    report = leaks(*INSIDE, "--", for_musl("fork"))
    same(report.summary, json.loads(report.done.stdout), "heaptap against the tally")
    command = ["sh", "-c", f"{for_musl('quit')} 5 777; echo $?; {for_musl('replace')} {build('functions')}"]
    report = leaks_tree(*INSIDE, "--", *command)
    output, stderr = (next(iter(report.values())).done.stdout, next(iter(report.values())).done.stderr)
    has(output, r"out\n5\n", "what the child printed")
    same(stderr, "err\n", "stderr")
    functions, = [r for r in report.values() if r.total_from("every_function")[0]]
    same(functions.summary, json.loads(output.split("\n")[2]), "what a program of musl's has become")
    quitting, = [r for r in report.values() if r.total_from("main") == (1, 777)]
    same(quitting.summary["leaked_blocks"], 1, "blocks of a program that ends by _exit")
    report = leaks(*INSIDE, "--", for_musl("threads"), "short", "100")
    same((report.total_from("keep_one"), report.summary["lost_events"]), ((100, 4800), 0), "kept by threads")


@functools.cache
def bits32(*flags):
    """A 32-bit program without a library, or with these flags."""
    try:
        program = build("bits32", "-m32", "-nostdlib", "-fno-pie", "-no-pie", "-fno-stack-protector",
                        *flags, target="-".join(["bits32", *map(os.path.basename, flags)]))
        same(run([program]).stdout, "32\n", "its output")
    except (AssertionError, OSError) as error:
        raise Skip("no such 32-bit program can be built and run here") from error
    return program


def unwatched(programs, *command):
    """Runs a command of which these programs, and no others, are not watched: how it ended."""
    done = heaptap("leaks", *INSIDE, "-o", temp(), "--", *command)
    lines = [line for line in done.stderr.split("\n") if line.startswith("heaptap:")]
    for program, why in programs:
        has("\n".join(lines), rf"{re.escape(program)}, which was started as process \d+, is not watched: it {why}",
            "stderr")
    same(len(lines), len(programs), f"lines on stderr: {lines}")
    return done


@test("children that cannot be watched are named, and run as ever: static, 32 bits, by every way to start them")
def _():
    static = build("quit", "-static", target="quit-static")
    odd = [(static, r"is linked statically\."), (bits32("-static"), "is made for another machine or word size")]
    for command in (["sh", "-c", f"{odd[0][0]} 3; echo $?; {odd[1][0]} </dev/null"],
                    [PYTHON, "-I", "-c", "import os, subprocess\n"
                     f"print(subprocess.run(['{odd[0][0]}', '3']).returncode, flush=True)\n"
                     f"os.posix_spawn('{odd[1][0]}', ['x'], {{}}, file_actions=[(os.POSIX_SPAWN_CLOSE, 0)]); os.wait()"],
                    ["bash", "-c", f"({odd[0][0]} 3; echo $?); cd /; exec .{odd[1][0]} </dev/null"]):
        done = unwatched(odd, *command)
        same(done.stdout, "out\n3\n32\n", "what they print")
    # Once a program; not where the exec fails, nor for what is watched.
    unwatched(odd[:1], "sh", "-c", f"for i in 1 2 3; do {static} 0; done; /nonexistent; true; {build('functions')}")
    unwatched([], "sh", "-c", "nonexistent; env -i true; /etc/passwd; true")


@test("a 32-bit child with a loader says so, too, and is as it was")
def _():
    if not os.path.exists("/lib/ld-linux.so.2"):
        raise Skip("there is no 32-bit C library")
    program = bits32("-Wl,-dynamic-linker,/lib/ld-linux.so.2", "/lib32/libc.so.6")
    done = unwatched([(program, "is made for another machine or word size")], "sh", "-c",
                     f"{program} </dev/null; echo $?")
    same(done.stdout, "32\n0\n", "what it prints")


@test("a library that others may change is not used, nor one at a path the loader would split")
def _():
    folder = temp()
    os.mkdir(folder)
    copy = shutil.copy(os.path.join(OUT, "libheaptap-preload.so"), folder)
    for path, mode, word in ((copy, 0o666, "others may write"), (copy, 0o644, None),
                             (os.path.join(folder, "none.so"), None, "No such file")):
        if mode:
            os.chmod(path, mode)
        done = heaptap("leaks", *INSIDE, "--", "true", env={**os.environ, "HEAPTAP_PRELOAD": path})
        same(done.status, 1 if word else 0, f"status with {path}")
        if word:
            has(done.stderr, word, "stderr")
    os.chown(copy, NOBODY, NOBODY)
    has(heaptap("leaks", *INSIDE, "--", "true", env={**os.environ, "HEAPTAP_PRELOAD": copy}).expect(1).stderr,
        "another user", "stderr")
    spaced = shutil.copy(os.path.join(OUT, "libheaptap-preload.so"), os.path.join(folder, "a b.so"))
    has(heaptap("leaks", *INSIDE, "--", "true", env={**os.environ, "HEAPTAP_PRELOAD": spaced}).expect(1).stderr,
        "blanks", "stderr")


@test("options of one engine are not for the other")
def _():
    for option in (("--mmap",), ("--free-stacks",), ("--link", "perf"), ("--allocator", "malloc=f free=g")):
        has(heaptap("leaks", *INSIDE, *option, "--", "true").expect(1).stderr, f"{option[0]} is for --engine bpf",
            "stderr")
    has(heaptap("leaks", *INSIDE, "-p", str(os.getpid())).expect(1).stderr, "a command that heaptap starts",
        "stderr")
    has(heaptap("leaks", "--engine", "bpf", "--sample", "512K", "--", "true").expect(1).stderr,
        "--sample is for --engine preload", "stderr")


@test("a recording, stacks and views are as with the other engine")
def _():
    path = temp(".htap")
    done = heaptap("record", *INSIDE, "-o", path, "--", build("functions")).expect(0)
    same(leaks(path).summary, json.loads(done.stdout), "the recording against the tally")
    has(heaptap("stacks", *INSIDE, "--", build("functions")).expect(0).stdout, r" every_function at functions\.c:",
        "stacks")


@test("without /dev/shm, in a chroot, with all descriptors closed")
def _():
    code = ("import ctypes, os\nos.closerange(0, 1000)\n"
            "ctypes.CDLL(None).malloc(123457)\n"
            "pid = os.fork()\n"
            "ctypes.CDLL(None).malloc(7654321)\n"
            "if not pid: os.chroot('/proc'); pid = os.fork(); ctypes.CDLL(None).malloc(999983)\n"
            "if pid: os.waitpid(pid, 0)\nos._exit(0)")
    command = [HEAPTAP, "leaks", "--json", "-o", temp(".json"), *INSIDE, "--", PYTHON, "-I", "-c", code]
    done = run(["unshare", "-m", "sh", "-c", 'umount -l /dev/shm; mount -t tmpfs -o mode=000,size=4k none /dev/shm;'
                ' exec "$@"', "sh", *command])
    done.expect(0)
    with open(command[4]) as file:
        processes = json.load(file)["processes"]
    # Of one stack, through Python's foreign calls: 123457 + 7654321, and + 999983.
    sums = [sorted({leak["bytes"] for leak in p["leaks"]} & {7777778, 8777761}) for p in processes]
    same(sorted(sums), [[7777778], [8777761], [8777761]], "blocks")
    same({p["target"]["exe"] for p in processes}, {os.path.realpath(PYTHON)}, "executables")


@test("a process that changes its user hands its children's rings over all the same")
def _():
    code = ("import ctypes, os\nos.setgid(65534); os.setuid(65534)\n"
            "pid = os.fork()\nctypes.CDLL(None).malloc(7654321)\n"
            "if pid: os.waitpid(pid, 0)\nos._exit(0)")
    reports = leaks_tree(*INSIDE, "--", PYTHON, "-I", "-c", code)
    same([sum(leak["bytes"] == 7654321 for leak in r.leaks) for r in reports.values()], [1, 1], "blocks")


if __name__ == "__main__":
    main()
