// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/memory_watch.h"

#include <errno.h>
#include <inttypes.h>

#include "base/log.h"
#include "base/util.h"
#include "wire.h"

/* Of records, between two looks: what is kept of one takes a few times its size at most. */
#define BYTES_PER_LOOK (4u << 20)

struct memory_watch memory_watch__new(uint64_t limit_bytes)
{
	uint64_t machine_bytes = limit_bytes ? 0 : memory__machine_bytes();

	if (!limit_bytes)
		limit_bytes = machine_bytes ? machine_bytes / 4 * 3 : UINT64_MAX;
	return (struct memory_watch){ .limit_bytes = limit_bytes };
}

int memory_watch__check(struct memory_watch *watch, const struct wire_head *record)
{
	watch->unseen_bytes += record->size;
	/* A fork has a copy of all that its parent has. */
	if (watch->unseen_bytes < BYTES_PER_LOOK && record->type != WIRE_FORK)
		return 0;
	watch->unseen_bytes = 0;
	return memory__resident_bytes() > watch->limit_bytes ? -ENOMEM : 0;
}

void memory_watch__say(const struct memory_watch *watch, const char *file)
{
	log_err("%s describes a heap that takes more memory to follow than the %" PRIu64
		" MiB allowed; the rest of it is not read. --memory-limit allows more.",
		file, watch->limit_bytes >> 20);
}
