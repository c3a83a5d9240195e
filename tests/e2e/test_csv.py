#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A row for each event: what other programs make of them, and what is left of them in pairs."""
import collections
import json
import os
import shutil
import sqlite3

import rows
from htap import (HEAPTAP, build, check, has, heaptap, leaks, leaks_tree, main, run, same, scratch, temp,
                  test)

# As the wish for them has it: malloc-trace's own.
SAMPLE = r'''"malloc";1234;94000000001000;64;1700000000000;"[{\"f\":\"main\" , \"s\":\"/x/a.c\" , \"l\":12},{\"f\":\"f(int, char*)\" }]"
"malloc";1234;94000000002000;32;1700000000001;"[{\"f\":\"main\" }]"
"free";1234;94000000001000;0;1700000070000;"[{\"f\":\"main\" }]"
"freerealloc";1234;94000000009000;0;1700000070000;"[{\"f\":\"main\" }]"
'''


def recording_of(*command):
    path = temp(".htap")
    heaptap("record", "-o", path, "--", *command).expect(0)
    return path


def exported(path, form, *options):
    out = temp(".csv")
    heaptap("export", path, "-f", form, "-o", out, *options).expect(0)
    return out


def sums(events, kind):
    chosen = [e for e in events if e["event"] == kind]
    return len(chosen), sum(e["size"] for e in chosen)


@test("csv: every call of every function is a row; sums are those of the report")
def _():
    path = recording_of(build("functions"))
    events = rows.read(exported(path, "csv"))
    summary = leaks(path).summary
    same(sums(events, "alloc"), (summary["allocations"], summary["allocated_bytes"]), "allocated")
    same(sums(events, "free")[0], summary["frees"], "frees")
    same(sums(events, "failed")[0], summary["failed_allocations"], "failures")
    same(summary["allocated_bytes"] - sums(events, "free")[1], summary["leaked_bytes"], "live")
    names = {e["function"] for e in events}
    check({"malloc", "calloc", "realloc", "reallocarray", "posix_memalign", "aligned_alloc",
           "free"} <= names, f"functions: {names}")
    check(all(e["stack"] == [] for e in events if e["event"] == "free"), "frees have no stack")
    innermost = {e["stack"][0]["f"] for e in events if e["event"] == "alloc"}
    check("resizing" in innermost, f"innermost functions: {innermost}")
    same({e["comm"] for e in events}, {"functions"}, "comm")
    build_id = run(["readelf", "-n", build("functions")]).stdout.split("Build ID: ")[1].split()[0]
    same({e["build_id"] for e in events}, {build_id}, "build-ids")


@test("csv: the end of each process is a row")
def _():
    path = recording_of(build("fork"))
    with open(exported(path, "csv")) as file:
        ends = [e["pid"] for e in rows.own(file.read(), calls_only=False) if e["event"] == "end"]
    same(sorted(ends), sorted(leaks_tree(path)), "processes")


@test("csv: a realloc is a free and an allocation that knows what it was")
def _():
    events = rows.read(exported(recording_of(build("functions")), "csv"))
    halves = [e for e in events if e["function"] == "realloc"]
    moved = [e for e in halves if e["event"] == "alloc" and e["old_address"]]
    check(moved, "no realloc of a block")
    for event in moved:
        before = events[events.index(event) - 1]
        same((before["event"], before["function"], before["address"], before["size"]),
             ("free", "realloc", event["old_address"], event["old_size"]), "the half before")


@test("csv: through a pipe, from standard input, from a process: the same rows")
def _():
    path = recording_of(build("functions"))
    with open(exported(path, "csv")) as file:
        want = file.read()
    with open(path, "rb") as file:
        data = file.read()
    same(heaptap("export", path, "-f", "csv").expect(0).stdout, want, "through a pipe")
    same(heaptap("export", "-", "-f", "csv", data=data).expect(0).stdout, want, "from a pipe")
    live = temp(".csv")
    heaptap("export", "-f", "csv", "-o", live, "--", build("functions")).expect(0)
    key = ("event", "function", "size", "old_size")
    same([[e[k] for k in key] for e in rows.read(live)],
         [[e[k] for k in key] for e in rows.own(want)], "live")


@test("csv: filters leave rows out; --depth cuts stacks; --older cannot be")
def _():
    path = recording_of(build("functions"))
    every = rows.read(exported(path, "csv"))
    large = rows.read(exported(path, "csv", "--min-size", "2000"))
    same([e for e in every if e["size"] >= 2000 and e["event"] != "failed"], large, "large ones")
    cut = rows.read(exported(path, "csv", "--depth", "2"))
    same({(len(e["stack"]), e["stack_cut"]) for e in cut if e["event"] == "alloc"}, {(2, 1)},
         "depths")
    done = heaptap("export", path, "-f", "csv", "--older", "1").expect(2)
    has(done.stderr, "no use for --older", "stderr")


