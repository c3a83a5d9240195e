/* SPDX-License-Identifier: BSD-2-Clause */
/* A moment as people name it: so long after the watching began, or a time of day. */
#ifndef MOMENT_H
#define MOMENT_H

#include <stdbool.h>
#include <stdint.h>

struct moment {
	bool given;
	bool by_wall_clock; /* ns since 1970; else since the watching began */
	uint64_t ns;
};

/* The same moment in two clocks (CLOCK_MONOTONIC and CLOCK_REALTIME), of the recording machine. */
struct anchor {
	uint64_t monotonic_ns, realtime_ns;
};

/* CLOCK_MONOTONIC of a moment, given when the watching began; saturates at both ends. */
uint64_t moment__resolve(const struct moment *moment, uint64_t start_ns,
			 const struct anchor *anchor);
/* ns since 1970 of a time of the records. */
uint64_t anchor__realtime_ns(const struct anchor *anchor, uint64_t time_ns);

/*
 * "90", "1.5", "10m" after the start; "2026-01-31T12:00:00", with a blank for the T, with decimals,
 * with Z or +01:00 behind (else local time). 0 or -EINVAL.
 */
int moment__parse(const char *text, struct moment *moment);

#endif /* MOMENT_H */
