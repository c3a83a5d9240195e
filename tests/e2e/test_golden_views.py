#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Views by call site of the golden recordings, text and JSON: against texts that are the same for
all four layouts, against the story, and against what Python counts (tests/golden/htap_heap.py)."""
import collections
import json
import os
import re

from golden import (ALLOCATED, FOUR, FREED, LEAK, LIVE, LOST, NR_TEMPORARY, PEAK_BYTES, SECOND,
                    START, all_as_expected, as_expected, counted, golden, json_text, plain,
                    process_of, regions, said, told)
from htap import check, main, same, test
from htap_heap import Frame, amount

NOTHING = (0, 0)


def pair(member):
    """(bytes, blocks) of a member of JSON."""
    return member["bytes"], member["blocks"]


def site(entry):
    """What an entry of JSON is about, as Recording.site has it."""
    frames = tuple(Frame(*(frame[name] for name in Frame._fields)) for frame in entry["frames"])
    return entry["family"], entry["cut"], frames


def by_site(entries, what):
    """{site: amount} of entries of JSON."""
    return {site(entry): what(entry) for entry in entries}


def grouped(recording, blocks):
    """{site: [block]}"""
    groups = collections.defaultdict(list)
    for block in blocks:
        groups[recording.site(block)].append(block)
    return groups


def amounts(recording, blocks):
    """{site: amount}"""
    return {key: amount(group) for key, group in grouped(recording, blocks).items()}


def story():
    """(the recording, its process) of the golden story as Python counts them."""
    recording = counted("le64")
    return recording, recording.processes[0]


def from_function(entries, function):
    """(bytes, blocks) in which a function is the innermost."""
    mine = [pair(e) for e in entries if e["frames"] and e["frames"][0]["function"] == function]
    return sum(m[0] for m in mine), sum(m[1] for m in mine)


# ---- the expected texts ---------------------------------------------------------------------

TEXTS = {
    "leaks.txt": ["leaks"],
    "leaks-at-100.txt": ["leaks", "--at", "100"],
    "leaks-between.txt": ["leaks", "--between", "60", "120"],
    "sites.txt": ["sites"],
    "peak.txt": ["peak"],
    "tree.txt": ["tree"],
    "tree-inverted.txt": ["tree", "--inverted"],
    "tree-cjdns.txt": ["tree", "--format", "cjdns"],
    "orphans.txt": ["orphans", "--age", "20", "--interval", "10"],
    "leaks.json": ["leaks", "--json"],
    "sites.json": ["sites", "--json"],
    "peak.json": ["peak", "--json"],
    "tree.json": ["tree", "--json"],
    "orphans.json": ["orphans", "--json", "--age", "20", "--interval", "10"],
}


@test("all four give the expected texts and JSON")
def _():
    for name, command in TEXTS.items():
        all_as_expected(name, *command)


@test("diff: all four against a later recording of the rebuilt program")
def _():
    for form in ([], ["--json"]):
        name = "diff.json" if form else "diff.txt"
        for recording, width in FOUR.items():
            text = said("diff", *form, golden(recording), golden("later"))
            same_form = json_text if form else plain
            as_expected(name, same_form(text, width), f"{recording}, diff")
    as_expected("diff-back.txt", plain(said("diff", golden("later"), golden("le64"))), "le64, back")


@test("several processes: the expected texts")
def _():
    for view in ("leaks", "tree"):
        text = plain(said(view, golden("processes")))
        as_expected(f"processes-{view}.txt", text, f"le64, {view}")


# ---- against the story and Python -----------------------------------------------------------


@test("the story's figures, by Python and by each view")
def _():
    recording, process = story()
    same((amount(process.blocks), amount(process.live.values())), (ALLOCATED, LIVE),
         "Python's sums")
    same((process.peak_bytes, (process.peak_ns - START) * 10 // SECOND), (PEAK_BYTES, 901),
         "the peak")
    same((recording.nr_lost, sum(b.temporary for b in process.blocks)), (LOST, NR_TEMPORARY),
         "lost and temporary")
    leaks = told("leaks", "le64")
    same([leaks["summary"][key] for key in ("leaked_bytes", "leaked_blocks", "peak_bytes")],
         [*LIVE, PEAK_BYTES], "leaks")
    # One more block of it has a stack that is cut.
    same(from_function(leaks["leaks"], "session_open"), (LEAK[0] + 20, LEAK[1] + 1), "the leak")
    for view in ("sites", "peak"):
        total = process_of(view, "le64")["sum"]
        same([pair(total[key]) for key in ("live", "allocated", "freed")], [LIVE, ALLOCATED, FREED],
             view)
        same((total["peak"]["bytes"], total["temporary"]["blocks"]), (PEAK_BYTES, NR_TEMPORARY),
             view)
    tree = process_of("tree", "le64")["tree"]
    same((pair(tree), pair(process_of("tree", "le64", "--inverted")["tree"])), (LIVE, LIVE), "tree")


@test("leaks: each site and its ages, now and at any moment, as Python counts them")
def _():
    recording, process = story()
    end_ns = process.ended_ns
    for leak in told("leaks", "le64")["leaks"]:
        born = [b.born_ns for b in grouped(recording, process.live.values())[site(leak)]]
        same((leak["oldest_ns"], leak["newest_ns"]), (end_ns - min(born), end_ns - max(born)),
             "ages")
    for name, seconds in (("le64", 0.0015), ("be64", 60), ("le32", 90.5), ("be32", 90.9),
                          ("le64", 120.15), ("be32", 150.1), ("le32", 200)):
        until = START + int(seconds * SECOND)
        got = by_site(told("leaks", name, "--at", str(seconds))["leaks"], pair)
        want = amounts(recording, [b for b in process.blocks if b.lives_at(until)])
        same(same_modules(got), want, f"{name} at {seconds}")


def same_modules(entries):
    """Sites of any layout under the paths of 64 bits."""
    paths_of_64 = [module["path"].decode() for module in counted("le64").modules]
    common = {os.path.basename(path): path for path in paths_of_64}
    return {(family, cut, tuple(f._replace(module=common[os.path.basename(f.module)])
                                for f in frames)): value
            for (family, cut, frames), value in entries.items()}


@test("leaks --between: what was allocated then and lives, or lived at a moment")
def _():
    recording, process = story()
    for since, until, at in ((60, 120, None), (0, 0.5, None), (60, 61, 90), (85, 95, 90.5),
                             (170, 190, 180.5)):
        more = [] if at is None else ["--at", str(at)]
        got = told("leaks", "le64", "--between", str(since), str(until), *more)["leaks"]
        bounds = [START + int(t * SECOND) for t in (since, until, 1000 if at is None else at)]
        want = [b for b in process.blocks if bounds[0] <= b.born_ns < bounds[1] and
                b.lives_at(bounds[2])]
        same(by_site(got, pair), amounts(recording, want), f"{since} to {until}, at {at}")


def costs(process, group):
    """The costs of a site's blocks, as JSON has them."""
    freed = [b for b in group if b.end]
    lived = [b.died_ns - b.born_ns for b in group if b.end == "freed"]
    return {"live": amount([b for b in group if not b.end]),
            "peak": amount([b for b in group if b.lives_at(process.peak_ns)]),
            "allocated": amount(group), "freed": amount(freed),
            "temporary": amount([b for b in group if b.temporary]),
            "mean_lifetime_ns": sum(lived) // len(lived) if lived else None}


def told_costs(entry):
    """Likewise, of an entry of JSON."""
    return {name: entry[name] if name == "mean_lifetime_ns" else pair(entry[name])
            for name in ("live", "peak", "allocated", "freed", "temporary", "mean_lifetime_ns")}


@test("sites and peak: all costs of every site as Python counts them")
def _():
    recording, process = story()
    want = {key: costs(process, group)
            for key, group in grouped(recording, process.blocks).items()}
    for name in FOUR:
        got = process_of("sites", name)
        same(same_modules(by_site(got["sites"], told_costs)), want, f"sites of {name}")
        same(told_costs(got["sum"]), costs(process, process.blocks), f"sum of {name}")
    got = process_of("peak", "le64")
    same(by_site(got["sites"], told_costs),
         {key: cost for key, cost in want.items() if cost["peak"] != NOTHING}, "peak")
    order = [entry["peak"]["bytes"] for entry in got["sites"]]
    same(order, sorted(order, reverse=True), "its order")


@test("sites of several processes as Python counts them, inherited blocks among them")
def _():
    recording = counted("processes")
    got = told("sites", "processes")["processes"]
    same([p["target"]["pid"] for p in got], [p.pid for p in recording.processes], "processes")
    for report, process in zip(got, recording.processes):
        want = {key: costs(process, group)
                for key, group in grouped(recording, process.blocks).items()}
        same(by_site(report["sites"], told_costs), want, f"process {process.pid}")
        same(round(report["peak_after_seconds"] * SECOND), process.peak_ns - START,
             f"time of the peak of {process.pid}")


@test("--at of several processes: those that had begun, as Python counts what they had")
def _():
    for seconds, pids in ((0.9, [5000]), (1.5, [5000, 5001]), (3.0005, [5000, 5001, 5002]),
                          (4.5, [5000, 5001, 5002]), (5.5, [5000, 5001, 5002, 5003]),
                          (6.5, [5000, 5001, 5002, 5003, 5001])):
        until = START + int(seconds * SECOND)
        got = told("sites", "processes", "--at", str(seconds))["processes"]
        same([p["target"]["pid"] for p in got], pids, f"processes at {seconds}")
        for report, process in zip(got, counted("processes").processes):
            # What is left when it ends stays.
            want = [b for b in process.blocks if b.lives_at(min(until, process.ended_ns))]
            same(pair(report["sum"]["live"]), amount(want), f"{process.pid} at {seconds}")
    # A vfork'ed child is its parent's image until it execs.
    text = said("leaks", "--at", "3.0005", golden("processes"))
    check("Process 5002: shell -c ./job; ./crash (forked by 5000)" in text, text)


def outermost_first(recording, block):
    """The path of a block in the tree."""
    path = tuple(reversed(recording.frames(block.stack)))
    return (("cut",) if recording.stacks[block.stack].cut else ()) + path


def paths(node, above=()):
    """{path: (all of it, its own)} of a tree of JSON."""
    found = {above: (pair(node), pair(node["own"]))}
    for child in node["children"]:
        step = Frame(*(child[name] for name in Frame._fields)) if "function" in child else "cut"
        check(above + (step,) not in found, f"twice below the same: {step}")
        found.update(paths(child, above + (step,)))
    return found


@test("tree: every node has what Python finds below it, both ways round")
def _():
    recording, process = story()
    for options in ([], ["--inverted"]):
        want = collections.defaultdict(lambda: (NOTHING, NOTHING))
        for block in process.live.values():
            path = outermost_first(recording, block)
            path = tuple(reversed(path)) if options else path
            for depth in range(len(path) + 1):
                whole, own = want[path[:depth]]
                one = (block.size, 1)
                want[path[:depth]] = (
                    (whole[0] + one[0], whole[1] + 1),
                    (own[0] + one[0], own[1] + 1) if depth == len(path) else own)
        same(paths(process_of("tree", "le64", *options)["tree"]), dict(want), f"tree {options}")


@test("tree --format cjdns: every live block, at its address, below the call that Python says")
def _():
    for name in FOUR:
        recording = counted(name)
        process = recording.processes[0]
        want = collections.Counter()
        for block in process.live.values():
            frames = recording.frames(block.stack)
            where = f"{os.path.basename(frames[0].file)}:{frames[0].line}" \
                if frames and frames[0].file else "UNKNOWN:0"
            # No file in C has such a name; the pipeline of cjdns's users would not read it.
            where = re.sub(r"[^\w.:]|[^\x00-\x7f]", "_", where)
            want[where, block.size, block.addr] += 1
        text = said("tree", "--format", "cjdns", golden(name))
        got = collections.Counter((place, int(size), int(address, 16)) for place, size, address in
                                  re.findall(r"(\S+:\d+) \[(\d+)\] bytes at \[(0x\w+)\]", text))
        same(dict(got), dict(want), f"blocks of {name}")
        own = sum(int(size) for size in re.findall(r"\S+:\d+ \[(\d+)\] bytes\n", text))
        same(own, LIVE[0], f"bytes of all places of {name}")
        check(f"totalBytes [{LIVE[0]}] remaining [0]" in text, "the limit")
        check(all(address >= regions(FOUR[name])[-1][0] for _, _, address in got), "addresses")


def retracted(process, age_ns, interval_ns):
    """Blocks that were freed after a look at which they were of age."""
    gone = []
    for block in process.blocks:
        looks = max(-(-(block.born_ns + age_ns - START) // interval_ns), 1)
        if block.end and START + looks * interval_ns <= block.died_ns:
            gone.append(block)
    return gone


@test("orphans: old, young and freed after all, at any age, as Python counts them")
def _():
    recording, process = story()
    end_ns = process.ended_ns
    for name, age, interval in (("le64", 60, 60), ("be64", 20, 10), ("le32", 5, 1), ("be32", 29, 7),
                                ("le64", 400, 400)):
        report = process_of("orphans", name, "--age", str(age), "--interval", str(interval))
        live = process.live.values()
        old = [b for b in live if end_ns - b.born_ns >= age * SECOND]
        same(pair(report["old"]), amount(old), f"old, {name}, {age} s")
        same(pair(report["young"]), amount([b for b in live if b not in old]), f"young, {age} s")
        same(pair(report["retracted"]),
             amount(retracted(process, age * SECOND, interval * SECOND)),
             f"freed after all, {name}, {age} s every {interval} s")
        same(same_modules(by_site(report["orphans"], pair)), amounts(recording, live), "sites")
        # The process is over: nobody will free them.
        same({entry["orphan"] for entry in report["orphans"]}, {True}, "all are orphans")


def by_names(recording, blocks):
    """{functions, innermost first: amount}: what stays the same when a program is rebuilt."""
    groups = collections.defaultdict(list)
    for block in blocks:
        groups[tuple(frame.function for frame in recording.frames(block.stack))].append(block)
    return {key: amount(group) for key, group in groups.items()}


@test("diff against Python: what grew first, what is new, what is gone; the other way round")
def _():
    live = {name: by_names(counted(name), counted(name).processes[0].live.values())
            for name in ("le64", "later")}
    same(live["later"][("session_open", "serve", "main", "__libc_start_main", "_start")],
         (204800, 200), "the leak of the later one")
    for before, after in (("le64", "later"), ("later", "le64")):
        report = json.loads(said("diff", "--json", golden(before), golden(after)))
        process, = report["processes"]
        got, order = {}, []
        for entry in process["sites"]:
            names = tuple(frame["function"] for frame in entry["frames"])
            old = got.get(names, (NOTHING, NOTHING))
            got[names] = tuple((pair(entry[side])[0] + was[0], pair(entry[side])[1] + was[1])
                               for side, was in zip(("before", "after"), old))
            order.append(entry["bytes"])
        want = {names: (live[before].get(names, NOTHING), live[after].get(names, NOTHING))
                for names in {**live[before], **live[after]}
                if live[before].get(names) != live[after].get(names)}
        same(got, want, f"{before} to {after}")
        same(order, sorted(order, reverse=True), "order")


if __name__ == "__main__":
    main(watching=False)
