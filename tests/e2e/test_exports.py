#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What is written for other tools, read by those tools or by rules of their formats."""
import collections
import functools
import json
import os
import re

from formats import Annotated, Profile, bare, validate
from htap import ROOT, build, check, has, heaptap, leaks, leaks_tree, main, run, same, temp, test

# What exported.cc's functions allocate, callees included: (bytes, blocks) that stay.
INCLUSIVE = {
    "recurse(int)": (400, 4),
    "even(int)": (3030, 6),
    "odd(int)": (2030, 5),
    "shop::Shelf<double>::Shelf(int)": (200, 1),
    "inlined": (7777, 1),
    "outline()": (7777, 1),
    "thread(void*)": (15000, 3),
    "keep(unsigned long)": (400 + 3030 + 7777 + 15000, 4 + 6 + 1 + 3),
}
CHURNED = (2000, 40)
FORKED = 123456


@functools.cache
def recording(*arguments):
    path = temp(".htap")
    heaptap("record", "-o", path, "--", build("exported"), *arguments).expect(0)
    return path


def export(form, *arguments, file=None):
    """The bytes of an export."""
    path = temp()
    heaptap("export", "-f", form, "-o", path, *arguments, file or recording()).expect(0)
    with open(path, "rb") as out:
        return out.read()


# ---- callgrind ------------------------------------------------------------------------------


def callgrind(*arguments, file=None):
    path = temp()
    heaptap("export", "-f", "callgrind", "-o", path, *arguments, file or recording()).expect(0)
    return path


@test("callgrind: totals are heaptap's, inclusive costs those of the program, recursion or not")
def _():
    report = leaks(recording())
    path = callgrind()
    exclusive = Annotated(path)
    # Where the sources are, it shortens their names.
    inclusive = Annotated(path, "--inclusive=yes", cwd=ROOT)
    want = (report.summary["leaked_bytes"], report.summary["leaked_blocks"])
    same(inclusive.total, want, "total of callgrind_annotate")
    with open(path) as file:
        lines = file.read().split("\n")
    for key in ("summary", "totals"):
        same([l for l in lines if l.startswith(key)], [f"{key}: {want[0]} {want[1]}"], key)
    for name, amount in INCLUSIVE.items():
        same(inclusive.functions[bare(name)], {amount}, f"inclusive cost of {name}")
    check(max(inclusive.percents) <= 100, f"more than everything: {inclusive.text}")
    own = [a for amounts in exclusive.functions.values() for a in amounts]
    same(exclusive.functions["keep"], {INCLUSIVE["keep(unsigned long)"]}, "its own cost")
    check(sum(a[0] for a in own) == want[0], f"own costs do not add up: {exclusive.text}")


@test("callgrind: the costs that are asked for, of what is asked for")
def _():
    total = Annotated(callgrind("--cost", "total"), "--inclusive=yes")
    report = leaks(recording())
    same(total.total, (report.summary["allocated_bytes"], report.summary["allocations"]), "total")
    same(total.functions["churn"], {CHURNED}, "churn")
    same(Annotated(callgrind("--cost", "temporary")).total, CHURNED, "temporary")
    peak = Annotated(callgrind("--cost", "peak"))
    same(peak.total[0], report.summary["peak_bytes"], "peak")
    small = Annotated(callgrind("--max-size", "100"), "--inclusive=yes")
    same(small.functions["recurse"], {(400, 4)}, "blocks of at most 100 bytes")
    same(small.functions["even"], {(30, 3)}, "blocks of at most 100 bytes")


@test("callgrind: lines and files are those of the source")
def _():
    source = os.path.join(ROOT, "tests", "workloads", "exported.cc")
    with open(source) as file:
        line = 1 + next(i for i, text in enumerate(file) if "std::malloc" in text)
    with open(callgrind()) as file:
        text = file.read()
    keep = re.search(r"\ncfn=\((\d+)\) keep\(unsigned long\)\ncalls=\d+ (\d+)\n", text)
    check(keep and int(keep[2]) == line, f"keep is not called at {line}")
    has(text, rf"\nfl=\(\d+\)[^\n]*\nfn=\({keep[1]}\)\n{line} {INCLUSIVE['keep(unsigned long)'][0]} ",
        "its own cost at the line of its call")
    has(text, r"\n(cfi|fl)=\(\d+\) \S*exported\.cc\n", "file")


