#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A million allocations, of which a sample is recorded: do reports estimate the whole?"""
import collections
import json
import random

import sampled
from htap import check, heaptap, main, same, test

NR = 1000000
SITES = 24
PERIODS = (8192, 65536, 1 << 19)
# Of fewer records nothing can be said: one by chance is many sigmas.
MIN_RECORDS = 10
COSTS = ("allocated", "freed", "live")
UNITS = ("bytes", "blocks")


def sizes_of(site):
    """What a site asks for: one size, a few, or many; some larger than a period."""
    low = 16 << site % 8
    if site % 3 == 0:
        return [low]
    if site % 3 == 1:
        return [low, low + 8, 3 * low]
    return list(range(low, 2 * low, 1 + low // 64)) + [200 * low] * (site % 2)


class Story:
    """What really happens, and a recording of it with each of the periods."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.counts = {cost: collections.Counter() for cost in COSTS}  # of (site, size)
        self.recordings = [(sampled.Recording([f"site_{n}" for n in range(SITES)], period), {},
                            set()) for period in PERIODS]
        for (_, chances, _), period in zip(self.recordings, PERIODS):
            chances.update((size, sampled.probability(size, period))
                           for site in range(SITES) for size in sizes_of(site))

    def alloc(self, number, site, size):
        self.counts["allocated"][site, size] += 1
        # One draw for all of them: each recording is a fair sample by itself, and what is not in
        # that of a shorter period is not in the next.
        draw = self.chance.random()
        for recording, chances, recorded in self.recordings:
            if draw >= chances[size]:
                break
            recording.now = sampled.START + number * 1000
            recording.alloc(number * 0x10000 + 0x10000, size, site + 1,
                            sampled.weight(chances[size], self.chance))
            recorded.add(number)

    def free(self, number, site, size):
        self.counts["freed"][site, size] += 1
        for recording, _, recorded in self.recordings:
            if number not in recorded:
                break
            recorded.remove(number)
            recording.free(number * 0x10000 + 0x10000)

    def tell(self):
        """All of it. The paths of the recordings."""
        sizes = [sizes_of(site) for site in range(SITES)]
        live = []
        for number in range(NR):
            site = int(self.chance.random() ** 2 * SITES)
            size = sizes[site][int(self.chance.random() * len(sizes[site]))]
            self.alloc(number, site, size)
            live.append((number, site, size))
            if self.chance.random() < 0.97:
                at = int(self.chance.random() * len(live))
                live[at], live[-1] = live[-1], live[at]
                self.free(*live.pop())
        self.counts["live"] = self.counts["allocated"] - self.counts["freed"]
        return [recording.close() for recording, _, _ in self.recordings]


def truth_of(counts, period):
    """{(site, cost, unit): (truth, variance of its estimate, records to be expected of it)}"""
    sums = collections.defaultdict(lambda: (0, 0.0, 0.0))
    for cost in COSTS:
        for (site, size), nr in counts[cost].items():
            probability = sampled.probability(size, period)
            variance = nr * sampled.variance(probability)
            for unit, each in (("bytes", size), ("blocks", 1)):
                for place in (site, "all"):
                    sum_, whole, records = sums[place, cost, unit]
                    sums[place, cost, unit] = (sum_ + nr * each, whole + variance * each * each,
                                               records + nr * probability)
    return sums


def reported(path, view):
    return json.loads(heaptap("report", "--view", view, "--json", path).expect(0).stdout)


def estimates(path):
    """{(site, cost, unit): estimate}; those of which nothing was recorded are not in it."""
    process, = reported(path, "sites")["processes"]
    found = {("all", cost, unit): process["sum"][cost][unit] for cost in COSTS for unit in UNITS}
    for site in process["sites"]:
        number = int(site["frames"][0]["function"].removeprefix("site_"))
        found.update({(number, cost, unit): site[cost][unit] for cost in COSTS for unit in UNITS})
    return found


def deviations(truth, found):
    """(how many sigmas an estimate is off, what it is of, sigma as a part of the truth)"""
    for place, (sum_, variance, records) in truth.items():
        off = abs(found.get(place, 0) - sum_)
        if variance and records < MIN_RECORDS:
            continue
        if variance:
            yield off / variance ** 0.5, place, variance ** 0.5 / sum_
        else:
            same(off, 0, f"{place}, of which everything was recorded")


@test("estimates by site are within 4 sigma of the truth, at each period")
def _():
    story = Story(1)
    for period, path in zip(PERIODS, story.tell()):
        truth = truth_of(story.counts, period)
        found = list(deviations(truth, estimates(path)))
        check(len(found) >= 50, f"only {len(found)} are estimates at {period}")
        worst = max(found)
        check(worst[0] <= 4, f"{worst[0]:.1f} sigma off at {period}: {worst[1]}")
        # Nor is that sigma too large: by chance, half of them are closer than 0.67.
        near = sum(off < 0.67 for off, _, _ in found) / len(found)
        check(0.3 < near < 0.7, f"{near:.0%} of the estimates at {period} are within 0.67 sigma")
        best = min(part for _, _, part in found)
        check(best < (period / 1e8) ** 0.5, f"no estimate is any good at {period}: {best:.1%}")
        summary = reported(path, "leaks")
        same(summary["target"]["sample_bytes"], period, "sample_bytes")
        for unit in UNITS:
            sum_, variance, _ = truth["all", "live", unit]
            off = abs(summary["summary"]["leaked_" + unit] - sum_)
            check(off <= 4 * variance ** 0.5, f"{unit} live in all are off by {off} at {period}")


main(watching=False)
