// SPDX-License-Identifier: BSD-2-Clause
/* Sets everything up: with the first call of the allocator or the constructor, whichever comes
 * first. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot.h"
#include "chance.h"
#include "event.h"
#include "exec_env.h"
#include "live_set.h"
#include "modules.h"
#include "os.h"
#include "process.h"
#include "real.h"
#include "recorder.h"
#include "sample.h"
#include "shared.h"
#include "stream.h"

#define MAX_ENVIRONMENT (256u << 10)
#define MAX_VARIABLES	2048u
#define MODULES_MEMORY	(64u << 10)
/* The part of all memory that is for the addresses of samples. */
#define LIVE_SET_PART 8u
/* Of stacks, where the ring is not part of the same memory. */
#define SHARED_STACKS (8u << 20)

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

struct recorder recorder;

static uint8_t *set_memory; /* for the addresses of samples */
static uint32_t state;	    /* 0: nothing was done, 1: it is being done, 2: done */
static bool records;
/* A word that the kernel wipes in forked children, however they were forked; NULL where it cannot.
 */
static volatile uint32_t *here;

extern char **environ __attribute__((weak));

static bool is_set(char *const *environment)
{
	return environment && *environment;
}

/* Of the kernel, where the C library has no environment yet: a copy, mapped until it has been read.
 */
static void read_environment(struct config *config)
{
	char **list, *text;
	size_t used, n = 0;

	if (&environ && is_set(environ)) {
		config__read(config, environ);
		return;
	}
	list = os__map(MAX_ENVIRONMENT + MAX_VARIABLES * sizeof(*list));
	if (!list)
		return;
	text = (char *)(list + MAX_VARIABLES);
	used = os__read_file("/proc/self/environ", text, MAX_ENVIRONMENT);
	for (size_t at = 0; at < used && n < MAX_VARIABLES - 1; at += strlen(text + at) + 1)
		list[n++] = text + at;
	config__read(config, list);
	munmap(list, MAX_ENVIRONMENT + MAX_VARIABLES * sizeof(*list));
}

static bool is_configured(const struct config *config)
{
	if (config->bad)
		os__say("what ", config->bad,
			" says is not understood; HEAPTAP_HELP=1 explains it");
	if (config->file[0] || config->server[0] || config->ring[0])
		return true;
	if (!config->help)
		os__say("nothing is recorded: neither HEAPTAP_FILE nor HEAPTAP_SERVER is set");
	return false;
}

static void mark_here(void)
{
	volatile uint32_t *page = os__map(4096);

	if (!page || madvise((void *)(uintptr_t)page, 4096, MADV_WIPEONFORK))
		return;
	*page = 1;
	here = page;
}

/* Bytes for the set of samples, a power of two. */
static uint32_t live_set_bytes(uint32_t bytes)
{
	uint32_t set = 4096;

	if (!recorder.config.sample_bytes)
		return 0;
	while (set * 2 <= bytes / LIVE_SET_PART)
		set *= 2;
	return set;
}

/* The ring and the catalogue are where another process reads them, and as large as that says. */
static bool share_memory(void)
{
	uint32_t set = live_set_bytes(SHARED_STACKS);
	uint8_t *memory = os__map(MODULES_MEMORY + SHARED_STACKS + set);

	if (!memory || !shared__init())
		return false;
	set_memory = memory + MODULES_MEMORY + SHARED_STACKS;
	modules__init(memory, MODULES_MEMORY, recorder.pid, real__address());
	modules__share((uint8_t *)recorder.ring + recorder.ring->catalogue_offset,
		       recorder.ring->catalogue_size, &recorder.ring->catalogue_used);
	stacks__init(&recorder.stacks, memory + MODULES_MEMORY, SHARED_STACKS);
	recorder.shared = true;
	return true;
}

/* One mapping for all: the ring takes the largest power of two that leaves the stacks a third. */
static bool divide_memory(void)
{
	uint32_t bytes = recorder.config.memory_bytes - CONFIG_STATIC_MEMORY;
	uint32_t ring = RING_MIN_SIZE, fixed = STREAM_MEMORY + MODULES_MEMORY;
	uint32_t set = live_set_bytes(bytes);
	uint8_t *memory = os__map(bytes);

	if (!memory)
		return false;
	set_memory = memory;
	memory += set;
	bytes -= set;
	while (ring * 2 <= bytes / 3 * 2 - fixed)
		ring *= 2;
	recorder.ring = (struct ring *)memory;
	ring += (uint32_t)sizeof(struct ring);
	ring__init(recorder.ring, ring, recorder.pid);
	stream__init(recorder.config.server[0] ? &sink_tcp : &sink_file, memory + ring);
	modules__init(memory + ring + STREAM_MEMORY, MODULES_MEMORY, recorder.pid, real__address());
	ring += fixed;
	stacks__init(&recorder.stacks, memory + ring, bytes - ring);
	return true;
}