@test("callgrind: a file a process; named as readalloc does; slices and samples beside it")
def _():
    folder = temp()
    os.mkdir(folder)
    reports = leaks_tree(recording("fork"))
    done = heaptap("export", "-f", "callgrind", "--time-slice-interval-secs", "3600",
                   "--sample-interval-secs", "10", recording("fork"), cwd=folder).expect(0)
    want = set()
    for pid, report in reports.items():
        name = f"callgrind.out.exported.{pid}"
        want |= {name, f"{name}_slice_0_0-3600", f"exported.{pid}.samples"}
        total = (report.summary["leaked_bytes"], report.summary["leaked_blocks"])
        same(Annotated(f"{folder}/{name}").total, total, f"total of {pid}")
        same(Annotated(f"{folder}/{name}_slice_0_0-3600").total, total, f"slice of {pid}")
        has(done.stderr, rf"\b{re.escape(name)}\.", "stderr")
        with open(f"{folder}/exported.{pid}.samples") as file:
            rows = file.read().split("\n")
        same(rows[0], "# Runtime\tAlloc Count\tTotal Bytes", "header")
        check(all(re.fullmatch(r"\d+\t\d+\t\d+", row) for row in rows[1:-1]), f"rows: {rows}")
    same(len(reports), 2, "processes")
    same(set(os.listdir(folder)), want, "files")
    for name in want:
        same(os.stat(f"{folder}/{name}").st_mode & 0o777, 0o600, f"mode of {name}")


@test("callgrind: watched alive, and refusals")
def _():
    path = temp()
    heaptap("export", "-f", "callgrind", "-o", path, "--", build("exported")).expect(0)
    same(Annotated(path, "--inclusive=yes").functions["even"], {(3030, 6)}, "even")
    out = heaptap("export", "-f", "callgrind", "-o", "-", recording()).expect(0).stdout
    check(out.startswith("# callgrind format\n"), out[:100])
    for arguments in (["-f", "callgrind", "-o", "-", "--sample-interval-secs", "1"],
                      ["-f", "callgrind", "-o", "/no/such/folder/x"]):
        done = heaptap("export", *arguments, recording()).expect(1)
        check(done.stderr.strip().endswith("."), f"no sentence: {done}")
    for arguments in (["-f", "json", "--time-slice-interval-secs", "1"],
                      ["-f", "callgrind", "--sample-interval-secs", "0"],
                      ["-f", "callgrind", "--sample-interval-secs", "1.5"]):
        heaptap("export", *arguments, recording()).expect(2)


# ---- pprof ----------------------------------------------------------------------------------


@test("pprof: protoc reads it, sums are heaptap's")
def _():
    profile = Profile(export("pprof"))
    summary = leaks(recording()).summary
    same(profile.types, [("alloc_objects", "count"), ("alloc_space", "bytes"),
                         ("inuse_objects", "count"), ("inuse_space", "bytes")], "sample types")
    same(profile.sum(), {"alloc_objects": summary["allocations"],
                         "alloc_space": summary["allocated_bytes"],
                         "inuse_objects": summary["leaked_blocks"],
                         "inuse_space": summary["leaked_bytes"]}, "sums")
    same(profile.text(profile.message["default_sample_type"]), "inuse_space", "default")
    same(profile.strings[0], "", "the first string")
    same(len(profile.strings), len(set(profile.strings)), "strings, each once")
    check("Lost events: 0" in profile.comments(), profile.comments())
    for name, (size, blocks) in INCLUSIVE.items():
        same((profile.inclusive(bare(name), "inuse_space"),
              profile.inclusive(bare(name), "inuse_objects")), (size, blocks), name)
    same(profile.inclusive("churn", "alloc_space"), CHURNED[0], "churn, allocated")
    same(profile.inclusive("churn", "inuse_space"), 0, "churn, in use")


@test("pprof: locations, mappings, functions fit each other and the program")
def _():
    profile = Profile(export("pprof"))
    for location in profile.locations.values():
        mapping = profile.mappings[location["mapping_id"][0]]
        check(mapping["memory_start"][0] < location["address"][0] <= mapping["memory_limit"][0],
              f"{location} is not in {mapping}")
    used = {i for s in profile.samples for i in s["location_id"]}
    same(used, set(profile.locations), "locations that are used")
    main_binary = profile.message["mapping"][0]
    same(os.path.realpath(profile.text(main_binary["filename"])), build("exported"), "first mapping")
    notes = run(["readelf", "-n", build("exported")]).stdout
    same(profile.text(main_binary["build_id"]), re.search(r"Build ID: (\w+)", notes)[1], "build-id")
    for known in ("has_functions", "has_filenames", "has_line_numbers"):
        same(main_binary[known], [True], known)
    inlined = [[bare(profile.text(profile.functions[l["function_id"][0]]["name"]))
                for l in location["line"]] for location in profile.locations.values()]
    check(["inlined", "outline"] in inlined, f"no location of two functions: {inlined}")
    files = {profile.text(f["filename"]) for f in profile.functions.values()}
    check(any(f.endswith("exported.cc") for f in files), f"files: {files}")


