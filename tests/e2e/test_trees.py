#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Process trees: every child is watched from its first instruction, each reported by itself, and
each agrees with the counter inside it."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import threading
import time

from htap import (HEAPTAP, TIMEOUT, Report, Skip, attached, build, check, counted_tree, has_libc, heaptap,
                  is_clean, leaks_tree, main, run, same, scratch, started, steps, temp, terminal, test,
                  tree_environment, wait_for)


def against_counters(command, at_least=1, timeout=TIMEOUT, options=()):
    """Watches a command and all it starts; (reports by pid, the counters' files by pid)."""
    directory = temp(".tree")
    os.mkdir(directory)
    reports = leaks_tree(*options, "--", "env", *tree_environment(directory), *command,
                         timeout=timeout)
    counted = counted_tree(directory)
    same(sorted(reports), sorted(counted), "processes of the report and of the counters")
    for pid, report in reports.items():
        want = {**counted[pid], "lost_events": 0}
        same({key: report.summary[key] for key in want}, want,
             f"heaptap against the counter in {report.json['target']['cmdline']}")
    check(len(reports) >= at_least, f"{len(reports)} processes, not {at_least}")
    return reports


def by_parent(reports, pid):
    return [r for r in reports.values() if r.json["target"].get("parent") == pid]


@test("fork, vfork, clone, posix_spawn, exec, from threads and by grandchildren")
def _():
    reports = against_counters([build("family"), "fork", "vfork", "twice", "spawn", "exec",
                                "thread"], 8)
    root = next(pid for pid, r in reports.items() if r.json["target"].get("parent") is None)
    same(len(by_parent(reports, root)), 6, "children of the first")
    leaves = [r for r in reports.values() if r.json["target"]["cmdline"] == "family leaf"]
    same([r.total_from("keep") for r in leaves], [(6, 4560)] * 3, "kept by what was exec'd")


@test("a child made by a bare clone, which no handler of the C library sees")
def _():
    reports = leaks_tree("--", build("family"), "clone")
    child = next(r for r in reports.values() if r.json["target"].get("parent") is not None)
    # 60 of the parent's before it, and 3 x 700 of its own.
    same(child.total_from("keep"), (4, 2160), "kept by the child")
    same(child.summary["unknown_frees"], 0, "frees of blocks unknown")
    same(child.summary["frees"], 1, "frees")


@test("what a child inherits is known to it")
def _():
    reports = leaks_tree("--", build("family"), "fork")
    child = next(r for r in reports.values() if r.json["target"].get("parent") is not None)
    same(child.json["inherited"], {"blocks": 2, "bytes": 5060}, "inherited")
    same(child.summary["unknown_frees"], 0, "frees of blocks unknown")


@test("a shell script: subshells, pipes, command substitution, a background job")
def _():
    against_counters(["sh", "-c", """
        for i in 1 2 3; do ls / >/dev/null; done
        x=$(cat /etc/hostname | sed s/a/b/ | tr a-z A-Z)
        (cd /; pwd >/dev/null)
        sort /etc/passwd >/dev/null & wait
    """], 10)


@test("bash, which has its own way with children")
def _():
    against_counters(["bash", "-c", "for i in 1 2; do (true); /bin/true; done; echo $(ls /) | wc -l"],
                     6)


@test("a compile with g++: driver, compiler, assembler, linker")
def _():
    source = os.path.join(scratch(), "hello.cc")
    with open(source, "w") as file:
        file.write("#include <vector>\nint main() { std::vector<int> v(3); return v.size() - 3; }\n")
    reports = against_counters([os.environ.get("CXX", "g++"), "-O1", "-o", source + ".out", source],
                               5)
    names = {os.path.basename(r.json["target"]["exe"]) for r in reports.values()}
    check({"cc1plus", "collect2"} <= names, f"no compiler or linker in {names}")


