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
#include "fail.h"
#include "live_set.h"
#include "modules.h"
#include "os.h"
#include "process.h"
#include "real.h"
#include "recorder.h"
#include "sample.h"
#include "snapshot.h"
#include "stream.h"

#define MAX_ENVIRONMENT (256u << 10)
#define MAX_VARIABLES	2048u
#define MODULES_MEMORY	(64u << 10)
/* The part of all memory that is for the addresses of samples. */
#define LIVE_SET_PART 8u

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

struct recorder recorder;

static uint8_t *set_memory; /* for the addresses of samples, */
static uint32_t set_bytes;  /* so many bytes */
static uint32_t state;	    /* 0: nothing was done, 1: it is being done, 2: done */
static bool records, hooks; /* hooks: or there is something else to do in them */
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
	if (config->file[0] || config->server[0])
		return true;
	if (!config->help && !config->fail.given && !config->snapshot[0] && !config->bad)
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

/* Its share of the memory, which *bytes then lacks. False: there is none. */
static bool begin_failing(uint32_t *bytes)
{
	uint32_t share = *bytes / 5 & ~4095u;
	void *memory = os__map(share);

	if (!memory)
		return false;
	*bytes -= share;
	fail__init(&recorder.config, memory, share, real__address());
	return true;
}

/* One mapping for all: the ring takes the largest power of two that leaves the stacks a third. */
static bool divide_memory(uint32_t bytes)
{
	uint32_t ring = RING_MIN_SIZE, fixed = STREAM_MEMORY + MODULES_MEMORY;
	uint8_t *memory = os__map(bytes);

	if (!memory)
		return false;
	set_memory = memory;
	set_bytes = live_set_bytes(bytes);
	memory += set_bytes;
	bytes -= set_bytes;
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

/* Likewise, of what is left, where there is no ring. */
static bool begin_snapshots(uint32_t bytes)
{
	uint8_t *memory = os__map(bytes);

	if (!memory)
		return false;
	modules__init(memory, MODULES_MEMORY, recorder.pid, real__address());
	snapshot__init(memory + MODULES_MEMORY, bytes - MODULES_MEMORY);
	return true;
}

/* Which of the two there is, for they are of the same memory. */
static void begin_recording(uint32_t bytes)
{
	const struct config *config = &recorder.config;
	bool wanted = is_configured(config);

	if (wanted && config->snapshot[0])
		os__say("no snapshots are written, for there is a recording");
	records = wanted && divide_memory(bytes);
	if (wanted && !records)
		os__say("nothing is recorded: out of memory");
	if (!wanted && config->snapshot[0] && !begin_snapshots(bytes))
		os__say("no snapshots are written: out of memory");
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
	live_set__init(set_memory, set_bytes);
	for (const void *at = boot__next(NULL); at; at = boot__next(at))
		live_set__pin(at);
	sample__start(config->sample_bytes, config->seed ? config->seed : here_and_now);
}

static void set_up(void)
{
	uint32_t bytes;
	int saved = errno;

	real__find();
	read_environment(&recorder.config);
	if (recorder.config.help)
		config__help();
	recorder.pid = os__pid();
	recorder.generation = 1;
	bytes = recorder.config.memory_bytes - CONFIG_STATIC_MEMORY;
	hooks = recorder.config.fail.given && begin_failing(&bytes);
	if (recorder.config.fail.given && !hooks)
		os__say("no allocation is made to fail: out of memory");
	if (!real__is_complete())
		recorder.config.sample_bytes = 0;
	begin_recording(bytes);
	if (!records) /* snapshots are of all blocks */
		recorder.config.sample_bytes = 0;
	hooks = hooks || records || snapshot_is_on;
	if (hooks) {
		choose_unwinder();
		mark_here();
	}
	if (records || snapshot_is_on)
		modules__refresh(NULL);
	if (records)
		start_sampling();
	errno = saved;
}

/* Apart, for what each event passes through is to be short. */
static __attribute__((noinline, cold)) bool start(void)
{
	uint32_t fresh = 0;

	if (!__atomic_compare_exchange_n(&state, &fresh, 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_ACQUIRE))
		return fresh == 2 && hooks;
	guard__set_phase(GUARD_INTERNAL);
	set_up();
	guard__set_phase(GUARD_OUTSIDE);
	__atomic_store_n(&state, 2, __ATOMIC_RELEASE);
	return hooks;
}

bool process__hooks(void)
{
	if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != 2)
		return start();
	if (hooks && here && !*here)
		process__forked();
	return hooks;
}

bool process__records(void)
{
	return process__hooks() && records;
}

__attribute__((noinline, cold)) void process__forked(void)
{
	uint32_t pid = os__pid();

	if (!hooks || pid == recorder.pid)
		return;
	if (here)
		*here = 1;
	recorder.parent = recorder.pid;
	recorder.pid = pid;
	recorder.generation++;
	memset(&guard_thread, 0, sizeof(guard_thread));
	fail__forked();
	snapshot__forked();
	if (!records && !snapshot_is_on)
		return;
	if (records) {
		live_set__clear();
		sample__forked(pid);
		ring__reset(recorder.ring, pid);
		stream__forked();
	}
	modules__forked(pid);
	guard__set_phase(GUARD_INTERNAL);
	modules__refresh(NULL);
	guard__set_phase(GUARD_OUTSIDE);
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

	if (!process__hooks())
		return;
	if (snapshot_is_on)
		snapshot__open();
	if (records && &environ && environ && !strstr(recorder.config.file, "%p")) {
		rename_for_others("HEAPTAP_FILE");
		rename_for_others("DUMPALLOC_FILE");
	}
	guard__set_phase(GUARD_INTERNAL);
	process__watch_end();
	if (records)
		stream__open();
	guard__set_phase(GUARD_OUTSIDE);
	errno = saved;
}
