#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Measures what it costs to record real programs from start to end, beside heaptrack:
programs.py BUILD-DIRECTORY [--markdown] [--rounds N] [--only NAME]

Each program runs natively and under each tool in turns; a ratio is the median of the rounds'.
"""

import argparse
import contextlib
import glob
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from common import Failed, Table, cpu_ns, load, peak_rss

LIMIT = 90
POLL_SECONDS = 0.003
LOOKS_AT_MEMORY = 10  # every so many polls: it takes longer

SQL = """create table t(a integer primary key, b text, c integer); create index i on t(c);
with recursive n(x) as (select 1 union all select x + 1 from n where x < 80000)
insert into t select x, 'row number ' || x, x % 1000 from n;
select count(*), sum(length(p.b || q.b)) from t p join t q on p.c = q.c where p.a < 1500;
select c, group_concat(b) from t group by c order by c desc limit 3;
"""
PYTHON = """
rows = [{"id": i, "name": "n%d" % i, "tags": [str(i), i * 1.5]} for i in range(50000)]
words = sorted(" ".join(r["tags"][0] + r["name"] for r in rows).split())
print(len(words), sum(len(r) for r in rows))
"""
CXX = """#include <iostream>
#include <map>
#include <vector>
int main() { std::map<int, std::vector<int>> m; m[1].push_back(2); std::cout << m.size(); }
"""


def make_inputs(directory):
    with open(f"{directory}/a.sql", "w", encoding="ascii") as file:
        file.write(SQL)
    with open(f"{directory}/a.py", "w", encoding="ascii") as file:
        file.write(PYTHON)
    with open(f"{directory}/a.cc", "w", encoding="ascii") as file:
        file.write(CXX)
    with open(f"{directory}/a.json", "w", encoding="ascii") as file:
        json.dump([{"id": i, "name": f"name {i}", "tags": [i, i + 1, f"t{i}"]}
                   for i in range(25_000)], file)
    with open(f"{directory}/a.xml", "w", encoding="ascii") as file:
        rows = (f'<row id="{i}"><name>name {i}</name><tag/></row>\n' for i in range(120_000))
        file.write(f"<rows>\n{''.join(rows)}</rows>\n")


def cc1plus():
    """The compiler proper, which g++ only starts, and where it finds the system's headers."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        path, multiarch = (subprocess.check_output(["g++", option], text=True).strip()
                           for option in ("-print-prog-name=cc1plus", "-print-multiarch"))
        return [path, "-quiet", "-imultiarch", multiarch, "-D_GNU_SOURCE"]
    return ["cc1plus"]


def programs(directory):
    """(name, argv, environment)"""
    return (("sqlite3, inserts and a join",
             ["sqlite3", ":memory:", f".read {directory}/a.sql"], {}),
            ("python3", ["/usr/bin/python3", f"{directory}/a.py"], {}),
            ("python3, PYTHONMALLOC=malloc", ["/usr/bin/python3", f"{directory}/a.py"],
             {"PYTHONMALLOC": "malloc"}),
            ("cc1plus, three headers",
             [*cc1plus(), f"{directory}/a.cc", "-o", f"{directory}/a.s"], {}),
            ("jq, 1.7 MB of JSON", ["jq", "map(.tags[2]) | sort | length", f"{directory}/a.json"],
             {}),
            ("xmllint, 6 MB of XML", ["xmllint", "--noout", f"{directory}/a.xml"], {}))


def children(pid):
    """All processes below one."""
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
            for child in map(int, file.read().split()):
                found += [child, *children(child)]
    return found


def executable(pid):
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/exe")
    return None


def proportional(pid):
    """Resident bytes; pages that several processes or mappings share count once in all."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii", errors="replace") as file:
            return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    return 0


class Watch:
    """Looks at a process and those below it until it ends."""

    def __init__(self, process, program):
        self.program = os.path.realpath(shutil.which(program))
        self.target, self.cpu, self.peak, self.others, self.looks = None, 0, 0, 0, 0
        deadline = time.monotonic() + LIMIT
        while process.poll() is None:
            self.look(process.pid)
            if time.monotonic() > deadline:
                process.kill()
                raise Failed(f"{program} is not done after {LIMIT} s")
            time.sleep(POLL_SECONDS)

    def look(self, root):
        if self.target:
            with contextlib.suppress(OSError):
                self.cpu = max(self.cpu, cpu_ns(self.target))
            self.peak = max(self.peak, peak_rss(self.target))
            if self.looks % LOOKS_AT_MEMORY == 0:
                self.others = max(self.others, sum(map(proportional, self.tool(root))))
            self.looks += 1
        else:
            self.target = next((pid for pid in [root, *children(root)]
                                if executable(pid) == self.program), None)

    def tool(self, root):
        return {root, *children(root)} - {self.target}


def cpu_of_children():
    """Seconds of all that have ended. Not os.times: that counts in hundredths."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(argv, program, environment, stdin=os.devnull):
    """CPU seconds of the program alone and of everything, wall seconds, memory."""
    before = cpu_of_children()
    start = time.monotonic()
    with tempfile.TemporaryFile() as said, open(stdin, "rb") as asked:
        process = subprocess.Popen(argv, env={**os.environ, **environment},
                                   stdin=asked, stdout=said, stderr=said)
        watch = Watch(process, program)
        wall = time.monotonic() - start
        used = cpu_of_children() - before
        if process.returncode:
            said.seek(0)
            raise Failed(f"{argv[0]} ended with {process.returncode}: "
                         f"{said.read().decode(errors='replace')[-300:].strip()}")
    if not watch.cpu:
        raise Failed(f"{program} was not seen running")
    return {"cpu": watch.cpu / 1e9, "wall": wall, "target": watch.peak,
            "others": watch.others, "all": used}


