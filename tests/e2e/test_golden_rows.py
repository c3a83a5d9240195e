#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rows of the golden recordings, whose story tests/golden/README.md tells: every row against
Python's (tests/golden/htap_heap.py), those of what happens once against texts, too."""
import collections
import csv
import io
import json
import os
import re
import sqlite3

import rows
from golden import (ALLOCATED, ENV, FOUR, GOLDEN, LIVE, SECOND, START, WALL, as_expected, counted,
                    exported, golden, place, same_folders, text_of)
from htap import check, has, heaptap, main, same, temp, test

# The story in figures.
KINDS = {"alloc": 1870, "failed": 3, "free": 1672, "unknown_free": 2, "replaced": 1, "end": 1}
LEFT = (LIVE[1], LIVE[0])
# What happens every second is told once: rows of these times, in seconds, are in expected files;
# likewise of what stays.
ONCE = ((0, 1.00003), (10.00003, 10.003), (60.00005, 60.1), (90.10003, 90.2), (110.1, 111),
        (120.1, 121), (130.1, 131), (140.1, 141), (150.1, 151), (181.00005, 182))
STAYING = ((0, 2.5), (60.00005, 61), (130.1, 131), (140.1, 141), (150.1, 151), (179.5, 181))


def written(*arguments):
    path = temp(".csv")
    heaptap(*arguments, "-o", path, env=ENV).expect(0)
    return path


def sums(events):
    return len(events), sum(e["size"] for e in events)


def paired(path):
    """What `heaptap pair` leaves, as a file."""
    left = temp(".csv")
    heaptap("pair", "-i", path, "-o", left).expect(0)
    return left


# ---- rows as Python expects them ------------------------------------------------------------


def events_of(recording):
    """All events in their order."""
    return sorted((event for process in recording.processes for event in process.events),
                  key=lambda event: event.time_ns)


def own_frame(frame):
    """A frame as heaptap's CSV has it."""
    named = {"f": frame.function, "s": frame.file, "l": frame.line, "m": frame.module}
    return {**{key: value for key, value in named.items() if value is not None}, "o": frame.offset,
            **({"i": True} if frame.inlined else {})}


def own_row(recording, event):
    """An event as a row of heaptap's CSV, read by Python."""
    program, build_id = recording.modules[0]["path"], recording.modules[0]["build_id"]
    function, family = recording.functions.get(event.func, ("", ""))
    time_ns = WALL + event.time_ns - START
    return {"time_ns": time_ns, "time_ms": time_ns // 10**6, "pid": event.pid, "tid": event.tid,
            "comm": os.path.basename(program).decode(), "build_id": build_id.hex(),
            "event": event.kind, "function": function, "family": family, "address": event.addr,
            "address_hex": hex(event.addr), "size": event.size, "old_address": event.old_addr,
            "old_size": event.old_size,
            "stack_cut": int(recording.stacks[event.stack].cut) if event.stack else 0,
            "stack": [own_frame(f) for f in recording.frames(event.stack)] if event.stack else []}


def malloc_trace_frame(frame):
    """A frame as malloc-trace had it: a name always, a line where there is one."""
    name = frame.function or f"{os.path.basename(frame.module)}+{frame.offset:#x}"
    return {"f": name, **({"s": frame.file, "l": frame.line} if frame.file and frame.line else {})}


def malloc_trace_row(recording, event):
    """Likewise, as malloc-trace wrote it; None: it wrote no such row."""
    if event.kind in ("failed", "exec", "end", "fork"):
        return None
    name = recording.functions[event.func][0]
    if event.kind == "alloc":
        name = name if name in ("calloc", "realloc") else "malloc"
    else:
        name = "freerealloc" if name == "realloc" else "free"
    frames = recording.frames(event.stack) if event.stack else ()
    return {"function": name, "tid": event.tid, "address": event.addr,
            "size": event.size if event.kind == "alloc" else 0,
            "ms": (WALL + event.time_ns - START) // 10**6,
            "stack": [malloc_trace_frame(frame) for frame in frames][:15]}


def same_rows(got, want, what):
    for number, (row, wanted) in enumerate(zip(got, want), 1):
        same(row, wanted, f"{what}, row {number}")
    same(len(got), len(want), f"{what}: rows")


@test("csv: every field of every row, in all layouts, and of several processes")
def _():
    for name in (*FOUR, "processes", "later"):
        recording = counted(name)
        got = rows.own(text_of(exported(name, "-f", "csv")), calls_only=False)
        same_rows(got, [own_row(recording, event) for event in events_of(recording)], name)
        if name in FOUR:
            same(dict(collections.Counter(e["event"] for e in got)), KINDS, f"events of {name}")
            same(sums([e for e in got if e["event"] == "alloc"]), (ALLOCATED[1], ALLOCATED[0]),
                 f"allocations of {name}")


