#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The recording format: heaptap against an implementation from docs/format.md alone."""
import collections
import io
import json
import os
import re
import subprocess
import sys

from htap import (HEAPTAP, ROOT, TIMEOUT, attached, build, check, finish, has, heaptap, leaks,
                  main, run, same, started, steps, temp, test, wait_for)

GOLDEN = os.path.join(ROOT, "tests", "golden")
sys.path.insert(0, GOLDEN)
import htap_format  # noqa: E402
import rows  # noqa: E402
import make_golden  # noqa: E402


def recording(*command):
    path = temp(".htap")
    heaptap("record", "-o", path, *command).expect(0)
    return path


def free_places(path):
    """{functions of the stack: frees}, by heaptap."""
    text = heaptap("export", "-f", "csv", path).expect(0).stdout
    return collections.Counter(tuple(frame.get("f") for frame in row["stack"])
                               for row in rows.own(text) if row["event"] == "free")


def churn():
    return recording("--", build("threads"), "churn", "2", "3000")


def rewrite(records, order, address_size, codec, index=True, flush_every=1000):
    """A recording of these records as a path."""
    path = temp(".htap")
    with open(path, "wb") as file:
        writer = htap_format.Writer(file, order, address_size, codec, index=index)
        for number, record in enumerate(records):
            writer.add(record)
            if number % flush_every == flush_every - 1:
                writer.flush()
        writer.close()
    return path


def read(path):
    with open(path, "rb") as file:
        return list(htap_format.read(file))


def totals(records):
    """heaptap's summary, counted by Python."""
    live, moving = {}, {}
    sums = dict.fromkeys(("allocations", "frees", "failed_allocations", "allocated_bytes",
                          "unknown_frees"), 0)
    for record in records:
        key = record.get("tid")
        if record["type"] == "FREE":
            size = live.pop(record["addr"], None)
            if record["flags"] & 1:
                moving[key] = record["addr"], size
            else:
                sums["frees" if size is not None else "unknown_frees"] += 1
        elif record["type"] == "ALLOC":
            addr, size = moving.pop(key, (0, None)) if record["flags"] & 1 else (0, None)
            failed = not record["addr"] and (record["bytes"] or not record["flags"] & 1)
            if failed:
                sums["failed_allocations"] += 1
                if size is not None:
                    live[addr] = size
                continue
            if record["flags"] & 1:
                sums["frees" if size is not None else "unknown_frees"] += 1
            if record["addr"]:
                live[record["addr"]] = record["bytes"]
                sums["allocations"] += 1
                sums["allocated_bytes"] += record["bytes"]
    sums["leaked_blocks"], sums["leaked_bytes"] = len(live), sum(live.values())
    sums["lost_events"] = sum(r["events"] for r in records if r["type"] == "LOST")
    return sums


@test("the golden recordings are what make_golden.py makes, byte for byte")
def _():
    for name in make_golden.RECORDINGS:
        with open(os.path.join(GOLDEN, name), "rb") as file:
            check(file.read() == make_golden.make(name), f"{name} is not what is made now")
        size = os.path.getsize(os.path.join(GOLDEN, name))
        check(size < 100000, f"{name} has {size} bytes")


@test("the golden story: its sums are those README.md tells, in all orders and widths")
def _():
    want = {"allocations": 1870, "frees": 1672, "failed_allocations": 3, "unknown_frees": 2,
            "allocated_bytes": 5390700182, "leaked_blocks": 197, "leaked_bytes": 193845,
            "lost_events": 7}
    texts = set()
    for name in ("le64", "be64", "le32", "be32"):
        path = os.path.join(GOLDEN, name + ".htap")
        same(totals(read(path)), want, f"Python's sums of {name}")
        report = leaks(path)
        same({key: report.summary[key] for key in want}, want, f"heaptap's sums of {name}")
        same(report.summary["peak_bytes"], 5389904065, "peak")
        texts.add(heaptap("leaks", path).expect(0).stdout)
    same(len(texts), 1, "texts of the four")


@test("Python reads what heaptap records: every record, every figure")
def _():
    path = churn()
    with open(path, "rb") as file:
        order = htap_format.read_header(file)["order"]
        codecs = set()
        while got := htap_format.read_block(file, order):
            codecs.add(got[0])
            for data in htap_format.split(got[1], order):
                again = htap_format.encode(htap_format.decode(data, order), order)
                check(again == data, f"{data.hex()} became {again.hex()}")
    check(htap_format.PACKED in codecs, f"codecs: {codecs}")
    records = read(path)
    summary = leaks(path).summary
    want = totals(records)
    check(want["allocations"] > 5000, f"little happens: {want}")
    same({key: summary[key] for key in want}, want, "heaptap against Python")


