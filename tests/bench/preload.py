#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Measures what the preload library costs the programs it is in, beside heaptrack:
preload.py BUILD-DIRECTORY [--markdown] [--rounds N] [--only NAME] [--library NAME=FILE ...]

Each program runs natively, under heaptrack and with the library in turns. "Added" is the CPU time of
all processes of a run less that of the native run of the same round; what is shown are medians.
--library compares further builds of the library with the one in BUILD-DIRECTORY.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

from common import Failed, Table, load
from programs import events_of, make_inputs, programs, run, size_of

PAIRS = 500_000
THREADS, CALLS = 8, 60_000
SAMPLE = "512K"
MOST_OF_HEAPTRACK = 0.8
MOST_SAMPLED = 1.03


def subjects(build, directory):
    """(name, argv, environment, standard input)"""
    asked = f"{directory}/pairs"
    with open(asked, "w", encoding="ascii") as file:
        file.write(f"{PAIRS}\n")
    for depth in (3, 20, 60):
        yield (f"malloc and free, {depth} deep", [f"{build}/bench/pairs-nofp", str(depth)], {}, asked)
    yield (f"churn, {THREADS} threads", [f"{build}/bench/churn", str(THREADS), str(CALLS)], {},
           os.devnull)
    for name, argv, environment in programs(directory):
        if name != "python3":  # which has blocks of its own, and allocates next to nothing
            yield (name, argv, environment, os.devnull)


def preloaded(library, **environment):
    def tool(argv, path):
        return argv, {"LD_PRELOAD": library, "HEAPTAP_FILE": path, **environment}
    return tool


def has_engine(build):
    done = subprocess.run([f"{build}/heaptap", "help", "record"], capture_output=True, text=True)
    return "--engine" in done.stdout


def samples(library):
    done = subprocess.run(["true"], env={**os.environ, "LD_PRELOAD": library, "HEAPTAP_HELP": "1"},
                          capture_output=True, text=True)
    return "HEAPTAP_SAMPLE" in done.stderr


def tools(build, libraries):
    """{name: function that gives argv and environment, of argv and the file to write}"""
    library = f"{build}/libheaptap-preload.so"
    chosen = {"native": lambda argv, _: (argv, {})}
    if shutil.which("heaptrack"):
        chosen["heaptrack"] = lambda argv, path: (["heaptrack", "-r", "-o", path, *argv], {})
    else:
        print("bench: heaptrack is not installed: scripts/setup bench does it", file=sys.stderr)
    chosen["heaptap"] = preloaded(library)
    for word in libraries:
        name, path = word.split("=", 1)
        chosen[name] = preloaded(path)
    if has_engine(build):
        chosen["heaptap record"] = lambda argv, path: (
            [f"{build}/heaptap", "record", "--engine", "preload", "--no-symbols", "-o", path, "--",
             *argv], {})
    if samples(library):
        chosen["sampled"] = preloaded(library, HEAPTAP_SAMPLE=SAMPLE)
    return chosen


def measure_round(build, chosen, subject, counted):
    """{tool: figures}; the events are counted in the first round only."""
    _, argv, environment, stdin = subject
    measured = {}
    for name, command in chosen.items():
        with tempfile.TemporaryDirectory(dir=build) as directory:
            words, added = command(argv, f"{directory}/recording")
            figures = run(words, argv[0], {**environment, **added}, stdin)
            if name != "native":
                path, figures["bytes"] = size_of(directory)
                figures["memory"] = figures["others"] + max(
                    0, figures["target"] - measured["native"]["target"])
            if name == "heaptap" and not counted:
                measured["events"], lost = events_of(build, path)
                if lost:
                    raise Failed(f"{lost} events were lost")
        measured[name] = figures
    return measured


def add_rows(table, name, rounds, chosen):
    """Returns whether the goals are met."""
    def median(value):
        return statistics.median(value(one) for one in rounds)

    def added(one, tool):
        return one[tool]["all"] - one["native"]["all"]

    events, good = rounds[0]["events"], True
    for number, tool in enumerate(list(chosen)[1:]):
        sampled = tool == "sampled"
        share = "-"
        if "heaptrack" in chosen and tool != "heaptrack":
            value = median(lambda one, tool=tool: added(one, tool) / added(one, "heaptrack"))
            share = f"{value:.2f}"
            if not sampled and value > MOST_OF_HEAPTRACK:
                share, good = f"{share}: missed", False
        slower = median(lambda one, tool=tool: one[tool]["all"] / one["native"]["all"])
        ratio = f"{slower:.3f} x" if sampled else f"{slower:.1f} x"
        if sampled and slower > MOST_SAMPLED:
            ratio, good = f"{ratio}: missed", False
        table.rows.append([
            "" if number else name, "" if number else f"{events / 1e3:.0f} k",
            "" if number else f"{median(lambda one: one['native']['all']):.3f} s", tool, ratio,
            f"{median(lambda one, tool=tool: added(one, tool)) / events * 1e9:.0f} ns", share,
            f"{median(lambda one, tool=tool: one[tool]['memory']) / 2**20:.1f} MiB",
            f"{median(lambda one, tool=tool: one[tool]['bytes']) / 2**20:.1f} MiB"])
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="programs whose name contains this")
    parser.add_argument("--library", action="append", default=[], metavar="NAME=FILE")
    arguments = parser.parse_args()
    build, good = os.path.abspath(arguments.build), True
    table = Table(["program", "events", "native", "tool", "CPU time of all", "added, an event",
                   "of what heaptrack adds", "memory of the tool", "on disk"])
    print(f"the preload library beside heaptrack, {arguments.rounds} rounds; goals: at most "
          f"{MOST_OF_HEAPTRACK} of what heaptrack adds, and {MOST_SAMPLED} x native when sampling at "
          f"{SAMPLE}; {load()}", flush=True)
    chosen = tools(build, arguments.library)
    with tempfile.TemporaryDirectory(dir=build) as directory:
        make_inputs(directory)
        for subject in subjects(build, directory):
            if arguments.only not in subject[0]:
                continue
            try:
                if not shutil.which(subject[1][0]):
                    raise Failed(f"{subject[1][0]} is not installed: scripts/setup check does it")
                rounds = [measure_round(build, chosen, subject, number)
                          for number in range(arguments.rounds)]
                good &= add_rows(table, subject[0], rounds, chosen)
            except (Failed, OSError) as error:
                print(f"bench: {subject[0]}: {error}", file=sys.stderr)
                good = False
    table.print(arguments.markdown)
    return not good


if __name__ == "__main__":
    sys.exit(main())
