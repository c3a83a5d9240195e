// SPDX-License-Identifier: BSD-2-Clause
#include "snapshot_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h> /* rename */
#include <string.h>
#include <unistd.h>

#include "block_out.h"
#include "config.h"
#include "modules.h"
#include "os.h"
#include "recorder.h"
#include "wire.h"

/* In front of a block's records. */
#define RECORDS_AT   64u
#define MAX_NUMBER   10000u
#define ADDRESS_STEP 16u
/* Blocks from that size on have no weight. */
#define HUGE_BYTES 0xffffffffull

struct out {
	int fd;
	int err; /* the first */
	uint8_t *buffer;
	uint32_t used; /* by records */
	uint64_t time_ns;
	uint64_t nr_blocks; /* that were written: each has an address of its own */
};

static void write_bytes(struct out *out, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len && !out->err) {
		ssize_t done = write(out->fd, at, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			out->err = done ? -errno : -ENOSPC;
			return;
		}
		at += done;
		len -= (size_t)done;
	}
}

static void flush(struct out *out)
{
	if (!out->used)
		return;
	block_out__seal(out->buffer + RECORDS_AT, out->used);
	write_bytes(out, out->buffer + RECORDS_AT - BLOCK_OUT_HEAD, BLOCK_OUT_HEAD + out->used);
	out->used = 0;
}

/* Zeroed, with its head. */
static void *put(struct out *out, uint16_t type, uint32_t size, uint32_t pid)
{
	struct wire_head *head;

	if (size > SNAPSHOT_OUT_MEMORY - RECORDS_AT - out->used)
		flush(out);
	head = (void *)(out->buffer + RECORDS_AT + out->used);
	memset(head, 0, size);
	head->type = type;
	head->size = (uint16_t)size;
	head->pid = pid;
	out->used += size;
	return head;
}

static void put_modules(struct out *out)
{
	uint32_t at = 0, taken;

	do {
		flush(out);
		taken = modules__take(&at, out->buffer + RECORDS_AT,
				      SNAPSHOT_OUT_MEMORY - RECORDS_AT);
		out->used = taken;
	} while (taken);
}

static void put_blocks(struct out *out, uint32_t stack, uint16_t func, uint32_t nr, uint64_t bytes)
{
	struct wire_alloc *record;

	if (!nr)
		return;
	record = put(out, WIRE_ALLOC, sizeof(*record), recorder.pid);
	record->time_ns = out->time_ns;
	record->addr = ++out->nr_blocks * ADDRESS_STEP;
	record->bytes = bytes;
	record->tid = recorder.pid;
	record->stack = stack;
	record->func = func;
	record->weight = nr;
}

/* Two sizes that are one apart, or equal, have any sum. */
static void put_sum(struct out *out, uint32_t stack, const struct live_sum *sum)
{
	uint32_t rest;
	uint64_t each = os__divide(sum->bytes, sum->blocks, &rest);

	if (each < HUGE_BYTES - 1) {
		put_blocks(out, stack, sum->func, sum->blocks - rest, each);
		put_blocks(out, stack, sum->func, rest, each + 1);
		return;
	}
	for (uint32_t i = 0; i < sum->blocks; i++)
		put_blocks(out, stack, sum->func, 1, each + (i < rest));
}

static void put_stack(struct out *out, const struct stacks *stacks, const struct stack_entry *entry)
{
	uint32_t size = (uint32_t)sizeof(struct wire_stack) + entry->nr_frames * 8u;
	struct wire_stack *record = put(out, WIRE_STACK, size, recorder.pid);

	record->time_ns = out->time_ns;
	record->id = entry->id;
	record->nr_frames = entry->nr_frames;
	record->flags = entry->flags;
	stack_entry__frames(entry, stacks, record->frames);
}

static void put_end(struct out *out, uint32_t pid)
{
	struct wire_end *record = put(out, WIRE_END, sizeof(*record), pid);

	record->time_ns = out->time_ns;
	record->reason = WIRE_END_STOPPED;
}

static void put_all(struct out *out, const struct stacks *stacks, const struct live_sum *sums,
		    uint32_t nr_sums, uint64_t nr_lost, bool all_stacks)
{
	struct wire_lost *lost;

	out->used = target_out__write(out->buffer + RECORDS_AT, SNAPSHOT_OUT_MEMORY - RECORDS_AT,
				      recorder.pid, WIRE_TARGET_LAUNCHED | WIRE_TARGET_SNAPSHOT, 0);
	put_modules(out);
	for (uint32_t i = 0; i < stacks->nr_slots; i++) {
		const struct stack_entry *entry = stacks__in_slot(stacks, i);

		if (!entry || entry->id >= nr_sums || !(all_stacks || sums[entry->id].blocks))
			continue;
		put_stack(out, stacks, entry);
		if (sums[entry->id].blocks)
			put_sum(out, entry->id, &sums[entry->id]);
	}
	if (sums[0].blocks)
		put_sum(out, 0, &sums[0]);
	if (nr_lost) {
		lost = put(out, WIRE_LOST, sizeof(*lost), recorder.pid);
		lost->time_ns = out->time_ns;
		lost->events = nr_lost;
	}
	put_end(out, recorder.pid);
	put_end(out, 0);
	flush(out);
}

/* PATH, PATH.1, PATH.2 ...: the first that is not there, which then is, and empty. */
static int reserve(char *name, const char *path)
{
	size_t len = strlen(path);
	int fd;

	memcpy(name, path, len + 1);
	for (uint32_t number = 0; number <= MAX_NUMBER; number++) {
		if (number) {
			name[len] = '.';
			os__decimal(name + len + 1, number);
		}
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0)
			return close(fd), 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/* Under another name until all of it is there. */
int snapshot_out__write(const char *path, const struct stacks *stacks, const struct live_sum *sums,
			uint32_t nr_sums, uint64_t nr_lost, bool all_stacks, void *buffer)
{
	/* One snapshot is written at a time, perhaps on a small stack. */
	static char name[CONFIG_MAX_PATH + 32], temporary[CONFIG_MAX_PATH + 32];
	struct out out = { .buffer = buffer, .time_ns = os__monotonic_ns() };
	size_t len = strlen(path);

	memcpy(temporary, path, len);
	memcpy(temporary + len, ".new.", 5);
	os__decimal(temporary + len + 5, recorder.pid);
	unlink(temporary);
	out.fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out.fd < 0)
		return -errno;
	header_out__write(out.buffer, out.time_ns, os__realtime_ns());
	write_bytes(&out, out.buffer, HEADER_OUT_BYTES);
	put_all(&out, stacks, sums, nr_sums, nr_lost, all_stacks);
	if (close(out.fd) && !out.err)
		out.err = -errno;
	if (!out.err)
		out.err = reserve(name, path);
	if (!out.err && rename(temporary, name))
		out.err = -errno;
	if (out.err)
		unlink(temporary);
	return out.err;
}
