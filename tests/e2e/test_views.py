#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Views of a heap: from files, pipes and living processes; moments, and what is left out."""
import datetime
import functools
import json
import os

import rows
from htap import (attached, build, check, has, heaptap, interrupt, leaks, main, same, steps, temp,
                  test)


@functools.cache
def recording():
    """Of phases.c, whose phases last 0.4 s or more."""
    path = temp(".htap")
    heaptap("record", "-o", path, "--", build("phases")).expect(0)
    return path


def view(name, *arguments, **options):
    """What a view says as JSON; of several processes, all."""
    done = heaptap(name, "--json", *arguments, **options).expect(0)
    report = json.loads(done.stdout)
    same((report["view"], report["lost_events"]), (name, 0), "head")
    return report


@functools.cache
def moments():
    """Moments of the recording, in seconds after its beginning: before keep, before surge, when most is
    live, when that is freed, and when the peak was reached."""
    path = temp(".csv")
    heaptap("export", "-f", "csv", "-o", path, recording()).expect(0)
    began = datetime.datetime.fromisoformat(view("sites", recording())["began"].replace("Z", "+00:00"))
    last = {}
    for event in rows.read(path):
        if event["event"] == "alloc" and any(f.get("f") == "allocate" for f in event["stack"][:1]):
            last[event["size"]] = event["time_ns"] / 1e9 - began.timestamp()
    churn, keep, surge, more = (last[size] for size in (1000, 24, 100000, 7))
    # Phases may last longer than 0.4 s, and not less.
    return {"keep": (churn + keep) / 2, "surge": (keep + surge) / 2, "most": surge + 0.2,
            "less": more - 0.2, "peak": surge}


def at(name):
    return f"{moments()[name]:.6f}"


def sites(report, process=0):
    """{functions, innermost first, up to main: {cost: (bytes, blocks)}}"""
    result = {}
    for site in report["processes"][process]["sites"]:
        names = [frame["function"] for frame in site["frames"]]
        names = tuple(names[:names.index("main")] if "main" in names else names[:2])
        result[names] = {key: (site[key]["bytes"], site[key]["blocks"])
                         for key in ("live", "peak", "allocated", "temporary", "freed")}
    return result


def rules(text):
    path = temp(".supp")
    with open(path, "w") as file:
        file.write(text)
    return path


CHURN = ("allocate", "churn")
KEEP = ("allocate", "keep")
SURGE = ("allocate", "surge")
MORE = ("allocate", "keep_more")


@test("sites and peak: every cost of every call site")
def _():
    nothing = (0, 0)
    want = {
        CHURN: {"allocated": (100000, 100), "freed": (100000, 100), "temporary": (100000, 100),
                "live": nothing, "peak": nothing},
        KEEP: {"allocated": (240, 10), "freed": nothing, "temporary": nothing, "live": (240, 10),
               "peak": (240, 10)},
        SURGE: {"allocated": (1000000, 10), "freed": (1000000, 10), "temporary": (100000, 1),
                "live": nothing, "peak": (1000000, 10)},
        MORE: {"allocated": (35, 5), "freed": nothing, "temporary": nothing, "live": (35, 5),
               "peak": nothing},
    }
    got = sites(view("sites", recording()))
    same({key: got.get(key) for key in want}, want, "sites")
    peak = view("peak", recording())
    got = sites(peak)
    same({key: got.get(key) for key in (KEEP, SURGE)}, {key: want[key] for key in (KEEP, SURGE)},
         "peak")
    check(CHURN not in got and MORE not in got, f"not part of the peak: {list(got)}")
    check(abs(peak["processes"][0]["peak_after_seconds"] - moments()["peak"]) < 0.002, "time of the peak")
    summary = leaks(recording()).summary
    total = peak["processes"][0]["sum"]
    same((total["allocated"]["blocks"], total["allocated"]["bytes"], total["freed"]["blocks"],
          total["live"]["bytes"]),
         (summary["allocations"], summary["allocated_bytes"], summary["frees"],
          summary["leaked_bytes"]), "sums against leaks")


@test("--at: the heap of a moment, by seconds and by time of day")
def _():
    def live(*arguments):
        report = leaks(*arguments, recording())
        return {kind: report.total_from("allocate")[kind] for kind in (0, 1)}, report
    same(live("--at", at("surge"))[0], {0: 10, 1: 240}, "after the second phase began")
    same(live("--at", at("most"))[0], {0: 20, 1: 1000240}, "at the peak")
    same(live("--at", at("less"))[0], {0: 10, 1: 240}, "after it")
    same(live("--at", "1h")[0], {0: 15, 1: 275}, "after the end")
    began = view("sites", recording())["began"]
    moment = datetime.datetime.fromisoformat(began.replace("Z", "+00:00"))
    text = (moment + datetime.timedelta(seconds=moments()["most"])).isoformat(timespec="milliseconds")
    same(live("--at", text)[0], {0: 20, 1: 1000240}, text)
    peak = sites(view("peak", "--at", at("surge"), recording()))
    same({key: peak[key]["peak"] for key in peak}, {CHURN: (1000, 1)}, "the peak until then")