static void choose_unwinder(void)
{
	recorder.unwinder = unwinder__choose(recorder.config.unwind);
	if (recorder.unwinder)
		return;
	os__say("stacks cannot be walked here as HEAPTAP_UNWIND says, so only callers are noted: ",
		recorder.config.unwind);
	recorder.unwinder = unwinder__choose("none");
}

/* From here on calls that are not samples pass by all the rest. */
static void start_sampling(void)
{
	const struct config *config = &recorder.config;
	uint64_t here_and_now = chance__mix(os__realtime_ns()) ^ recorder.pid;

	if (!config->sample_bytes)
		return;
	live_set__init(set_memory, live_set_bytes(config->ring[0] ? SHARED_STACKS
								  : config->memory_bytes -
									    CONFIG_STATIC_MEMORY));
	for (const void *at = boot__next(NULL); at; at = boot__next(at))
		live_set__pin(at);
	sample__start(config->sample_bytes, config->seed ? config->seed : here_and_now);
}

/* To whoever reads the ring, or all is in vain. */
static void tell_what_is_mapped(void)
{
	if (recorder.shared)
		modules__add_target(recorder.config.sample_bytes);
	modules__refresh(NULL);
	if (recorder.shared)
		records = shared__offer();
}

static void set_up(void)
{
	int saved = errno;

	real__find();
	read_environment(&recorder.config);
	if (recorder.config.help)
		config__help();
	recorder.pid = os__pid();
	recorder.generation = 1;
	if (!real__is_complete())
		recorder.config.sample_bytes = 0;
	if (is_configured(&recorder.config)) {
		records = recorder.config.ring[0] ? share_memory() : divide_memory();
		if (!records)
			os__say("nothing is recorded: out of memory");
	}
	if (records) {
		choose_unwinder();
		mark_here();
		tell_what_is_mapped();
		start_sampling();
	}
	errno = saved;
}

/* Apart, for what each event passes through is to be short. */
static __attribute__((noinline, cold)) bool start(void)
{
	uint32_t fresh = 0;

	if (!__atomic_compare_exchange_n(&state, &fresh, 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_ACQUIRE))
		return fresh == 2 && records;
	guard__set_phase(GUARD_INTERNAL);
	set_up();
	guard__set_phase(GUARD_OUTSIDE);
	__atomic_store_n(&state, 2, __ATOMIC_RELEASE);
	return records;
}

bool process__records(void)
{
	if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != 2)
		return start();
	if (records && here && !*here)
		process__forked();
	if (records && recorder.shared && shared__is_closed())
		records = false;
	return records;
}

__attribute__((noinline, cold)) void process__forked(void)
{
	uint32_t pid = os__pid();

	if (!records || pid == recorder.pid)
		return;
	if (here)
		*here = 1;
	recorder.parent = recorder.pid;
	recorder.pid = pid;
	recorder.generation++;
	if (recorder.shared)
		records = shared__forked();
	else
		ring__reset(recorder.ring, pid);
	memset(&guard_thread, 0, sizeof(guard_thread));
	live_set__clear();
	sample__forked(pid);
	modules__forked(pid);
	stream__forked();
	guard__set_phase(GUARD_INTERNAL);
	if (records)
		tell_what_is_mapped();
	guard__set_phase(GUARD_OUTSIDE);
}

static void before_fork(void)
{
	enum guard_phase phase = guard_thread.phase;

	if (!process__records())
		return;
	guard__set_phase(GUARD_INTERNAL);
	shared__before_fork();
	guard__set_phase(phase);
}

/* In glibc, where it tells also of children that the C library makes for itself (daemon(3)). A
 * child by another way finds out when it allocates. */
extern int __register_atfork(void (*before)(void), void (*parent)(void), void (*child)(void),
			     void *library) __attribute__((weak));

static void watch_forks(void)
{
	if (__register_atfork)
		__register_atfork(before_fork, shared__after_fork, process__forked, NULL);
}

/* What this process starts is to find a name of its own in its environment. */
static void rename_for_others(const char *name)
{
	static char entry[CONFIG_MAX_PATH + 32];
	char *const *found = config__find(environ, name);
	size_t len = strlen(name), value_len = strlen(recorder.config.file);

	if (!found || strcmp(*found + len + 1, recorder.config.file) ||
	    len + value_len + 5 > sizeof(entry))
		return;
	memcpy(entry, name, len);
	entry[len] = '=';
	memcpy(entry + len + 1, recorder.config.file, value_len);
	memcpy(entry + len + 1 + value_len, ".%p", 4);
	*(char **)(uintptr_t)found = entry;
}

__attribute__((constructor)) static void begin(void)
{
	int saved = errno;

	if (!process__records())
		return;
	if (&environ && environ && !strstr(recorder.config.file, "%p")) {
		rename_for_others("HEAPTAP_FILE");
		rename_for_others("DUMPALLOC_FILE");
	}
	guard__set_phase(GUARD_INTERNAL);
	process__watch_end();
	if (recorder.shared) {
		exec_env__note(environ);
		watch_forks();
	}
	stream__open();
	guard__set_phase(GUARD_OUTSIDE);
	errno = saved;
}