@test("malloc-trace: its rows to the letter")
def _():
    path = recording_of(build("functions"))
    out = exported(path, "malloc-trace")
    with open(out) as file:
        text = file.read()
    for line in text.splitlines():
        has(line, r'^"(malloc|calloc|realloc|free|freerealloc)";\d+;\d+;\d+;\d{13};"\['
                  r'(\{\\"f\\":\\"[^"]+\\"( \}| , \\"s\\":\\"[^"]+\\" , \\"l\\":\d+\}),?)*\]"$', "row")
    events = rows.malloc_trace(text)
    summary = leaks(path).summary
    names = collections.Counter(e["function"] for e in events)
    frees = names["free"] + names["freerealloc"]
    same(frees, summary["frees"], "frees")
    same(len(events) - frees, summary["allocations"], "allocations")
    same(sum(e["size"] for e in events), summary["allocated_bytes"], "bytes; 0 for frees")
    check(all(names[n] for n in ("malloc", "calloc", "realloc", "freerealloc")), str(names))
    check(max(len(e["stack"]) for e in events) <= 15, "more than 15 frames")


def with_hostile_name(program):
    """A copy of a program with a function, and a name, that nobody would expect."""
    name = b"leak_in_here_for_ever"
    hostile = b'q"u;o,t\ne\\s\\"\xff\x1b<\xc3\xa9'.ljust(len(name), b"x")
    with open(program, "rb") as file:
        data = file.read()
    check(name in data, "the name is not in the program")
    path = os.path.join(scratch().encode(), b'a"b;c,d\ne\\f\xff')
    with open(path, "wb") as file:
        file.write(data.replace(name, hostile))
    os.chmod(path, 0o755)
    return os.fsdecode(path), hostile.decode(errors="replace")


@test("hostile names: rows stay rows, names come through")
def _():
    program, name = with_hostile_name(build("leak"))
    path = temp(".htap")
    script = temp(".sh")
    with open(script, "wb") as file:
        file.write(b"#!/bin/sh\nexec '" + os.fsencode(program) + b"' 3 0 70\n")
    os.chmod(script, 0o755)
    heaptap("record", "-o", path, "--", script).expect(0)
    for form in ("csv", "malloc-trace"):
        out = exported(path, form)
        ours = [e for e in rows.read(out) if e["size"] == 70 and e.get("event") != "free"]
        same([e["stack"][0]["f"] for e in ours], [name] * 3, form)
        with open(out, "rb") as file:
            data = file.read()
        same([c for c in data if c < 32 and c != 10], [], "control characters")
        same(data.count(b"\n"), len(rows.read(out)) + 2 * (form == "csv"), "a line each")
        left = [e for e in rows.pair(out) if e["size"] == 70]
        same(left, ours, f"{form} after pair")
    same({e["comm"] for e in rows.read(exported(path, "csv")) if e["size"] == 70},
         {'a"b;c,d?e\\f?'}, "comm")


@test("sql: sqlite3 loads the rows, and finds the figures of the report")
def _():
    path = recording_of(build("threads"), "churn", "2", "2000")
    out = path.replace(".htap", ".csv")
    heaptap("export", path, "-f", "csv", "-o", out).expect(0)
    sql = heaptap("export", path, "-f", "sql").expect(0).stdout
    database = temp(".db")
    same(run(["sqlite3", database], data=sql.encode()).expect(0).stderr, "", "sqlite3 says")
    summary = leaks(path).summary
    with sqlite3.connect(database) as base:
        def ask(query):
            return base.execute(query).fetchone()
        same(ask("SELECT count(*), sum(size) FROM heaptap_events WHERE event = 'alloc'"),
             (summary["allocations"], summary["allocated_bytes"]), "allocations")
        same(ask("SELECT count(*) FROM heaptap_events WHERE event = 'free'"),
             (summary["frees"],), "frees")
        same(ask("SELECT count(*) FROM heaptap_events"), (len(rows.read(out)) + 1,), "rows")
        same(ask("SELECT count(*) FROM heaptap_events WHERE json_valid(stack) = 0"), (0,), "JSON")


@test("sql: each dialect has its types and its way to load; names are quoted")
def _():
    for dialect, kind, load in (
            ("mysql", "address BIGINT UNSIGNED", "LOAD DATA LOCAL INFILE 'it\\'s.csv'"),
            ("postgresql", "address NUMERIC(20)", "\\copy heaptap_events FROM 'it''s.csv'"),
            ("sqlite", "address INTEGER", '.import --csv --skip 1 "it\'s.csv"')):
        text = heaptap("export", "it's.htap", "-f", "sql", "--dialect", dialect).expect(0).stdout
        check(kind in text and load in text, f"{dialect}:\n{text}")
    heaptap("export", "x", "-f", "sql", "--dialect", "oracle").expect(2)
    heaptap("export", "a\nb", "-f", "sql").expect(1)


