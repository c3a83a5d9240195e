// SPDX-License-Identifier: BSD-2-Clause
/*
 * A preload that walks the stack at every allocation with mips-unwind, for the tests: hands the
 * frames to the oracle (handover.h), and with WALKER_OUT=FILE appends a line a stack:
 *
 *	SIZE END FRAME[!] ...      END: a number of enum mips_end; ! marks an exact pc
 *	M LO HI OFFSET PATH        an executable mapping, before the first stack and when they
 *change
 *
 * Built with -DMIPS_UNWIND_SELF -ffixed-30 -fPIC -shared, together with mips-unwind/.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handover.h"
#include "mips_unwind.h"

#define MAX_FRAMES   512
#define MAX_MAPPINGS 1024
#define CACHE_BYTES  (128 << 10)

#define HOOK   __attribute__((visibility("default"), noinline))
#define THREAD __thread __attribute__((tls_model("initial-exec")))

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t nr, size_t size);
extern void *__libc_realloc(void *block, size_t size);

struct mapping {
	uintptr_t lo, hi;
	bool readable, executable;
};

/* Read under a lock that a thread only tries: who does not get it goes on with what there is. */
static struct mapping mappings[MAX_MAPPINGS];
static volatile unsigned nr_mappings;
static int lock;
static char maps_text[256 << 10];

static uint64_t cache_memory[CACHE_BYTES / 8] __attribute__((aligned(16)));
static struct mips_cache cache;
static int out = -1;
static int ready; /* 0 no, 1 yes, -1 somebody is at it */
static THREAD bool busy;
static THREAD struct mips_window stack;
static THREAD struct mips_last last;

static uintptr_t hex(const char **at)
{
	uintptr_t value = 0;

	for (;; (*at)++) {
		unsigned digit = (unsigned char)**at | 0x20;

		if (digit >= '0' && digit <= '9')
			value = value << 4 | (digit - '0');
		else if (digit >= 'a' && digit <= 'f')
			value = value << 4 | (digit - 'a' + 10);
		else
			return value;
	}
}

/* The whole of /proc/self/maps; 0 when it cannot be read. */
static size_t read_maps(void)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t got;

	if (fd < 0)
		return 0;
	while (len < sizeof(maps_text) - 1 &&
	       (got = read(fd, maps_text + len, sizeof(maps_text) - 1 - len)) > 0)
		len += (size_t)got;
	close(fd);
	maps_text[len] = '\0';
	return len;
}

static void put_text(const char *text, size_t len)
{
	if (out >= 0 && write(out, text, len) < 0)
		out = -1;
}

static void refresh(void)
{
	const char *line, *next, *at;
	unsigned nr = 0;

	if (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
		return;
	read_maps();
	for (line = maps_text; *line && nr < MAX_MAPPINGS; line = next) {
		struct mapping *mapping = &mappings[nr];

		next = strchr(line, '\n');
		next = next ? next + 1 : line + strlen(line);
		at = line;
		mapping->lo = hex(&at);
		if (*at++ != '-')
			continue;
		mapping->hi = hex(&at);
		mapping->readable = *at == ' ' && at[1] == 'r';
		mapping->executable = mapping->readable && at[3] == 'x';
		if (mapping->executable) {
			put_text("M ", 2);
			put_text(line, (size_t)(next - line));
		}
		nr++;
	}
	nr_mappings = nr;
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

static bool find(uintptr_t address, struct mapping *found)
{
	unsigned i, round;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < nr_mappings; i++) {
			if (address - mappings[i].lo < mappings[i].hi - mappings[i].lo) {
				*found = mappings[i];
				return true;
			}
		}
		if (!round)
			refresh();
	}
	return false;
}

static bool read_memory(void *env, mips_addr_t address, void *to, size_t nr_bytes)
{
	struct mapping mapping;

	(void)env;
	if (!find(address, &mapping) || !mapping.readable || mapping.hi - address < nr_bytes)
		return false;
	memcpy(to, (const void *)address, nr_bytes);
	return true;
}

