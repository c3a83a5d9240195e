# SPDX-License-Identifier: BSD-2-Clause
"""What tests of samples share: what the workload weighed.cc says it has done, and what a report of its
recording estimates."""
import collections
import json

import sampled
from htap import check, heaptap, same

PERIOD = 16384
COSTS = ("allocated", "live", "freed")
UNITS = ("blocks", "bytes")


def truth(text, times=1):
    """{(site, cost, unit): (sum, variance of its estimate)} of what the workload said."""
    sums = collections.defaultdict(lambda: (0, 0.0))
    for line in text.splitlines():
        site, *numbers = line.split()
        size, allocated, kept = map(int, numbers)
        variance = sampled.variance(sampled.probability(size, PERIOD))
        for cost, nr in zip(COSTS, (allocated, kept, allocated - kept)):
            for unit, each in (("blocks", 1), ("bytes", size)):
                sum_, whole = sums[site, cost, unit]
                sums[site, cost, unit] = (sum_ + times * nr * each,
                                          whole + times * nr * variance * each * each)
    return sums


def estimates(path, period=PERIOD):
    """The same as a report has it, of one process."""
    report = json.loads(heaptap("sites", "--json", path).expect(0).stdout)
    process, = report["processes"]
    same(process["target"]["sample_bytes"], period, "sample_bytes")
    found = collections.Counter()
    for site in process["sites"]:
        name = site["frames"][0]["function"] or ""
        for cost in COSTS:
            for unit in UNITS:
                found[name.partition("(")[0], cost, unit] += site[cost][unit]
    return found


def compare(want, found, sigmas=4):
    for place, (sum_, variance) in want.items():
        off, sigma = abs(found[place] - sum_), variance ** 0.5
        check(off <= sigmas * sigma, f"{place}: {found[place]} instead of {sum_} +/- {sigma:.0f}")
