/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of made-up processes, one function each; where they go, the test says. */
#ifndef STREAM_FIXTURE_H
#define STREAM_FIXTURE_H

#include <stdint.h>
#include <string.h>

#include "wire.h"

#define MALLOC	1
#define REALLOC 3
#define FREE	5
#define MIB	(1ull << 20)

/* Takes every record. */
static void (*sink)(const struct wire_head *record);
static uint64_t now_ns = 1000;
static uint32_t thread; /* that does it; 0: the first of the process */

static inline void put_record(void *record, uint16_t type, size_t size, uint32_t pid)
{
	struct wire_head *head = record;

	*head = (struct wire_head){ .type = type, .size = (uint16_t)size, .pid = pid };
	sink(head);
}

/* text behind the fixed part of a record. */
union long_record {
	struct wire_target target;
	struct wire_module module;
	struct wire_function function;
	struct wire_stack stack;
	struct wire_string string;
	struct wire_symbol symbol;
	char bytes[512];
};

static inline void put_target(uint32_t pid, const char *exe, const char *cmdline, uint32_t flags)
{
	union long_record record = { .target = { .attached_ns = now_ns, .flags = flags } };
	char *text = record.bytes + sizeof(record.target);

	record.target.exe_len = (uint32_t)strlen(exe);
	record.target.cmdline_len = (uint32_t)strlen(cmdline);
	memcpy(text, exe, strlen(exe));
	memcpy(text + strlen(exe), cmdline, strlen(cmdline));
	put_record(&record, WIRE_TARGET,
		   WIRE_PAD8(sizeof(record.target) + strlen(exe) + strlen(cmdline)), pid);
}

static inline void put_module(uint32_t pid, uint32_t id, const char *path, uint32_t flags)
{
	union long_record record = { .module = { .id = id, .flags = flags } };

	record.module.path_len = (uint32_t)strlen(path);
	memcpy(record.bytes + sizeof(record.module), path, strlen(path));
	put_record(&record, WIRE_MODULE, WIRE_PAD8(sizeof(record.module) + strlen(path)), pid);
}

static inline void put_function(uint16_t func, const char *family, const char *symbol)
{
	union long_record record = { .function = { .func = func } };
	char *text = record.bytes + sizeof(record.function);

	record.function.family_len = (uint16_t)strlen(family);
	record.function.symbol_len = (uint16_t)strlen(symbol);
	memcpy(text, family, strlen(family));
	memcpy(text + strlen(family), symbol, strlen(symbol));
	put_record(&record, WIRE_FUNCTION,
		   WIRE_PAD8(sizeof(record.function) + strlen(family) + strlen(symbol)), 0);
}

static inline void put_name(uint32_t string, uint32_t module, uint64_t vaddr, const char *name)
{
	union long_record record = { .string = { .id = string } };

	record.string.len = (uint32_t)strlen(name);
	memcpy(record.bytes + sizeof(record.string), name, strlen(name));
	put_record(&record, WIRE_STRING, WIRE_PAD8(sizeof(record.string) + strlen(name)), 0);
	memset(&record, 0, sizeof(record));
	record.symbol.vaddr = vaddr;
	record.symbol.module = module;
	record.symbol.nr_frames = 1;
	record.symbol.frames[0].function = string;
	put_record(&record, WIRE_SYMBOL, sizeof(record.symbol) + sizeof(struct wire_symbol_frame),
		   0);
}

static inline void put_mapping(uint32_t pid, uint32_t module, uint64_t start)
{
	struct wire_mapping record = {
		.time_ns = now_ns, .start = start, .end = start + 0x1000, .module = module
	};

	put_record(&record, WIRE_MAPPING, sizeof(record), pid);
}

static inline void put_stack(uint32_t pid, uint32_t id, uint64_t frame)
{
	union long_record record = { .stack = { .time_ns = now_ns, .id = id, .nr_frames = 1 } };

	record.stack.frames[0] = frame;
	put_record(&record, WIRE_STACK, sizeof(record.stack) + sizeof(uint64_t), pid);
}

static inline void put_alloc_by(uint32_t pid, uint64_t addr, uint64_t bytes, uint32_t stack,
				uint16_t func)
{
	struct wire_alloc record = { .time_ns = ++now_ns,
				     .addr = addr,
				     .bytes = bytes,
				     .tid = thread ? thread : pid,
				     .stack = stack,
				     .func = func };

	put_record(&record, WIRE_ALLOC, sizeof(record), pid);
}

static inline void put_alloc(uint32_t pid, uint64_t addr, uint64_t bytes, uint32_t stack)
{
	put_alloc_by(pid, addr, bytes, stack, MALLOC);
}

static inline void put_free_by(uint32_t pid, uint64_t addr, uint16_t func)
{
	struct wire_free record = {
		.time_ns = ++now_ns, .addr = addr, .tid = thread ? thread : pid, .func = func
	};

	put_record(&record, WIRE_FREE, sizeof(record), pid);
}

static inline void put_free(uint32_t pid, uint64_t addr)
{
	put_free_by(pid, addr, FREE);
}

/* addr 0: it fails, or frees where bytes are 0. */
static inline void put_realloc(uint32_t pid, uint64_t old, uint64_t addr, uint64_t bytes,
			       uint32_t stack)
{
	struct wire_free begin = { .time_ns = ++now_ns,
				   .addr = old,
				   .tid = thread ? thread : pid,
				   .func = REALLOC,
				   .flags = WIRE_FREE_REALLOC };
	struct wire_alloc end = { .time_ns = ++now_ns,
				  .addr = addr,
				  .bytes = bytes,
				  .tid = thread ? thread : pid,
				  .stack = stack,
				  .func = REALLOC,
				  .flags = WIRE_ALLOC_REALLOC };

	put_record(&begin, WIRE_FREE, sizeof(begin), pid);
	put_record(&end, WIRE_ALLOC, sizeof(end), pid);
}

static inline void put_fork(uint32_t pid, uint32_t child, uint32_t flags)
{
	struct wire_fork record = { .time_ns = ++now_ns, .child = child, .flags = flags };

	put_record(&record, WIRE_FORK, sizeof(record), pid);
}

static inline void put_exec(uint32_t pid)
{
	struct wire_exec record = { .time_ns = ++now_ns };

	put_record(&record, WIRE_EXEC, sizeof(record), pid);
}

static inline void put_memory(uint32_t pid, uint64_t anonymous, uint64_t stacks)
{
	struct wire_memory record = { .time_ns = ++now_ns,
				      .anonymous_bytes = anonymous,
				      .stack_bytes = stacks };

	put_record(&record, WIRE_MEMORY, sizeof(record), pid);
}

static inline void put_end(uint32_t pid, uint32_t reason, uint32_t status)
{
	struct wire_end record = { .time_ns = ++now_ns, .reason = reason, .status = status };

	put_record(&record, WIRE_END, sizeof(record), pid);
}

static inline void put_lost(uint64_t events)
{
	struct wire_lost record = { .time_ns = now_ns, .events = events };

	put_record(&record, WIRE_LOST, sizeof(record), 0);
}

#endif /* STREAM_FIXTURE_H */
