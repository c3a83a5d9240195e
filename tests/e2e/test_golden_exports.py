#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Exports of the golden recordings, whose story tests/golden/README.md tells: against texts that
are the same for all four layouts, against the story, and against what Python counts."""
import collections
import gzip
import json
import os
import re

from formats import Annotated, Profile, bare, validate
from golden import (ALLOCATED, FOUR, LEAK, LIVE, LOST, START, as_expected, counted, exported,
                    json_text, place, plain, same_folders, text_of)
from htap import ROOT, check, main, run, same, test
from htap_heap import amount

MESSAGE = r"(?m)^(\w+) \{\n((?:  .*\n)*)\}\n"


def without_creator(path):
    return re.sub(r"(?m)^creator: .*\n", "", text_of(path))


def folded_sum(text):
    return sum(int(line.rpartition(" ")[2]) for line in text.splitlines())


@test("folded")
def _():
    for name in FOUR:
        text = text_of(exported(name, "-f", "folded"))
        as_expected("gateway.folded", text, name)
        same(folded_sum(text), LIVE[0], "sum")
    as_expected("processes.folded", text_of(exported("processes", "-f", "folded")), "le64")


@test("folded, every cost: as Python counts them")
def _():
    process = counted("le64").processes[0]
    for cost, blocks in (("peak", [b for b in process.blocks if b.lives_at(process.peak_ns)]),
                         ("total", process.blocks),
                         ("temporary", [b for b in process.blocks if b.temporary])):
        text = text_of(exported("le64", "-f", "folded", "--cost", cost))
        same(folded_sum(text), amount(blocks)[0], cost)


@test("callgrind, samples and slices")
def _():
    for name, width in FOUR.items():
        path = exported(name, "-f", "callgrind", "--sample-interval-secs", "30",
                        "--time-slice-interval-secs", "60")
        as_expected("gateway.callgrind", plain(without_creator(path), width), name)
        as_expected("gateway.samples", text_of(path + ".samples"), name)
    annotated = Annotated(path, "--inclusive=yes")
    same(annotated.total, LIVE, "total")
    same(annotated.functions["serve"], {LEAK}, "the leak")
    # One block of 48 bytes at depth 2, three at depth 6.
    same(annotated.functions["tree_walk"], {(192, 4)}, "the recursion")
    slices = [Annotated(f"{path}_slice_{k}_{60 * k}-{60 * k + 60}").total or (0, 0)
              for k in range(4)]
    same((sum(s[0] for s in slices), sum(s[1] for s in slices)), LIVE, "sum of the slices")
    # A session of 1024 bytes a second, and two blocks of the configuration before the first.
    same(slices[0], (59 * 1024 + 2 * 4096, 59 + 2), "the first minute")


def pprof_text(data, width):
    """A profile as protoc reads it, a line a message."""
    folder = os.path.join(ROOT, "tests", "e2e")
    text = run(["protoc", f"-I{folder}", "--decode=Profile", "pprof.proto"],
               data=gzip.decompress(data)).expect(0).stdout
    text = re.sub(r"\b(address|memory_start|memory_limit): (\d+)",
                  lambda match: f"{match[1]}: {place(int(match[2]), width)}", text)
    text = re.sub(MESSAGE, lambda match: f"{match[1]} {{ {' '.join(match[2].split())} }}\n", text)
    return same_folders(re.sub(r'"heaptap [\d.]+"', '"heaptap VERSION"', text), width)


def pprof_of(name):
    with open(exported(name, "-f", "pprof"), "rb") as file:
        return file.read()


@test("pprof")
def _():
    for name, width in FOUR.items():
        data = pprof_of(name)
        as_expected("gateway.pprof", pprof_text(data, width), name)
    profile = Profile(data)
    same(profile.sum(), {"alloc_objects": ALLOCATED[1], "alloc_space": ALLOCATED[0],
                         "inuse_objects": LIVE[1], "inuse_space": LIVE[0]}, "sums")
    same(profile.inclusive("serve", "inuse_space"), LEAK[0], "the leak")
    same(profile.inclusive("load_file", "alloc_space"), 20 * (1 << 20) + 5 * (1 << 30) + 1,
         "the peak")
    check(f"Lost events: {LOST}" in profile.comments(), profile.comments())
    profile = Profile(pprof_of("processes"))
    same({profile.labels(s)["pid"] for s in profile.samples}, {5000, 5001, 5002, 5003}, "pids")


@test("pprof: every sample, and the address of every location, as Python counts them")
def _():
    for name in ("le64", "be32"):
        recording, profile = counted(name), Profile(pprof_of(name))
        process = recording.processes[0]
        bases = [mapping["start"] - mapping["vaddr"] for mapping in process.mappings]
        want = collections.Counter()
        for block in process.blocks:
            site = (tuple(bases[module] + offset
                          for module, offset in recording.stacks[block.stack].frames),
                    tuple(bare(printable(frame.function)) for frame in recording.frames(block.stack)
                          if frame.function), recording.site(block)[0])
            lives = not block.end
            for key, value in enumerate((1, block.size, lives, block.size * lives)):
                want[site, key] += value
        got = collections.Counter()
        for sample in profile.samples:
            addresses = tuple(profile.locations[i]["address"][0] for i in sample["location_id"])
            site = addresses, tuple(profile.names(sample)), profile.labels(sample)["allocator"]
            for key, value in enumerate(sample["value"]):
                got[site, key] += value
        same(dict(got), dict(want), name)


def printable(text):
    """As a terminal may show it."""
    return re.sub("[\0-\x1f\x7f\ufffd]", "?", text) if text else text


@test("JSON")
def _():
    for name, width in FOUR.items():
        text = text_of(exported(name, "-f", "json"))
        validate(json.loads(text))
        as_expected("gateway.json", json_text(text, width), name)
    text = text_of(exported("processes", "-f", "json"))
    validate(json.loads(text))
    as_expected("processes.json", json_text(text), "le64")


@test("JSON against the story and Python")
def _():
    data = json.loads(text_of(exported("le64", "-f", "json")))
    process, = data["processes"]
    same((process["sum"]["live"]["bytes"], process["sum"]["live"]["blocks"]), LIVE, "live")
    same((process["sum"]["allocated"]["bytes"], process["sum"]["allocated"]["blocks"]), ALLOCATED,
         "allocated")
    # Three of 48 to 112 bytes a second, and the second of two.
    parse, = [e for e in process["entries"]
              if e["frames"] and e["frames"][0]["function"] == "json_string"]
    same(parse["temporary"]["blocks"], 4 * 180, "temporaries")
    same([f["inlined"] for f in parse["frames"][:3]], [True, True, False], "inlined")
    same(data["lost_events"], LOST, "lost")
    same([m["build_id"] for m in data["modules"]],
         [bytes(range(1, 21)).hex(), bytes(range(101, 117)).hex(), None], "build-ids")
    events = collections.Counter(event.kind for event in counted("le64").processes[0].events)
    same({key: process["totals"][key] for key in
          ("allocations", "frees", "failed_allocations", "unknown_frees", "replaced_blocks")},
         {"allocations": events["alloc"], "frees": events["free"], "unknown_frees":
          events["unknown_free"], "failed_allocations": events["failed"],
          "replaced_blocks": events["replaced"]}, "totals")


@test("JSON of several processes against Python: totals, peaks, what was inherited")
def _():
    recording = counted("processes")
    data = json.loads(text_of(exported("processes", "-f", "json")))
    same(len(data["processes"]), len(recording.processes), "processes")
    for report, process in zip(data["processes"], recording.processes):
        same([report["totals"][key] for key in ("live_bytes", "live_blocks", "peak_bytes",
                                                "inherited_bytes", "inherited_blocks")],
             [*amount(process.live.values()), process.peak_bytes, *amount(process.inherited)],
             f"totals of {process.pid}")
        same((report["sum"]["allocated"]["bytes"], report["sum"]["allocated"]["blocks"]),
             amount(process.blocks), f"sum of {process.pid}")
    check(all(process.peak_ns > START for process in recording.processes), "times of peaks")


if __name__ == "__main__":
    main(watching=False)
