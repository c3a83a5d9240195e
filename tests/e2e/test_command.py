#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The command line: statuses, streams, filters, the JSON report, refusals."""
import os
import shutil
import subprocess
import threading

from htap import (HEAPTAP, build, check, has, heaptap, leaks, main, run, same, started, steps,
                  temp, test, unprivileged)

SUMMARY = {"allocations", "frees", "failed_allocations", "unknown_frees", "allocated_bytes",
           "peak_bytes", "leaked_blocks", "leaked_bytes", "lost_events"}


# ---- statuses and streams -------------------------------------------------------------------


def status_test(subcommand, *options):
    for asked, status in ((0, 0), (3, 3), (-15, 143), (-9, 137)):
        done = heaptap(subcommand, "-o", temp(), *options, "--", build("quit"), asked, "100")
        done.expect(status)


@test("leaks passes on the command's status")
def _():
    status_test("leaks")


@test("record passes on the command's status")
def _():
    status_test("record")


@test("--error-exitcode: with leaks, without, and with all of them filtered out")
def _():
    program = build("quit")
    heaptap("leaks", "--error-exitcode", "7", "--", program, "0", "100").expect(7)
    heaptap("leaks", "--error-exitcode", "7", "--", program, "3", "100").expect(7)
    heaptap("leaks", "--error-exitcode", "7", "--", program, "0").expect(0)
    heaptap("leaks", "--error-exitcode", "7", "--", program, "3").expect(3)
    heaptap("leaks", "--error-exitcode", "7", "--min-bytes", "101", "--", program, "3",
            "100").expect(3)


@test("with -o the command's streams are its own")
def _():
    for subcommand in ("leaks", "record"):
        path = temp()
        done = heaptap(subcommand, "-o", path, "--", build("quit"), "0", "100").expect(0)
        same(done.stdout, "out\n", f"{subcommand}: stdout")
        has(done.stderr, r"(?m)^err$", f"{subcommand}: stderr")
        check(os.path.getsize(path) > 0, f"{subcommand}: {path} is empty")


@test("without -o the report follows the command's output")
def _():
    done = heaptap("leaks", "--", build("quit"), "0", "100").expect(0)
    has(done.stdout, r"^out\nLeak sum=100 count=1 avg=100\n main at quit\.c:\d+\n", "stdout")


@test("the command's standard input is its own")
def _():
    same(heaptap("leaks", "-o", temp(), "--", "cat", data=b"hello\n").expect(0).stdout,
         "hello\n", "cat")


@test("a command without leaks: totals only")
def _():
    done = heaptap("leaks", "-o", "/dev/stdout", "--", build("quit"), "0").expect(0)
    check("Leak sum" not in done.stdout, f"leaks out of nowhere: {done}")


@test("the totals are in the text report")
def _():
    done = heaptap("leaks", "--", build("x")).expect(0)
    totals = done.stdout.rstrip().rpartition("\n\n")[2]
    check("Leak sum" not in totals, f"no paragraph of totals at the end:\n{done.stdout}")
    for number in ("49152", "644", "633", "11"):
        has(totals.replace(",", ""), rf"\b{number}\b", "totals")
    has(totals, r"(?i)lost", "totals")


# SigQ counts the signals that wait for all processes of the user: it is nobody's own.
NATURE = """
grep -E '^(Sig[^Q]|Shd|Cap|TracerPid|NoNewPrivs|Seccomp:|Umask)' /proc/self/status
ls /proc/self/fd
ulimit -a
nice
env | sort
pwd
cat /proc/self/oom_score_adj
ps -o pgid=,sid= -p $$ 2>/dev/null | wc -l
"""


@test("a command starts as it does without heaptap: signals, descriptors, limits")
def _():
    plain = run(["sh", "-c", NATURE]).expect(0).stdout
    for options in ([], ["--no-lossless"]):
        done = heaptap("leaks", "-o", temp(), *options, "--", "sh", "-c", NATURE).expect(0)
        same(done.stdout.split("\n"), plain.split("\n"), f"the command's surroundings, {options}")