@test("--between: what was allocated then and still lives; --thread, --min-size, --max-size")
def _():
    report = leaks("--between", at("keep"), at("surge"), recording())
    same(report.total_from("allocate"), (10, 240), "second phase")
    report = leaks("--between", at("surge"), "1h", recording())
    same(report.total_from("allocate"), (5, 35), "from the third phase on")
    report = leaks("--between", at("surge"), "1h", "--at", at("most"), recording())
    same(report.total_from("allocate"), (10, 1000000), "of it, what lived at 1.0")
    report = leaks("--max-size", "7", recording())
    same(report.total_from("allocate"), (5, 35), "small blocks")
    got = sites(view("sites", "--min-size", "1000", "--max-size", "1000", recording()))
    same([key for key in got if key[0] == "allocate"], [CHURN], "blocks of 1000 bytes")
    pid = leaks(recording()).json["target"]["pid"]
    report = leaks("--thread", str(pid), recording())
    same(report.total_from("allocate"), (10, 240), "the main thread's")
    done = heaptap("leaks", "--between", "1", recording()).expect(2)
    has(done.stderr, "not '.*htap'", "stderr")


@test("a pipe, a living process and a command give the same views as a file")
def _():
    with open(recording(), "rb") as file:
        data = file.read()
    same(view("sites", "-", data=data), view("sites", recording()), "from a pipe")
    got = sites(json.loads(heaptap("sites", "--json", "--", build("phases")).expect(0).stdout))
    same(got[SURGE]["allocated"], (1000000, 10), "a command")
    with steps() as target:
        with attached(target.pid, "--json", subcommand="sites") as process:
            target("keep", 3, 500)
            target("churn", 100, 10)
            done = interrupt(process).expect(0)
    report = json.loads(done.stdout)
    totals = report["processes"][0]["sum"]
    same((totals["allocated"], totals["freed"]),
         ({"bytes": 1500 + 1000, "blocks": 103}, {"bytes": 1000, "blocks": 100}), "attached")


@test("export folded: the lines add up to what is live, or to the cost that is asked for")
def _():
    for cost, key in (("live", "live"), ("peak", "peak"), ("total", "allocated"),
                      ("temporary", "temporary")):
        done = heaptap("export", "-f", "folded", "--cost", cost, recording()).expect(0)
        lines = [line.rsplit(" ", 1) for line in done.stdout.splitlines()]
        want = view("sites", recording())["processes"][0]["sum"][key]["bytes"]
        same(sum(int(number) for _, number in lines), want, cost)
        check(all(";main" in stack or ";start_thread" in stack or "_dl" in stack
                  for stack, _ in lines), f"{cost}: outermost frames first: {done.stdout}")


@test("an output that cannot be written leaves what was there")
def _():
    path = temp(".txt")
    with open(path, "w") as file:
        file.write("before")
    done = heaptap("sites", "-o", path, "/no/such/file").expect(1)
    with open(path) as file:
        same(file.read(), "before", f"after {done}")
    heaptap("sites", "-o", path, recording()).expect(0)
    with open(path) as file:
        has(file.read(), "^Figures", "the report")
    same([name for name in os.listdir(os.path.dirname(path)) if "heaptap-" in name], [], "leftovers")


@test("--function in views of events: what was chosen, and nothing else; in files only")
def _():
    chosen = ["--function", "^churn$|^keep_more$"]
    threads = view("threads", *chosen, recording())["processes"][0]["sum"]
    same((threads["allocated"]["blocks"], threads["allocated"]["bytes"]), (105, 100035), "threads")
    rows = heaptap("export", "-f", "csv", *chosen, recording()).expect(0).stdout.splitlines()
    same(sum(",alloc," in row for row in rows), 105, "rows of allocations")
    same(sum(",free," in row for row in rows), 100, "rows of frees")
    sizes = view("sizes", "--suppressions", rules("leak:churn\n"), "--thread",
                 str(leaks(recording()).json["target"]["pid"]), recording())
    check(not any(size["from_bytes"] <= 1000 <= size["to_bytes"]
                  for size in sizes["processes"][0]["sizes"]), f"{sizes}")
    with open(recording(), "rb") as file:
        done = heaptap("threads", *chosen, "-", data=file.read()).expect(1)
    has(done.stderr, "only in the file", "stderr")


@test("--process: one of several, in every view; a child has what it inherited")
def _():
    path = temp(".htap")
    heaptap("record", "-o", path, "--", build("fork")).expect(0)
    pids = sorted({p["target"]["pid"] for p in view("sites", path)["processes"]})
    check(len(pids) > 1, f"only {pids}")
    for pid in pids:
        for name in ("sites", "peak", "tree", "timeline", "sizes", "threads", "misuse"):
            whole = [p for p in view(name, path)["processes"] if p["target"]["pid"] == pid]
            same(view(name, "--process", pid, path)["processes"], whole, f"{name} of {pid}")
    done = heaptap("sites", "--process", "1", path).expect(1)
    has(done.stderr, "no process 1", "stderr")


@test("unknown views and formats: a sentence, and status 2")
def _():
    for arguments in (["report", "--view", "nonsense"], ["export", "-f", "nonsense"], ["export"]):
        done = heaptap(*arguments, recording()).expect(2)
        has(done.stderr, "heaptap help", "stderr")


if __name__ == "__main__":
    main()