NGINX = """user root;
daemon off;
worker_processes 3;
pid {0}/nginx.pid;
error_log {0}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {0}/body;
    proxy_temp_path {0}/proxy;
    fastcgi_temp_path {0}/fastcgi;
    uwsgi_temp_path {0}/uwsgi;
    scgi_temp_path {0}/scgi;
    server {{ listen unix:{0}/socket; location / {{ return 200 "fine"; }} }}
}}
"""


def ask(path):
    """The body of nginx's answer, or None while there is nobody."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return b"".join(iter(lambda: client.recv(4096), b"")).rpartition(b"\r\n\r\n")[2]
    except (FileNotFoundError, ConnectionRefusedError):
        return None


@test("a prefork server: nginx, its workers with what they inherit")
def _():
    if not shutil.which("nginx"):
        raise Skip("nginx is not installed")
    home = temp(".nginx")
    os.mkdir(home)
    with open(home + "/nginx.conf", "w") as file:
        file.write(NGINX.format(home))

    def drive():
        wait_for(lambda: ask(home + "/socket") == b"fine", "nginx to answer")
        for _ in range(30):
            same(ask(home + "/socket"), b"fine", "answer")
        with open(home + "/nginx.pid") as file:
            os.kill(int(file.read()), signal.SIGQUIT)

    driver = threading.Thread(target=drive)
    driver.start()
    reports = against_counters([shutil.which("nginx"), "-c", home + "/nginx.conf"], 4)
    driver.join()
    workers = [r for r in reports.values() if "inherited" in r.json]
    same(len(workers), 3, "workers")
    check(all(w.json["inherited"]["blocks"] > 10 for w in workers), "workers inherited nothing")


@test("a hundred children at once")
def _():
    against_counters(["sh", "-c", "for i in $(seq 100); do (read x </proc/self/stat; exec /bin/true) & done; wait"], 100)


@test("the text report has a heading a process")
def _():
    done = heaptap("leaks", "--", build("family"), "fork", "exec").expect(0)
    heads = re.findall(r"^Process \d+.*$", done.stdout, re.M)
    same(len(heads), 3, f"headings of {done}")
    check(sum("family leaf" in head for head in heads) == 1, f"headings: {heads}")


@test("a recording of a tree gives the same report")
def _():
    path = temp(".htap")
    heaptap("record", "-o", path, "--", build("family"), "fork", "exec", "spawn").expect(0)
    done = heaptap("leaks", "--json", path).expect(0)
    processes = json.loads(done.stdout)["processes"]
    same(sorted(p["target"]["cmdline"].split()[-1] for p in processes),
         ["leaf", "leaf", "spawn", "spawn"], "command lines")
    for process in processes:
        if process["target"]["cmdline"] == "family leaf":
            kept = Report(json.dumps(process), done).total_from("keep")
            same(kept, (6, 4560), "kept by what was exec'd")


@test("--no-follow leaves children alone")
def _():
    path = temp(".json")
    heaptap("leaks", "--no-follow", "--json", "-o", path, "--", build("family"), "fork",
            "exec").expect(0)
    with open(path) as file:
        report = Report(file.read(), None)
    same(report.total_from("keep"), (2, 120), "kept by the parent")


@test("a command's end ends the watching; with --follow, its last child's")
def _():
    script = "(sleep 0.5; exec sh -c ': forked and exec-ed') & exit 4"
    done = heaptap("leaks", "-o", temp(), "--", "sh", "-c",
                   "sleep 1000 >/dev/null 2>&1 & echo $!; exit 4").expect(4)
    os.kill(int(done.stdout), signal.SIGKILL)  # it is there: heaptap has not waited for it
    path = temp(".json")
    heaptap("leaks", "--follow", "--json", "-o", path, "--", "sh", "-c", script).expect(4)
    with open(path) as file:
        lines = [p["target"]["cmdline"] for p in json.load(file)["processes"]]
    check("sh -c : forked and exec-ed" in lines, f"the last child is not among {lines}")


@test("attached with --follow: children of a running process")
def _():
    with started(["sh", "-c", f"while read way; do {build('family')} $way; echo ok; done"]) as shell:
        path = temp(".json")
        with attached(shell.pid, "--follow", "--json", "-o", path) as process:
            for way in ("fork", "exec"):
                shell.stdin.write(way.encode() + b"\n")
                shell.stdin.flush()
                same(shell.stdout.readline(), b"ok\n", "answer")
            process.send_signal(signal.SIGINT)
            same(process.wait(TIMEOUT), 0, "heaptap's status")
        with open(path) as file:
            processes = json.load(file)["processes"]
        same(len(processes), 5, "processes")
        leaf = next(p for p in processes if p["target"]["cmdline"] == "family leaf")
        same(Report(json.dumps(leaf), None).total_from("keep"), (6, 4560), "kept by the leaf")


@test("several running processes: -p, --comm, --children, --cgroup")
def _():
    name = os.path.join(scratch(), "heap-steps")
    shutil.copy(build("steps"), name)
    with steps(name) as one, steps(name) as other:
        for arguments in (["-p", f"{one.pid},{other.pid}"], ["-p", one.pid, "-p", other.pid],
                          ["--comm", "heap-steps"], ["-p", os.getpid(), "--children"]):
            path = temp(".json")
            done = heaptap("leaks", "--json", "-o", path, "-d", "0.3", *arguments)
            check(os.path.exists(path), str(done))
            with open(path) as file:
                processes = json.load(file)["processes"]
            pids = {p["target"]["pid"] for p in processes}
            check({one.pid, other.pid} <= pids, f"{arguments}: {pids}")
    heaptap("leaks", "--comm", "nobody-is-called-so").expect(1)
    heaptap("leaks", "--cgroup", "/nowhere/at/all").expect(1)


@contextlib.contextmanager
def control_group():
    """The directory of a control group of its own."""
    mount = temp(".cgroup")
    os.mkdir(mount)
    if run(["mount", "-t", "cgroup2", "none", mount]).status:
        raise Skip("control groups of version 2 cannot be mounted here")
    group = os.path.join(mount, f"heaptap-{os.getpid()}")
    try:
        os.mkdir(group)
        yield group
        wait_for(lambda: not open(group + "/cgroup.procs").read(), "the group to be empty")
        os.rmdir(group + "/inner")
        os.rmdir(group)
    finally:
        run(["umount", "-l", mount])


@test("a control group's processes, and those of the groups in it")
def _():
    with control_group() as group:
        os.mkdir(group + "/inner")
        with steps() as one, steps() as other:
            for process, place in ((one, group), (other, group + "/inner")):
                with open(place + "/cgroup.procs", "w") as file:
                    file.write(str(process.pid))
            done = heaptap("leaks", "--json", "-d", "0.3", "--cgroup", group).expect(0)
            same(sorted(p["target"]["pid"] for p in json.loads(done.stdout)["processes"]),
                 sorted([one.pid, other.pid]), "processes")


@test("processes that are not followed are not probed")
def _():
    with steps() as stranger:
        wait_for(lambda: has_libc(stranger.pid), "the stranger's C library")
        with started([HEAPTAP, "leaks", "-o", temp(), "--", "sh", "-c", "sleep 0.3; ls / >/dev/null; sleep 0.3"]) as process:
            while process.poll() is None:
                check(is_clean(stranger.pid), "a stranger has probes")
                time.sleep(0.02)
            same(process.returncode, 0, "status")


@test("a shell with job control does not see its jobs stop")
def _():
    with terminal([HEAPTAP, "leaks", "-o", temp(), "--", "bash", "--norc", "-i"]) as term:
        term.wait_for(r"[#$] $")
        term.type("/bin/echo a$((1+1))b; ls / | wc -l; (exec /bin/echo c$((2+2))d)\n")
        term.wait_for(r"a2b(.|\n)*\d+(.|\n)*c4d(.|\n)*[#$] $")
        term.type("jobs; exit 7\n")
        same(term.end(), 7, "status")
        check("Stopped" not in term.text, f"the shell saw something stop:\n{term.text}")


if __name__ == "__main__":
    main()