@test("the scripts for malloc-trace's own table: sqlite3 loads the sample and ours")
def _():
    script = os.path.join(os.path.dirname(__file__), "../../scripts",
                          "create_malloc_trace_table.sqlite.sql")
    ours = exported(recording_of(build("functions")), "malloc-trace")
    sample = temp(".csv")
    with open(sample, "w") as file:
        file.write(SAMPLE + r'"malloc";1;2;18446744073709551615;3;"[{\"f\":\"a;b\\\"c\" }]"' + "\n")
    for path in (ours, sample):
        folder = temp()
        os.mkdir(folder)
        shutil.copy(path, os.path.join(folder, "malloc-trace.csv"))
        with open(script) as file:
            same(run(["sqlite3", "x.db"], data=file.read().encode(), cwd=folder).stderr, "", "says")
        with sqlite3.connect(os.path.join(folder, "x.db")) as base:
            got = base.execute("SELECT funct_name, thread_id, address, ms_timestamp, call_stack "
                               "FROM malloc_trace ORDER BY rowid").fetchall()
        want = [(e["function"], e["tid"], e["address"], e["ms"], e["stack"])
                for e in rows.read(path)]
        same([(*row[:4], json.loads(row[4])) for row in got], want, "rows")


@test("rotation: old files are kept, none is too large, no row is lost or torn")
def _():
    path = recording_of(build("threads"), "churn", "2", "500")
    whole = rows.read(exported(path, "csv"))
    out = exported(path, "csv", "--rotate-size", "100K", "--rotate-keep", "1000")
    names = [out]
    while os.path.exists(f"{out}.{len(names)}"):
        names.append(f"{out}.{len(names)}")
    check(len(names) > 5, f"only {len(names)} files")
    for name in names:
        check(os.path.getsize(name) <= 100 << 10, f"{name}: {os.path.getsize(name)} bytes")
    same([e for name in reversed(names) for e in rows.read(name)], whole, "all rows")
    exported_to = exported(path, "csv", "--rotate-size", "0x4000", "--rotate-keep", "2")
    same(sorted(n for n in os.listdir(scratch()) if n.startswith(os.path.basename(exported_to))),
         [os.path.basename(exported_to) + end for end in ("", ".1", ".2")], "files")
    joined = temp(".csv")
    with open(joined, "wb") as file:
        for name in reversed(names):
            with open(name, "rb") as piece:
                file.write(piece.read())
    same(rows.pair(joined), rows.pair(exported(path, "csv")), "pairs of rotated files")


@test("pair leaves what the report says is live, of every process")
def _():
    path = recording_of(build("fork"))
    out = exported(path, "csv")
    left = collections.Counter()
    for event in rows.pair(out):
        left[event["pid"]] += event["size"]
    reports = leaks_tree(path)
    check(len(reports) > 3, f"only {len(reports)} processes")
    for pid, report in reports.items():
        same(left[pid], report.summary["leaked_bytes"], f"process {pid}")
    check(any(report.json.get("inherited", {}).get("blocks") for report in reports.values()),
          "nobody inherits")


@test("pair: malloc-trace's own file; nothing it cannot read again; in place")
def _():
    path = temp(".csv")
    with open(path, "w") as file:
        file.write(SAMPLE)
    done = heaptap("pair", "--in_file", path, "--out_file", path).expect(0)
    has(done.stderr, r"1 of 4 rows are left; frees of what no row allocated: 1;", "stderr")
    same(rows.read(path), [rows.malloc_trace(SAMPLE)[1]], "what is left")
    with open(path) as file:
        same(file.read(), SAMPLE.splitlines(True)[1], "as it was")
    heaptap("pair", "-i", path).expect(2)
    heaptap("pair", "-i", "/no/such", "-o", "-").expect(1)
    has(heaptap("pair", "-h").expect(0).stdout, "--in_file", "help")
    for junk in (b"", b"\0" * 5000, os.urandom(100000), b'"' * 3000000, b";\n" * 10000):
        done = heaptap("pair", "-i", "-", "-o", "-", data=junk).expect(0)
        same(done.stdout.strip("\n"), "", "of junk")


@test("pair and export agree with the report on a program's leaks")
def _():
    path = recording_of(build("functions"))
    summary = leaks(path).summary
    for form in ("csv", "malloc-trace"):
        left = rows.pair(exported(path, form))
        same((len(left), sum(e["size"] for e in left)),
             (summary["leaked_blocks"], summary["leaked_bytes"]), form)


@test("what cannot be written is an error, at once")
def _():
    path = recording_of(build("threads"), "churn", "2", "1000")
    has(heaptap("export", path, "-f", "csv", "-o", "/dev/full").expect(1).stderr, "(?i)no space",
        "stderr")
    heaptap("export", path, "-f", "csv", "-o", "/no/such/folder/x").expect(1)
    link = temp(".csv")
    os.symlink(temp(".csv"), link)
    has(heaptap("export", path, "-f", "csv", "-o", link).expect(1).stderr, "symbolic link",
        "stderr")
    done = run(["sh", "-c", f"{HEAPTAP} export {path} -f csv | head -n 1"])
    has(done.stdout, "^time_ns,", "the first row")


if __name__ == "__main__":
    main()