@test("a command inherits limits and signals as heaptap found them")
def _():
    show = ("ulimit -n; grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status")
    command = ["bash", "-c", f"trap '' HUP; ulimit -Sn 200; exec \"$@\"", "bash"]
    alone = run([*command, "bash", "-c", show]).expect(0).stdout
    watched = run([*command, HEAPTAP, "leaks", "-o", temp(), "--", "bash", "-c", show]).expect(0).stdout
    same(watched, alone, "limits and signals")


@test("started with SIGCHLD ignored")
def _():
    ignore = ["python3", "-c", "import os, signal, sys; signal.signal(signal.SIGCHLD, "
              "signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"]
    done = run([*ignore, HEAPTAP, "leaks", "-o", temp(), "--", build("quit"), "3"])
    done.expect(3)


@test("a child that outlives the command does not hold heaptap")
def _():
    done = heaptap("leaks", "-o", temp(), "--", "sh", "-c",
                   "sleep 1000 >/dev/null 2>&1 </dev/null & echo $!; exit 4").expect(4)
    os.kill(int(done.stdout), 9)  # it is there still


# ---- filters --------------------------------------------------------------------------------


def entries(*options):
    """[(bytes, blocks)] of x.c's report."""
    return [(l["bytes"], l["blocks"]) for l in leaks(*options, "--", build("x")).leaks]


@test("--top, --min-bytes, --min-count")
def _():
    both, big = [(40960, 10), (8192, 1)], [(40960, 10)]
    same(entries("--top", "1"), big, "--top 1")
    same(entries("--top", "9"), both, "--top 9")
    same(entries("--min-bytes", "8K"), both, "--min-bytes 8K")
    same(entries("--min-bytes", "8193"), big, "--min-bytes 8193")
    same(entries("--min-count", "2"), big, "--min-count 2")
    same(entries("--min-count", "11"), [], "--min-count 11")


@test("filters leave the totals alone")
def _():
    report = leaks("--top", "1", "--min-bytes", "8193", "--", build("x"))
    same((report.summary["leaked_blocks"], report.summary["leaked_bytes"]), (11, 49152), "totals")


@test("--depth cuts stacks and adds up what then agrees")
def _():
    report = leaks("--depth", "1", "--", build("functions"))
    check(all(len(leak["frames"]) == 1 for leak in report.leaks), f"too deep: {report.leaks}")
    stacks = [(f["address"] if f["line"] is None else f["function"], f["line"])
              for leak in report.leaks for f in leak["frames"]]
    same(len(stacks), len(set(stacks)), "stacks that agree")
    text = heaptap("leaks", "--depth", "2", "--", build("x")).expect(0).stdout
    has(text, r"(?m)^Leak sum=40960 count=10 avg=4096\n f at x\.c:13\n main at x\.c:26\n\n", "text")


# ---- the JSON report ------------------------------------------------------------------------


@test("the JSON report has the documented members and types")
def _():
    done = heaptap("--version")
    report = leaks("--", build("x"), "one", "two words", data=b"gg")
    same(set(report.json), {"heaptap", "target", "summary", "leaks"}, "members")
    check(isinstance(report.json["heaptap"], str) and report.json["heaptap"], "heaptap")
    if done.status == 0:
        has(done.stdout, report.json["heaptap"].replace(".", r"\."), "--version")
    target = report.json["target"]
    same(set(target), {"pid", "exe", "cmdline", "started"}, "target")
    check(isinstance(target["pid"], int) and target["pid"] > 1, f"pid: {target}")
    same(target["exe"], os.path.realpath(build("x")), "exe")
    check("two words" in target["cmdline"] and "one" in target["cmdline"], f"cmdline: {target}")
    check(target["started"], f"started: {target}")
    same(set(report.summary), SUMMARY, "summary")
    check(all(type(value) is int for value in report.summary.values()), f"{report.summary}")
    for leak in report.leaks:
        same(set(leak), {"bytes", "blocks", "oldest_ns", "newest_ns", "family", "cut",
                         "frames"}, "a leak")
        check(0 < leak["oldest_ns"] <= leak["newest_ns"] or
              leak["oldest_ns"] >= leak["newest_ns"] > 0, f"times: {leak}")
        for frame in leak["frames"]:
            check_frame(frame)


