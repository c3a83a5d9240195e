/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Workloads that know what they do keep a tally of it and print it at the end as one line of JSON
 * with the names of heaptap's summary. Nothing here allocates.
 */
#ifndef TALLY_H
#define TALLY_H

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct tally {
	unsigned long long allocations, frees, failed, unknown_frees;
	unsigned long long allocated_bytes, live_bytes, live_blocks, peak_bytes;
} tally;

static inline void tally_allocated(size_t bytes)
{
	tally.allocations++;
	tally.allocated_bytes += bytes;
	tally.live_blocks++;
	tally.live_bytes += bytes;
	if (tally.live_bytes > tally.peak_bytes)
		tally.peak_bytes = tally.live_bytes;
}

static inline void tally_freed(size_t bytes)
{
	tally.frees++;
	tally.live_blocks--;
	tally.live_bytes -= bytes;
}

/* A successful realloc of a live block. */
static inline void tally_resized(size_t from, size_t to)
{
	tally_freed(from);
	tally_allocated(to);
}

static inline void tally_failed(void)
{
	tally.failed++;
}

static inline void tally_print(void)
{
	char line[512];
	int length;

	length = snprintf(line, sizeof(line),
			  "{\"allocations\": %llu, \"frees\": %llu, \"failed_allocations\": %llu, "
			  "\"unknown_frees\": %llu, \"allocated_bytes\": %llu, "
			  "\"peak_bytes\": %llu, \"leaked_blocks\": %llu, \"leaked_bytes\": %llu, "
			  "\"lost_events\": 0}\n",
			  tally.allocations, tally.frees, tally.failed, tally.unknown_frees,
			  tally.allocated_bytes, tally.peak_bytes, tally.live_blocks,
			  tally.live_bytes);
	if (write(STDOUT_FILENO, line, length) != length)
		_exit(99);
}

/* What must hold for the tally to be true. Says where it did not, and ends the program. */
#define MUST(condition)                                                              \
	do {                                                                         \
		if (!(condition)) {                                                  \
			static const char text[] = __FILE__ ": not: " #condition "\n"; \
			(void)!write(STDERR_FILENO, text, sizeof(text) - 1);         \
			_exit(99);                                                   \
		}                                                                    \
	} while (0)

#endif /* TALLY_H */
