// SPDX-License-Identifier: BSD-2-Clause
/*
 * recording events|live|tree N FILE: writes a recording of N events that end with a few live blocks,
 * or of N blocks of which all live, or of N events of 60 processes in turn, the first having forked
 * the others. Addresses, sizes and times vary as in a real one, so that it
 * compresses like one; names are baked in, so that reading it looks for no other file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "trace/writer.h"
#include "wire.h"

#define PID	   1000
#define NR_PIDS	   60
#define NR_STACKS  1000
#define NR_FRAMES  12
#define NR_PLACES  2000 /* return addresses */
#define NR_BLOCKS  100000
#define CODE_START 0x400000ull
#define CODE_BYTES 0x100000ull
/* Of alloc_api.h. */
#define MALLOC 1
#define FREE   5

static struct trace_writer *writer;
static int failed;
static uint64_t now_ns = NSEC_PER_SEC;
static uint32_t pid = PID;

static void put(void *record, uint16_t type, size_t size)
{
	struct wire_head *head = record;

	*head = (struct wire_head){ .type = type, .size = (uint16_t)size, .pid = pid };
	if (!failed)
		failed = trace_writer__append(writer, head);
}

static uint64_t place(unsigned i)
{
	return 0x1000 + i * 64ull;
}

static void put_process(void)
{
	static const char exe[] = "/usr/bin/sample";
	char buffer[256] __attribute__((aligned(8))) = "";
	struct wire_target *target = (struct wire_target *)buffer;
	struct wire_module *module = (struct wire_module *)buffer;
	struct wire_mapping mapping = { .time_ns = now_ns,
					.start = CODE_START,
					.end = CODE_START + CODE_BYTES };

	target->attached_ns = now_ns;
	target->exe_len = target->cmdline_len = sizeof(exe) - 1;
	memcpy(buffer + sizeof(*target), exe, sizeof(exe) - 1);
	memcpy(buffer + sizeof(*target) + sizeof(exe) - 1, exe, sizeof(exe) - 1);
	put(target, WIRE_TARGET, WIRE_PAD8(sizeof(*target) + 2 * (sizeof(exe) - 1)));
	memset(buffer, 0, sizeof(buffer));
	module->path_len = sizeof(exe) - 1;
	memcpy(buffer + sizeof(*module), exe, sizeof(exe) - 1);
	put(module, WIRE_MODULE, WIRE_PAD8(sizeof(*module) + sizeof(exe) - 1));
	put(&mapping, WIRE_MAPPING, sizeof(mapping));
}

static void put_names(void)
{
	for (unsigned i = 0; i < NR_PLACES; i++) {
		char buffer[64] __attribute__((aligned(8))) = "";
		struct wire_string *string = (struct wire_string *)buffer;
		struct wire_symbol *symbol = (struct wire_symbol *)buffer;

		string->id = i + 1;
		string->len = (uint32_t)sprintf(buffer + sizeof(*string), "function_%u", i);
		put(string, WIRE_STRING, WIRE_PAD8(sizeof(*string) + string->len));
		memset(buffer, 0, sizeof(buffer));
		symbol->vaddr = place(i);
		symbol->nr_frames = 1;
		symbol->frames[0].function = i + 1;
		put(symbol, WIRE_SYMBOL, sizeof(*symbol) + sizeof(symbol->frames[0]));
	}
}

static void put_stacks(void)
{
	for (uint32_t id = 1; id <= NR_STACKS; id++) {
		uint64_t buffer[sizeof(struct wire_stack) / 8 + NR_FRAMES] = { 0 };
		struct wire_stack *stack = (struct wire_stack *)buffer;

		stack->time_ns = now_ns;
		stack->id = id;
		stack->nr_frames = NR_FRAMES;
		for (unsigned i = 0; i < NR_FRAMES; i++)
			stack->frames[i] = CODE_START + place((unsigned)random() % NR_PLACES);
		put(stack, WIRE_STACK, sizeof(buffer));
	}
}

static void put_alloc(uint64_t addr)
{
	struct wire_alloc alloc = { .time_ns = now_ns += 200 + (uint64_t)random() % 2000,
				    .addr = addr,
				    .bytes = 8 + (uint64_t)random() % 500,
				    .tid = pid,
				    .stack = 1 + (uint32_t)random() % NR_STACKS,
				    .func = MALLOC };

	put(&alloc, WIRE_ALLOC, sizeof(alloc));
}

static void put_free(uint64_t addr)
{
	struct wire_free record = { .time_ns = now_ns += 200 + (uint64_t)random() % 2000,
				    .addr = addr,
				    .tid = pid,
				    .func = FREE };

	put(&record, WIRE_FREE, sizeof(record));
}

/* Each block in the order of addresses, a few bytes to 2 KiB apart. */
static void put_live(uint64_t nr)
{
	uint64_t addr = 0x7f0000000000;

	for (uint64_t i = 0; i < nr && !failed; i++) {
		put_alloc(addr);
		addr += 16 + 16 * ((uint64_t)random() % 128);
	}
}

static void put_forks(void)
{
	for (uint32_t i = 1; i < NR_PIDS; i++) {
		struct wire_fork fork = { .time_ns = now_ns, .child = PID + i };

		put(&fork, WIRE_FORK, sizeof(fork));
	}
}

/* Heaps that are full from the start: somebody frees a block, somebody else gets it. */
static void put_events(uint64_t nr, uint32_t nr_pids)
{
	bool *live = xcalloc(NR_BLOCKS, sizeof(*live));

	for (uint64_t i = 0; i < nr && !failed; i++) {
		size_t block = (size_t)random() % NR_BLOCKS;
		uint64_t addr = 0x7f0000000000 + block / nr_pids * 512;

		pid = PID + (uint32_t)(block % nr_pids);

		if (live[block])
			put_free(addr);
		else
			put_alloc(addr);
		live[block] = !live[block];
	}
	pid = PID;
	free(live);
}

int main(int argc, char **argv)
{
	struct wire_end end = { .reason = WIRE_END_STOPPED };
	int fd, err;

	if (argc != 4) {
		fprintf(stderr, "recording events|live|tree N FILE\n");
		return 2;
	}
	uint64_t nr = strtoull(argv[2], NULL, 10);
	fd = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	writer = fd < 0 ? NULL : trace_writer__new(fd, argv[3]);
	if (!writer) {
		fprintf(stderr, "recording: cannot write %s: %s\n", argv[3], strerror(errno));
		return 1;
	}
	put_process();
	put_names();
	put_stacks();
	if (!strcmp(argv[1], "tree"))
		put_forks();
	if (!strcmp(argv[1], "live"))
		put_live(nr);
	else
		put_events(nr, strcmp(argv[1], "tree") ? 1 : NR_PIDS);
	end.time_ns = now_ns;
	put(&end, WIRE_END, sizeof(end));
	pid = 0;
	put(&end, WIRE_END, sizeof(end));
	err = trace_writer__close(writer);
	if (failed || err) {
		fprintf(stderr, "recording: writing %s failed\n", argv[3]);
		return 1;
	}
	return close(fd) ? 1 : 0;
}