static bool find_code(void *env, mips_addr_t pc, struct mips_code *code)
{
	struct mapping mapping;

	(void)env;
	if (!find(pc, &mapping) || !mapping.executable)
		return false;
	code->lo = mapping.lo;
	code->hi = mapping.hi;
	code->bytes = (const void *)mapping.lo;
	return true;
}

static const struct mips_unwind unwinder = {
	.memory = { .read = read_memory, .code = find_code },
	.cache = &cache,
};

static char *put_number(char *at, uintptr_t value, unsigned base)
{
	char digits[24];
	unsigned nr = 0;

	do {
		digits[nr++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (nr)
		*at++ = digits[--nr];
	return at;
}

static void put_stack(size_t size, const mips_addr_t *frames, const struct mips_trace *trace)
{
	static THREAD char line[MAX_FRAMES * 20 + 64];
	char *at = put_number(line, size, 10);
	unsigned i, exact = 0;

	*at++ = ' ';
	at = put_number(at, trace->end, 10);
	for (i = 0; i < trace->nr_frames; i++) {
		*at++ = ' ';
		at = put_number(at, frames[i], 16);
		if (exact < trace->nr_exact && trace->exact[exact] == i) {
			*at++ = '!';
			exact++;
		}
	}
	*at++ = '\n';
	put_text(line, (size_t)(at - line));
}

static bool begin(void)
{
	int expected = 0;
	const char *path;

	if (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) == 1)
		return true;
	if (!__atomic_compare_exchange_n(&ready, &expected, -1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return false;
	path = getenv("WALKER_OUT");
	if (path)
		out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	mips_cache__init(&cache, cache_memory, sizeof(cache_memory));
	refresh();
	__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
	return true;
}

/* The mapping that holds sp. */
static void find_stack(uintptr_t sp)
{
	struct mapping mapping;

	if (sp - stack.lo < stack.hi - stack.lo)
		return;
	/* The kernel's may have grown downward since the maps were read. */
	refresh();
	if (!find(sp, &mapping))
		mapping.lo = mapping.hi = sp;
	stack = (struct mips_window){ (const void *)mapping.lo, mapping.lo, mapping.hi };
}

static __attribute__((noinline)) void walk(const struct mips_cursor *cursor, size_t size)
{
	static THREAD mips_addr_t frames[MAX_FRAMES];
	struct mips_trace trace;
	unsigned long flags = 0;

	if (busy || !begin())
		return;
	busy = true;
	find_stack(cursor->sp);
	last.unwind = &unwinder;
	last.stack = stack;
	trace = (struct mips_trace){ 0 };
	handover__begin();
	if (stack.lo <= cursor->sp && cursor->sp < stack.hi)
		trace.nr_frames = mips_unwind__walk_warm(&last, cursor->pc, cursor->sp, cursor->fp, frames,
							 MAX_FRAMES);
	if (trace.nr_frames && last.is_cut)
		trace.end = MIPS_END_FULL;
	if (!trace.nr_frames)
		mips_unwind__walk(&unwinder, cursor, &stack, frames, MAX_FRAMES, &trace);
	if (trace.end != MIPS_END_BOTTOM)
		flags = trace.end == MIPS_END_FULL ? HANDOVER_CUT : HANDOVER_LOST;
	handover__frames((const unsigned long *)frames, trace.nr_frames, cursor->sp, flags);
	if (out >= 0)
		put_stack(size, frames, &trace);
	busy = false;
}

HOOK void *malloc(size_t size)
{
	struct mips_cursor cursor;

	MIPS_UNWIND_CALLER(&cursor);
	walk(&cursor, size);
	return __libc_malloc(size);
}

HOOK void *calloc(size_t nr, size_t size)
{
	struct mips_cursor cursor;

	MIPS_UNWIND_CALLER(&cursor);
	walk(&cursor, nr * size);
	return __libc_calloc(nr, size);
}

HOOK void *realloc(void *block, size_t size)
{
	struct mips_cursor cursor;

	MIPS_UNWIND_CALLER(&cursor);
	walk(&cursor, size);
	return __libc_realloc(block, size);
}