@test("pprof: several processes are told apart by labels; the same bytes each time")
def _():
    data = export("pprof", file=recording("fork"))
    same(export("pprof", file=recording("fork")), data, "once more")
    same(data[4:8], bytes(4), "time in the gzip header")
    profile = Profile(data)
    by_pid = collections.Counter()
    for sample in profile.samples:
        labels = profile.labels(sample)
        same(labels["process"], "exported", "label")
        by_pid[labels["pid"]] += sample["value"][3]
    same(dict(by_pid), {pid: report.summary["leaked_bytes"]
                        for pid, report in leaks_tree(recording("fork")).items()}, "bytes")
    check(FORKED in {s["value"][3] for s in profile.samples}, "the child's own block is missing")
    heaptap("export", "-f", "pprof", "--cost", "peak", recording()).expect(1)


@test("pprof: a file of its own name by default")
def _():
    folder = temp()
    os.mkdir(folder)
    done = heaptap("export", "-f", "pprof", recording(), cwd=folder).expect(0)
    name, = os.listdir(folder)
    has(name, r"^exported\.\d+\.pb\.gz$", "name")
    has(done.stderr, re.escape(name), "stderr")


# ---- JSON -----------------------------------------------------------------------------------


@test("JSON: as its schema says; sums are heaptap's; jq reads it")
def _():
    data = json.loads(export("json"))
    validate(data)
    summary = leaks(recording()).summary
    process, = data["processes"]
    totals = process["totals"]
    same((totals["live_bytes"], totals["live_blocks"], totals["allocations"], totals["frees"]),
         (summary["leaked_bytes"], summary["leaked_blocks"], summary["allocations"],
          summary["frees"]), "totals")
    for cost in ("live", "peak", "allocated", "temporary", "freed"):
        for unit in ("bytes", "blocks"):
            same(sum(e[cost][unit] for e in process["entries"]), process["sum"][cost][unit],
                 f"sum of {cost} {unit}")
    churned, = [e for e in process["entries"]
                if len(e["frames"]) > 1 and bare(e["frames"][1]["function"] or "") == "churn"]
    same((churned["allocated"]["bytes"], churned["allocated"]["blocks"], churned["live"]["bytes"]),
         (*CHURNED, 0), "churn")
    modules = {m["path"] for m in data["modules"]}
    check({f["module"] for e in process["entries"] for f in e["frames"] if f["module"]} <= modules,
          "frames have modules that are not listed")
    out = run(["jq", "-r", "[.processes[].entries[].live.bytes] | add"], data=export("json"))
    same(out.stdout, f"{summary['leaked_bytes']}\n", "jq")


@test("JSON: several processes, and what options leave out")
def _():
    data = json.loads(export("json", "--top", "2", file=recording("fork")))
    validate(data)
    parent, child = data["processes"]
    same(child["target"]["parent"], parent["target"]["pid"], "parent")
    check(child["totals"]["inherited_bytes"] > 0, "nothing is inherited")
    for process in (parent, child):
        same(len(process["entries"]), 2, "entries")
        check(process["left_out"] > 0, "nothing is left out")
        check(sum(e["allocated"]["bytes"] for e in process["entries"]) <
              process["sum"]["allocated"]["bytes"], "the sum misses what is left out")


# ---- folded ---------------------------------------------------------------------------------


@test("folded: lines add up, by process where there are several")
def _():
    for arguments in ((), ("fork",)):
        reports = leaks_tree(recording(*arguments))
        sums = collections.Counter()
        for line in export("folded", file=recording(*arguments)).decode().splitlines():
            match = re.fullmatch(r"(?:exported \((\d+)\);)?(.+) (\d+)", line)
            check(match, f"line: {line}")
            sums[int(match[1]) if match[1] else next(iter(reports))] += int(match[3])
        same(dict(sums), {pid: r.summary["leaked_bytes"] for pid, r in reports.items()}, "sums")
    text = export("folded").decode()
    has(text, r"(?m)^_start;.*;main;outline\(\);inlined;keep\(unsigned long\) 7777$", "a stack")


if __name__ == "__main__":
    main()
