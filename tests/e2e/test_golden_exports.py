#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Exports of the golden recordings, whose story tests/golden/README.md tells."""
import json
import os
import re

from formats import Annotated, Profile, validate
from htap import ROOT, Skip, check, heaptap, main, same, temp, test

GOLDEN = os.path.join(ROOT, "tests", "golden")
# The story in figures: what stays, what there was in all, what the leak is.
LIVE, ALLOCATED, LEAK = (193845, 197), (5390700182, 1870), (184920, 181)


def golden(name):
    path = os.path.join(GOLDEN, name)
    if not os.path.exists(path):
        raise Skip(f"there is no {path}")
    return path


def expected(name):
    with open(os.path.join(GOLDEN, "expected", name), encoding="utf-8") as file:
        return file.read()


def export(name, *arguments):
    path = temp()
    heaptap("export", "-o", path, *arguments, golden(name), env={**os.environ, "TZ": "UTC"}).expect(0)
    return path


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


@test("folded")
def _():
    text = text_of(export("le64.htap", "-f", "folded"))
    same(text, expected("gateway.folded"), "one process")
    same(sum(int(line.rpartition(" ")[2]) for line in text.splitlines()), LIVE[0], "sum")
    same(text_of(export("processes.htap", "-f", "folded")), expected("processes.folded"),
         "several processes")


@test("callgrind, samples and slices")
def _():
    path = export("le64.htap", "-f", "callgrind", "--sample-interval-secs", "30",
                  "--time-slice-interval-secs", "60")
    same(re.sub(r"(?m)^creator: .*\n", "", text_of(path)), expected("gateway.callgrind"), "file")
    same(text_of(path + ".samples"), expected("gateway.samples"), "samples")
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


@test("pprof")
def _():
    with open(export("le64.htap", "-f", "pprof"), "rb") as file:
        profile = Profile(file.read())
    same(profile.sum(), {"alloc_objects": ALLOCATED[1], "alloc_space": ALLOCATED[0],
                         "inuse_objects": LIVE[1], "inuse_space": LIVE[0]}, "sums")
    same(profile.inclusive("serve", "inuse_space"), LEAK[0], "the leak")
    same(profile.inclusive("load_file", "alloc_space"), 20 * (1 << 20) + 5 * (1 << 30) + 1,
         "the peak")
    check("Lost events: 7" in profile.comments(), profile.comments())
    with open(export("processes.htap", "-f", "pprof"), "rb") as file:
        profile = Profile(file.read())
    same({profile.labels(s)["pid"] for s in profile.samples}, {5000, 5001, 5002, 5003}, "pids")


@test("JSON")
def _():
    for name in ("le64.htap", "processes.htap"):
        validate(json.loads(text_of(export(name, "-f", "json"))))
    data = json.loads(text_of(export("le64.htap", "-f", "json")))
    process, = data["processes"]
    same((process["sum"]["live"]["bytes"], process["sum"]["live"]["blocks"]), LIVE, "live")
    same((process["sum"]["allocated"]["bytes"], process["sum"]["allocated"]["blocks"]), ALLOCATED,
         "allocated")
    # Three of 48 to 112 bytes a second, and the second of two.
    parse, = [e for e in process["entries"]
              if e["frames"] and e["frames"][0]["function"] == "json_string"]
    same(parse["temporary"]["blocks"], 4 * 180, "temporaries")
    same([f["inlined"] for f in parse["frames"][:3]], [True, True, False], "inlined")
    same(data["lost_events"], 7, "lost")
    same([m["build_id"] for m in data["modules"]],
         [bytes(range(1, 21)).hex(), bytes(range(101, 117)).hex(), None], "build-ids")


@test("the same from other machines")
def _():
    for name in ("le32.htap",):
        same(text_of(export(name, "-f", "folded")), expected("gateway.folded"), name)
        text = re.sub(r"(?m)^creator: .*\n", "", text_of(export(name, "-f", "callgrind")))
        if "32" in name:
            text = text.replace(" /lib/", " /usr/lib/x86_64-linux-gnu/").replace("/sbin/", "/bin/")
        same(text, expected("gateway.callgrind"), name)


if __name__ == "__main__":
    main(watching=False)