@test("--free-stacks: both read who frees, whatever the kind of link, the order and the codec")
def _():
    program = build("misuse", "-Wno-mismatched-new-delete", "-Wno-use-after-free",
                    "-Wno-free-nonheap-object", "-Wno-alloc-size-larger-than")
    for kind in ("session", "multi", "perf"):
        path = recording("--free-stacks", "--link", kind, "--", program, "well")
        records = read(path)
        # A realloc says where it was called when it returns.
        frees = [r for r in records if r["type"] == "FREE" and not r["flags"] & 1]
        stacks = {r["id"]: r["frames"] for r in records if r["type"] == "STACK"}
        check(len(frees) >= 20 and all("stack" in r for r in frees), f"{kind}: frees without a stack")
        check(all(len(stacks[r["stack"]]) > 1 for r in frees), f"{kind}: stacks that never came")
        check(len({tuple(stacks[r["stack"]]) for r in frees}) > 5, f"{kind}: all from one place")
        want = free_places(path)
        check(sum(nr for name, nr in want.items() if "waste()" in name) > 8, f"{kind}: {want}")
    for order, codec in (("<", htap_format.PACKED), (">", htap_format.PACKED), (">", htap_format.ZLIB)):
        again = rewrite(records, order, 8, codec)
        same([r for r in read(again) if r["type"] == "FREE" and not r["flags"] & 1], frees, f"frees of {order} {codec}")
        same(free_places(again), want, f"heaptap's rows of {order} {codec}")


@test("heaptap reads what Python writes: either order, either width, all codecs")
def _():
    path = churn()
    records = read(path)
    # Wall-clock times are not of the records: Python's header has another moment.
    want = leaks(path).json["leaks"]
    for order in "<>":
        for width in (4, 8):
            for codec in (htap_format.STORED, htap_format.ZLIB, htap_format.PACKED):
                again = rewrite(records, order, width, codec)
                same(leaks(again).json["leaks"], want, f"leaks of {order} {width} {codec}")
                os.unlink(again)


@test("the index says of each block what is in it, in a file and behind a pipe")
def _():
    path = churn()
    piped = temp(".htap")
    with open(piped, "wb") as file:
        recorder = subprocess.Popen([HEAPTAP, "record", "-o", "-", "--", build("threads"),
                                     "churn", "2", "3000"], stdout=subprocess.PIPE)
        file.write(recorder.stdout.read())
        same(recorder.wait(TIMEOUT), 0, "status of record -o -")
    for name in (path, piped):
        with open(name, "rb") as file:
            footer, index = htap_format.read_index(file)
            file.seek(0)
            found = [(at, records) for at, _, records in htap_format.blocks(file)]
        check(len(index) >= 2, f"only {len(index)} blocks")
        for entry, (at, records) in zip(index, found):
            same(entry, htap_format.describe(records, at), f"INDEX of the block at {at}")
        check(all(r["type"] == "INDEX" for _, records in found[len(index):-1] for r in records),
              "something stands between the index and the footer")
        same(footer["index_offset"], found[len(index)][0], "index_offset")
        same(footer["nr_events"], sum(entry["nr_events"] for entry in index), "nr_events")


def heap_at(path, seconds):
    return heaptap("report", "--json", "--view", "leaks", "--at", str(seconds), path).expect(0)


@test("the heap at a moment: the same with an index and without, in either order")
def _():
    story = os.path.join(GOLDEN, "le64.htap")
    records = read(story)
    for order in "<>":
        with_index = rewrite(records, order, 8, htap_format.PACKED, flush_every=100)
        without = rewrite(records, order, 8, htap_format.PACKED, index=False)
        for seconds in (0.5, 30, 90.5, 180, 500):
            same(heap_at(with_index, seconds).stdout, heap_at(without, seconds).stdout,
                 f"at {seconds} s, order {order}")
        at_30 = json.loads(heap_at(with_index, 30.5).stdout)["leaks"]
        sessions = [l for l in at_30 if l["frames"] and
                    l["frames"][0]["function"] == "session_open"]
        same([l["blocks"] for l in sessions], [30], "sessions after 30 s")


