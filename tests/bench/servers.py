#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Measures what heaptap costs servers:
servers.py BUILD-DIRECTORY [--markdown] [--follow] [--rounds N] [--only NAME]

Servers run natively and attached in turns; a ratio is the median of the rounds' ratios of CPU time.
"""

import argparse
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from common import Failed, Pairs, Program, Table, cpu_ns, load, peak_rss

LIBC = "/lib/x86_64-linux-gnu/libc.so.6"
LIMIT = 60
REQUESTS = {"redis": 30_000, "nginx": 20_000}
PAIRS = 100_000
SLICES = 5
# heaptap waits for events when it watches, and not before.
EPOLL_WAIT = "232 "
GOALS = {"ratio": 5, "attach": 0.3, "stall": 20}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def need(*programs):
    for program in programs:
        if not shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
            raise Failed(f"{program} is not installed: scripts/setup bench does it")


class Server:
    """A server of this machine's, on a port of its own, and what loads it."""

    def __init__(self, argv, environment=None):
        self.process = subprocess.Popen(argv, env={**os.environ, **(environment or {})},
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    self.end()
                    raise Failed(f"{argv[0]} does not answer") from None
                time.sleep(0.02)

    def end(self):
        self.process.kill()
        self.process.wait()

    def request_us(self):
        """CPU time of the server for a request."""
        before = cpu_ns(self.pid)
        done = subprocess.run(self.client, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=LIMIT)
        if done.returncode:
            raise Failed(f"{self.client[0]} failed: {done.stderr.strip()}")
        return (cpu_ns(self.pid) - before) / self.requests / 1e3


class Redis(Server):
    kind = "redis"

    def __init__(self, environment=None):
        need("redis-server", "redis-benchmark")
        self.port = free_port()
        self.requests = 2 * REQUESTS["redis"]
        self.client = ["redis-benchmark", "-p", str(self.port), "-t", "set,get", "-q",
                       "-n", str(REQUESTS["redis"]), "-r", "100000", "-P", "1"]
        super().__init__(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
                          "--save", "", "--appendonly", "no"], environment)


class RedisOfLibc(Redis):
    """The same server; the C library's malloc comes before its own."""

    def __init__(self):
        super().__init__({"LD_PRELOAD": LIBC})


class Nginx(Server):
    kind = "http"

    def __init__(self):
        need("nginx", "ab")
        self.port = free_port()
        self.requests = REQUESTS["nginx"]
        self.directory = tempfile.TemporaryDirectory()
        os.chmod(self.directory.name, 0o755)
        with open(f"{self.directory.name}/index.html", "w", encoding="ascii") as page:
            page.write("hello\n" * 100)
        self.client = ["ab", "-q", "-k", "-c", "8", "-n", str(self.requests),
                       f"http://127.0.0.1:{self.port}/index.html"]
        with open(f"{self.directory.name}/nginx.conf", "w", encoding="ascii") as conf:
            conf.write(f"""
                daemon off; master_process off; pid {self.directory.name}/pid; error_log stderr;
                events {{ }}
                http {{
                    access_log off; keepalive_requests 100000000;
                    server {{ listen 127.0.0.1:{self.port}; root {self.directory.name}; }}
                }}""")
        super().__init__([shutil.which("nginx", path="/usr/sbin:/usr/bin"),
                          "-c", f"{self.directory.name}/nginx.conf"])