def check_frame(frame):
    same(set(frame), {"function", "file", "line", "module", "offset", "address", "inlined"},
         "a frame")
    for member in ("function", "file", "module"):
        check(frame[member] is None or isinstance(frame[member], str), f"{member}: {frame}")
    check(frame["line"] is None or type(frame["line"]) is int, f"line: {frame}")
    check(isinstance(frame["inlined"], bool), f"inlined: {frame}")
    check(frame["address"] is not None, f"address: {frame}")


# ---- refusals -------------------------------------------------------------------------------


def refused(done, *words, status=1):
    """A sentence on stderr that says all of the words, nothing on stdout, this status."""
    done.expect(status)
    same(done.stdout, "", f"stdout of {done}")
    check(done.stderr.strip().endswith("."), f"no sentence: {done}")
    for word in words:
        has(done.stderr, word, "stderr")


@test("a command that does not exist or cannot be executed")
def _():
    for subcommand in ("leaks", "record"):
        out = temp()
        refused(heaptap(subcommand, "-o", out, "--", "no-such-program"), "no-such-program",
                "(?i)no such file|not found")
        refused(heaptap(subcommand, "-o", out, "--", "/etc/passwd"), "/etc/passwd",
                "(?i)permission|execut")
        refused(heaptap(subcommand, "-o", out, "--", "/etc"), "/etc", "(?i)permission|directory")


@test("a process that does not exist, a kernel thread, a thread's id, a zombie")
def _():
    gone = subprocess.Popen(["true"])
    gone.wait()
    refused(heaptap("leaks", "-p", gone.pid), str(gone.pid))
    kernel = next((pid for pid in os.listdir("/proc") if pid.isdigit() and is_kernel(pid)), None)
    check(kernel, "no kernel thread is visible here")
    refused(heaptap("leaks", "-p", kernel), kernel, "(?i)kernel")
    hold = threading.Event()
    thread = threading.Thread(target=hold.wait)
    thread.start()
    try:
        refused(heaptap("leaks", "-p", thread.native_id), str(thread.native_id), "(?i)thread")
    finally:
        hold.set()
        thread.join()
    with started(["true"]) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        refused(heaptap("leaks", "-p", zombie.pid), str(zombie.pid))


def is_kernel(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return int(stat.read().rpartition(")")[2].split()[6]) & 0x00200000  # PF_KTHREAD
    except OSError:
        return False


@test("without privilege: says which capabilities would do")
def _():
    program = temp()
    shutil.copy(HEAPTAP, program)
    os.chmod(program, 0o755)
    refused(run(unprivileged([program, "leaks", "--", "true"])), "CAP_BPF", "CAP_PERFMON")
    with steps() as target:
        refused(run(unprivileged([program, "leaks", "-p", str(target.pid)])), "CAP_BPF")


@test("wrong usage: status 2 and a sentence")
def _():
    for arguments in (["leaks", "--no-such-option"], ["leaks"], ["record"], ["no-such-command"],
                      ["leaks", "-p", "x"], ["leaks", "-p", "0"], ["leaks", "-p"],
                      ["leaks", "-p", "1", "--", "true"], ["leaks", "--ring-size", "1", "-p", "1"],
                      ["leaks", "--error-exitcode", "256", "-p", "1"], ["leaks", "a", "b"],
                      ["leaks", "-d", "-1", "-p", "1"]):
        done = heaptap(*arguments).expect(2)
        check(done.stderr.strip() and not done.stdout, f"no sentence on stderr: {done}")


@test("a report that cannot be written")
def _():
    refused(heaptap("leaks", "-o", "/no/such/directory/report", "--", "true"), "/no/such/directory")
    recording = temp(".htap")
    heaptap("record", "-o", recording, "--", build("x")).expect(0)
    refused(heaptap("leaks", "-o", "/dev/full", recording), "/dev/full", "(?i)space")


@test("doctor says what works")
def _():
    has(heaptap("doctor").expect(0).stdout, r"(?i)uprobe", "doctor")
    with steps() as target:
        has(heaptap("doctor", "-p", target.pid).expect(0).stdout, r"malloc", "doctor -p")


if __name__ == "__main__":
    main()