def long_story():
    """So many events that a reader knows the moment before it has read them all."""
    story = make_golden.START
    yield {"type": "TARGET", "pid": 7, "started_ns": 0, "attached_ns": story, "flags": 1,
           "exe": b"/bin/x", "cmdline": b"x"}
    for i in range(150000):
        yield {"type": "ALLOC", "pid": 7, "time_ns": story + i * 1000000, "addr": 4096 + 64 * i,
               "bytes": 10, "tid": 7, "stack": 0, "func": 1, "flags": 0}
    for pid in (7, 0):
        yield {"type": "END", "pid": pid, "time_ns": story + 10**12, "reason": 2, "status": 0}


@test("what comes after the moment is not even read")
def _():
    path = rewrite(long_story(), "<", 8, htap_format.STORED)
    want = json.loads(heap_at(path, 110).stdout)
    with open(path, "rb") as file:
        _, index = htap_format.read_index(file)
    with open(path, "r+b") as file:
        for entry in index[125:-1]:
            file.seek(entry["offset"] + 24)
            file.write(b"damage")
    heaptap("leaks", path).expect(1)
    got = json.loads(heap_at(path, 110).stdout)
    same(got, want, "the heap after 110 s")
    same(got["leaks"][0]["blocks"], 110001, "blocks after 110 s")


@test("record and leaks in one pipe")
def _():
    with started([HEAPTAP, "record", "-o", "-", "--", build("x")],
                 stdin=subprocess.DEVNULL) as recorder:
        reader = subprocess.Popen([HEAPTAP, "leaks", "-"], stdin=recorder.stdout,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        recorder.stdout.close()
        out, err = reader.communicate(timeout=TIMEOUT)
        same(reader.returncode, 0, f"status of leaks -: {err}")
        has(out.decode(), "Leak sum=40960 count=10 avg=4096", "report")
        same(recorder.wait(TIMEOUT), 0, "status of record -o -")


def whole_blocks(path):
    """Events in the blocks that are there, and whether END of the recording is."""
    nr_events, ended = 0, False
    with open(path, "rb") as file:
        try:
            for _, _, records in htap_format.blocks(file):
                nr_events += sum(r["type"] in ("ALLOC", "FREE") for r in records)
                ended |= any(r["type"] == "END" and not r["pid"] for r in records)
        except htap_format.Damaged as damage:
            check("ends in the middle" in str(damage), f"a growing file: {damage}")
    return nr_events, ended


@test("a file that is being written can be read to its last whole block")
def _():
    path = temp(".htap")
    with steps() as target:
        with attached(target.pid, "-o", path, subcommand="record") as watcher:
            target("keep", 2000, 100)

            def grows():
                target("churn", 1000, 10)
                return whole_blocks(path)[0] > 3000
            wait_for(grows, "the first blocks")
            first = whole_blocks(path)
            done = heaptap("leaks", path).expect(1)
            has(done.stdout, r"(?m)^Leak sum=200000 count=2000 avg=100\n", "report")
            has(done.stderr, "has no end record|ends in the middle of a block", "stderr")
            check(not first[1], "it has an end already")
            watcher.terminate()
            finish(watcher).expect(0)
        last = whole_blocks(path)
        check(last[0] > first[0] and last[1], f"it did not grow: {first}, {last}")
        target.end()


@test("the reader on the page works")
def _():
    with open(os.path.join(ROOT, "docs", "format.md"), encoding="utf-8") as page:
        code, = re.findall(r"```python\n(.*?)```", page.read(), re.DOTALL)
    script = temp(".py")
    with open(script, "w", encoding="utf-8") as file:
        file.write(code)
    for path in [churn(), *(os.path.join(GOLDEN, name)
                            for name in ("le64.htap", "be32.htap"))]:
        summary = leaks(path).summary
        done = run([sys.executable, script, path]).expect(0)
        same(done.stdout, f"{summary['leaked_bytes']} bytes in {summary['leaked_blocks']} blocks\n",
             f"what it prints of {path}")


@test("the processes of the golden tree have the blocks README.md tells of")
def _():
    path = os.path.join(GOLDEN, "processes.htap")
    document = json.loads(heaptap("leaks", "--json", path).expect(0).stdout)
    got = [(p["target"]["pid"], p["summary"]["leaked_bytes"], p["summary"]["frees"])
           for p in document["processes"]]
    kept = sum(range(105, 110))
    ten = sum(range(100, 110))
    same(got, [(5000, kept + 128, 6),
               (5001, ten - 303 + 64 + 2000 + 700, 4),
               (5002, 15000, 0),
               (5003, ten + 128, 1),
               (5001, ten - 109 + 128 + 40, 2)], "pid, live bytes and frees")


if __name__ == "__main__":
    main()