class Heaptap:
    """heaptap leaks, attached."""

    def __init__(self, build, pid, options):
        self.log = tempfile.TemporaryFile()
        self.report = tempfile.NamedTemporaryFile()
        start = time.monotonic()
        self.process = subprocess.Popen(
            [f"{build}/heaptap", "leaks", "-p", str(pid), "-o", self.report.name,
             *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log)
        while not self.is_watching():
            if self.process.poll() is not None or time.monotonic() > start + LIMIT:
                self.process.kill()
                raise Failed(f"heaptap did not attach: {self.said()}")
            time.sleep(0.001)
        self.seconds = time.monotonic() - start

    def is_watching(self):
        try:
            with open(f"/proc/{self.process.pid}/syscall", encoding="ascii") as file:
                return file.read().startswith(EPOLL_WAIT)
        except OSError:
            return False

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace").strip()

    def detach(self):
        """What was measured of it."""
        peak = peak_rss(self.process.pid)
        start = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        while self.process.poll() is None:
            peak = max(peak, peak_rss(self.process.pid))
            if time.monotonic() > start + LIMIT:
                self.process.kill()
                raise Failed("heaptap did not stop after SIGINT")
            time.sleep(0.001)
        if self.process.returncode:
            raise Failed(f"heaptap ended with {self.process.returncode}: {self.said()}")
        seconds = time.monotonic() - start
        return {"detach": seconds, "rss": peak, "calls": self.told("Allocations|Frees"),
                "lost": self.told("Lost events")}

    def told(self, what):
        """The sum of a line of the report, over all processes."""
        self.report.seek(0)
        numbers = re.findall(rf"^ *(?:{what}): (\d+)", self.report.read().decode(), re.MULTILINE)
        if not numbers:
            raise Failed(f"heaptap wrote no report: {self.said()}")
        return sum(map(int, numbers))


def pair_ns(pairs):
    return min(pairs.run(PAIRS) for _ in range(SLICES))


def attached_round(build, server, ping, pairs, options):
    measured = {}
    time.sleep(0.2)
    ping.ask()
    heaptap = Heaptap(build, server.pid, options)
    time.sleep(0.05)
    measured["attach stall"] = int(ping.ask().split()[0]) / 1e3
    measured["attach"] = heaptap.seconds
    measured["pair"] = pair_ns(pairs)
    measured["request"] = server.request_us()
    time.sleep(0.2)
    ping.ask()
    measured.update(heaptap.detach())
    measured["calls"] /= server.requests
    measured["detach stall"] = int(ping.ask().split()[0]) / 1e3
    return measured


def native_round(server, ping, pairs, seconds):
    """The stall of a window as long as attaching takes."""
    measured = {"pair": pair_ns(pairs), "request": server.request_us()}
    time.sleep(0.2)
    ping.ask()
    time.sleep(seconds)
    measured["stall"] = int(ping.ask().split()[0]) / 1e3
    return measured


def measure(build, make_server, rounds, options):
    """[(native, attached)] for each round."""
    server = make_server()
    ping = pairs = None
    try:
        ping = Program(build, "ping", server.kind, server.port)
        pairs = Pairs(build, "nofp", 5)
        server.request_us()
        measured, seconds = [], 0.3
        for number in range(rounds):
            native = native_round(server, ping, pairs, seconds) if number % 2 == 0 else None
            attached = attached_round(build, server, ping, pairs, options)
            seconds = attached["attach"] + 0.05
            measured.append((native or native_round(server, ping, pairs, seconds), attached))
        return measured
    finally:
        for program in (ping, pairs):
            if program:
                program.end()
        server.end()


def figures(measured):
    """{row: value} of the rounds."""
    def native(key):
        return statistics.median(n[key] for n, _ in measured)

    def attached(key):
        return statistics.median(a[key] for _, a in measured)

    def ratio(key):
        return statistics.median(a[key] / n[key] for n, a in measured)

    added = statistics.median((a["request"] - n["request"]) / a["calls"] for n, a in measured)
    return {"native": native("request"), "calls": attached("calls"), "added": added,
            "heaptap": attached("request"),
            "ratio": ratio("request"), "beside": ratio("pair"), "attach": attached("attach"),
            "detach": attached("detach"), "attach stall": attached("attach stall"),
            "detach stall": attached("detach stall"), "stall": native("stall"),
            "rss": attached("rss") / 2**20, "lost": sum(a["lost"] for _, a in measured)}


ROWS = (("native", "CPU time of a request, native", "us", None),
        ("heaptap", "CPU time of a request, attached", "us", None),
        ("ratio", "attached / native (goal: of redis)", "x", GOALS["ratio"]),
        ("calls", "calls of the allocator, a request", "", None),
        ("added", "added for such a call", "us", None),
        ("beside", "a process beside it, not watched: attached / native", "x", None),
        ("attach", "from start until it watches", "s", GOALS["attach"]),
        ("detach", "from SIGINT until it is gone", "s", None),
        ("attach stall", "longest wait for an answer while it attaches", "ms", GOALS["stall"]),
        ("detach stall", "while it detaches", "ms", GOALS["stall"]),
        ("stall", "without heaptap", "ms", None),
        ("rss", "heaptap's resident memory at most, its ring counted twice", "MiB", None),
        ("lost", "lost events, all rounds", "", None))
SERVERS = (("redis, jemalloc", Redis), ("redis, libc", RedisOfLibc), ("nginx", Nginx))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--follow", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="servers whose name contains this")
    arguments = parser.parse_args()
    status = 0
    results = {}
    print(f"servers under load, heaptap leaks -p PID, {arguments.rounds} rounds; {load()}",
          flush=True)
    for name, server in SERVERS:
        if arguments.only not in name:
            continue
        try:
            results[name] = figures(measure(arguments.build, server, arguments.rounds,
                                            ["--follow"] if arguments.follow else []))
        except (Failed, OSError, subprocess.TimeoutExpired) as error:
            print(f"bench: {name}: {error}", file=sys.stderr)
            status = 1
    table = Table(["what", *results, "goal"])
    for key, words, unit, goal in ROWS:
        table.add(words, [results[name][key] for name in results], unit, goal)
    table.print(arguments.markdown)
    return status


if __name__ == "__main__":
    sys.exit(main())