@test("malloc-trace: every field of every row, in all layouts")
def _():
    for name in (*FOUR, "processes"):
        recording = counted(name)
        got = rows.malloc_trace(text_of(exported(name, "-f", "malloc-trace")))
        want = [malloc_trace_row(recording, event) for event in events_of(recording)]
        same_rows(got, [row for row in want if row], name)


@test("names that are hostile, not UTF-8 or missing, and stacks that are cut or empty")
def _():
    events = rows.read(exported("le64", "-f", "csv"))
    names = {e["size"]: e["stack"] for e in events if e["event"] == "alloc" and
             e["time_ns"] // SECOND == WALL // SECOND + 130}
    same(names[100][0]["f"], 'evil\x1b[31m;"name"\nLeak sum=1 \'x\' <b>&amp;', "a hostile name")
    same(names[50][1]["f"], "größe_ändern", "a name in UTF-8")
    check("\ufffd" in names[50][0]["f"], "a name that is not UTF-8")
    same((names[10], names[5]), ([], []), "empty stacks")
    same({e["stack_cut"] for e in events if e["size"] == 20}, {1}, "a stack that is cut")


def staying(recording):
    """The allocations of what stays."""
    live = {(block.addr, block.born_ns) for block in recording.processes[0].live.values()}
    return [event for event in events_of(recording)
            if event.kind == "alloc" and (event.addr, event.time_ns) in live]


@test("pair leaves what stays, in its order, in all layouts")
def _():
    for name in FOUR:
        recording = counted(name)
        want = staying(recording)
        for form, read, row in (("csv", rows.own, own_row),
                                ("malloc-trace", rows.malloc_trace, malloc_trace_row)):
            left = read(text_of(paired(exported(name, "-f", form))))
            same_rows(left, [row(recording, event) for event in want], f"{form} of {name}")
            same(sums(left), LEFT, f"what stays, {form} of {name}")


# ---- expected texts -------------------------------------------------------------------------


def once(text, events, times, width):
    """Of rows of these events, heaptap's first line and those of these times (in seconds), without
    what differs between the four."""
    lines = same_folders(text, width).splitlines(keepends=True)
    kept = [lines.pop(0)] if lines[0].startswith("time_ns,") else []
    same(len(lines), len(events), "lines")
    for line, event in zip(lines, events):
        if any(first <= (event.time_ns - START) / SECOND < last for first, last in times):
            for address in filter(None, (event.addr, event.old_addr)):
                either = rf"(?<=[,;])({address}|{address:#x})(?=[,;])"
                line = re.sub(either, place(address, width), line)
            kept.append(line)
    return "".join(kept)


@test("csv, malloc-trace and pair: the expected rows of what happens once")
def _():
    for name, width in FOUR.items():
        recording = counted(name)
        for form in ("csv", "malloc-trace"):
            events = [event for event in events_of(recording)
                      if form == "csv" or malloc_trace_row(recording, event)]
            path = exported(name, "-f", form)
            as_expected(f"gateway.{form}", once(text_of(path), events, ONCE, width), name)
            as_expected(f"gateway-paired.{form}",
                        once(text_of(paired(path)), staying(recording), STAYING, width), name)
    recording = counted("processes")
    text = text_of(exported("processes", "-f", "csv"))
    as_expected("processes.csv", once(text, events_of(recording), [(0, 100)], 8), "le64")


@test("sql: the expected tables of the three dialects")
def _():
    for dialect in ("sqlite", "mysql", "postgresql"):
        for name in FOUR:
            # The name of the file of rows is the recording's.
            done = heaptap("export", "-f", "sql", "--dialect", dialect, f"{name}.htap", cwd=GOLDEN)
            text = done.expect(0).stdout
            same(text.count(f"{name}.csv"), 1, "names of the file")
            as_expected(f"{dialect}.sql", text.replace(f"{name}.csv", "NAME.csv"), f"{name}, sql")


@test("sql: a database with that table finds the story's figures in the rows")
def _():
    sql = heaptap("export", "-f", "sql", golden("be32")).expect(0).stdout
    base = sqlite3.connect(":memory:")
    base.executescript(re.sub(r"(?m)^\.import.*\n", "", sql))
    got = list(csv.reader(io.StringIO(text_of(exported("be32", "-f", "csv")), newline="")))[1:]
    base.executemany(f"INSERT INTO heaptap_events VALUES ({','.join('?' * 16)})", got)
    query = "SELECT sum(size), count(*) FROM heaptap_events WHERE event = ?"
    same(base.execute(query, ("alloc",)).fetchone(), ALLOCATED, "allocated")
    left = "(SELECT sum(size) FROM heaptap_events WHERE event IN ('free', 'replaced'))"
    same(base.execute(f"SELECT sum(size) - {left} FROM heaptap_events WHERE event = 'alloc'")
         .fetchone()[0], LIVE[0], "live")
    base.close()


def orphans_of(events, age_ns, interval_ns):
    """What rows of events say that rows of orphans must be: how many of each."""
    live, want = {}, collections.Counter()

    def has_been_told(block, died_ns):
        # The first look at which it was of age.
        looks = -(-(block["time_ns"] + age_ns - WALL) // interval_ns)
        return WALL + max(looks, 1) * interval_ns <= died_ns

    for event in events:
        if event["event"] in ("free", "replaced"):
            block = live.pop(event["address"])
            if has_been_told(block, event["time_ns"]):
                want["alloc", block["time_ns"], block["address"]] += 1
                want[event["event"], event["time_ns"], event["address"]] += 1
        elif event["event"] == "alloc":
            live[event["address"]] = event
        elif event["event"] == "unknown_free":
            want["unknown_free", event["time_ns"], event["address"]] += 1
    for block in live.values():
        want["alloc", block["time_ns"], block["address"]] += 1
    return want


@test("orphans: rows at each look as the rows of all events say they must be")
def _():
    events = rows.read(written("export", golden("le64"), "-f", "csv"))
    for age, interval in ((10, 5), (60, 60), (1, 0.5), (29, 7), (400, 400)):
        path = written("orphans", golden("le64"), "--format", "csv", "--age", str(age),
                       "--interval", str(interval))
        got = collections.Counter((e["event"], e["time_ns"], e["address"])
                                  for e in rows.read(path))
        same(dict(got), dict(orphans_of(events, age * 10**9, int(interval * 10**9))),
             f"--age {age} --interval {interval}")
        same(sums(rows.pair(path)), LEFT, "pairs")


def leaked():
    """{pid: bytes} of the processes."""
    done = heaptap("leaks", "--json", golden("processes")).expect(0)
    want = collections.Counter()
    for process in json.loads(done.stdout)["processes"]:
        want[process["target"]["pid"]] += process["summary"]["leaked_bytes"]
    return dict(want)


def left_of(path):
    """Likewise, as pair leaves them."""
    left = collections.Counter()
    for event in rows.pair(path):
        left[event["pid"]] += event["size"]
    return dict(left)


@test("pair: what children have inherited is theirs, from a file or a pipe; agrees with leaks")
def _():
    path = exported("processes", "-f", "csv")
    same(left_of(path), leaked(), "what is left")
    piped = heaptap("pair", "-i", "-", "-o", "-", data=text_of(path).encode()).expect(0)
    same(piped.stdout, text_of(paired(path)), "through a pipe")
    has(piped.stderr, r"14 of 41 rows are left.*\n.*by forks, and not freed 29 of them", "stderr")
    own = rows.own(piped.stdout)
    keys = [(event["time_ns"], event["address"]) for event in own]
    same(keys, sorted(keys), "the order")
    # Everything but the pid is as it was.
    times = [event["time_ns"] for event in own]
    most = max(times, key=times.count)
    several = [event for event in own if event["time_ns"] == most]
    check(len(several) > 2 and len({event["pid"] for event in several}) > 2, f"{several}")
    same([{**event, "pid": 0} for event in several], [{**several[0], "pid": 0}] * len(several),
         "one block of several")


@test("orphans: several processes, a pid that comes again; pair agrees with leaks")
def _():
    for options in (("--age", "1.5", "--interval", "0.5"), ("--resolve",), ()):
        path = written("orphans", golden("processes"), "--format", "csv", *options)
        same(left_of(path), leaked(), f"what is left, {options}")


@test("orphans: the report")
def _():
    done = heaptap("orphans", "--json", golden("le64")).expect(0)
    process, = json.loads(done.stdout)["processes"]
    same(process["old"]["blocks"] + process["young"]["blocks"], LEFT[0], "blocks")
    same(process["old"]["bytes"] + process["young"]["bytes"], LEFT[1], "bytes")
    # A session a second from 1 s on, until the end at 181 s, and one of 600 bytes.
    leak = max(process["orphans"], key=lambda entry: entry["blocks"])
    same((leak["blocks"], leak["bytes"], leak["orphan"]), (181, 180 * 1024 + 600, True), "the leak")
    same((leak["oldest_ns"] // 10**9, leak["newest_ns"] // 10**9), (180, 1), "its age")
    same(process["unknown_frees"], KINDS["unknown_free"], "frees of unknown addresses")


if __name__ == "__main__":
    main(watching=False)