def tools(build):
    """{name: argv without the program, given the file to write}"""
    chosen = {"heaptap": lambda path: [f"{build}/heaptap", "record", "--no-symbols", "-o", path,
                                       "--"]}
    if shutil.which("heaptrack"):
        chosen["heaptrack"] = lambda path: ["heaptrack", "-r", "-o", path]
    else:
        print("bench: heaptrack is not installed: scripts/setup bench does it", file=sys.stderr)
    return chosen


def events_of(build, path):
    """(allocations and frees, lost events) of a recording."""
    done = subprocess.run([f"{build}/heaptap", "leaks", "--json", "-o", f"{path}.json", path],
                          capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"heaptap leaks: {done.stderr.strip()}")
    with open(f"{path}.json", encoding="utf-8") as file:
        summary = json.load(file)["summary"]
    os.unlink(f"{path}.json")
    return summary["allocations"] + summary["frees"] + summary["unknown_frees"], \
        summary["lost_events"]


def size_of(directory):
    """Of the one file there, whatever was appended to its name."""
    paths = glob.glob(f"{directory}/*")
    if len(paths) != 1:
        raise Failed(f"{len(paths)} recordings instead of one")
    return paths[0], os.path.getsize(paths[0])


def measure_round(build, chosen, argv, environment):
    measured = {"native": run(argv, argv[0], environment)}
    for name, words in chosen.items():
        with tempfile.TemporaryDirectory(dir=build) as directory:
            figures = run([*words(f"{directory}/recording"), *argv], argv[0], environment)
            path, figures["bytes"] = size_of(directory)
            figures["memory"] = figures["others"] + max(
                0, figures["target"] - measured["native"]["target"])
            if name == "heaptap":
                measured["events"], measured["lost"] = events_of(build, path)
        measured[name] = figures
    return measured


HEAD = ["program", "events", "native", "tool", "its CPU time", "CPU time of all", "wall time",
        "memory of the tool", "on disk, an event"]


def add_rows(table, name, rounds, chosen):
    def median(value):
        return statistics.median(value(one) for one in rounds)

    for tool in chosen:
        def ratio(key, tool=tool):
            return median(lambda one: one[tool][key] / one["native"][key])

        first = tool == next(iter(chosen))
        table.rows.append([
            name if first else "",
            f"{median(lambda one: one['events']) / 1e3:.0f} k" if first else "",
            f"{median(lambda one: one['native']['cpu']):.2f} s" if first else "", tool,
            f"{ratio('cpu'):.1f} x",
            f"{median(lambda one: one[tool]['all'] / one['native']['cpu']):.1f} x",
            f"{ratio('wall'):.1f} x", f"{median(lambda one: one[tool]['memory']) / 2**20:.0f} MiB",
            f"{median(lambda one: one[tool]['bytes'] / one['events']):.1f} B"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="programs whose name contains this")
    arguments = parser.parse_args()
    status = 0
    table = Table(HEAD)
    print(f"programs recorded from start to end, times as multiples of native, "
          f"{arguments.rounds} rounds; {load()}", flush=True)
    chosen = tools(arguments.build)
    with tempfile.TemporaryDirectory(dir=arguments.build) as directory:
        make_inputs(directory)
        for name, argv, environment in programs(directory):
            if arguments.only not in name:
                continue
            try:
                if not shutil.which(argv[0]):
                    raise Failed(f"{argv[0]} is not installed: scripts/setup check does it")
                rounds = [measure_round(arguments.build, chosen, argv, environment)
                          for _ in range(arguments.rounds)]
                if any(one["lost"] for one in rounds):
                    raise Failed("heaptap lost events")
                add_rows(table, name, rounds, chosen)
            except (Failed, OSError) as error:
                print(f"bench: {name}: {error}", file=sys.stderr)
                status = 1
    table.print(arguments.markdown)
    return status


if __name__ == "__main__":
    sys.exit(main())
