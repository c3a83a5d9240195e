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
#include "fail.h"
#include "live_set.h"
#include "memory.h"
#include "modules.h"
#include "os.h"
#include "process.h"
#include "real.h"
#include "recorder.h"
#include "sample.h"
#include "shared.h"
#include "snapshot.h"
#include "stream.h"

#define MAX_ENVIRONMENT (256u << 10)
#define MAX_VARIABLES	2048u

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

struct recorder recorder;

static uint32_t state; /* 0: nothing was done, 1: it is being done, 2: done */
static bool records;
/* A word that the kernel wipes in forked children, however they were forked; NULL where it cannot.
 */
static volatile uint32_t *here;

extern char **environ __attribute__((weak));

/* AddressSanitizer and ThreadSanitizer put themselves before many functions of the C library, and
 * these cannot be called while they set themselves up: the loader calls malloc then. They are done
 * when constructors run. */
extern void __asan_init(void) __attribute__((weak));
extern void __tsan_init(void) __attribute__((weak));
static bool is_constructed;

/* Is there anything to do in the hooks? */
static inline bool has_work(void)
{
	return records || fail_is_on || snapshot_is_on;
}

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
	memory__init_live_set();
	for (const void *at = boot__next(NULL); at; at = boot__next(at))
		live_set__pin(at);
	sample__start(config->sample_bytes, config->seed ? config->seed : here_and_now);
}

/* To whoever reads the ring, or all is in vain. */
static void tell_what_is_mapped(void)
{
	if (recorder__is_shared())
		modules__add_target(recorder.config.sample_bytes);
	modules__refresh(NULL);
	if (recorder__is_shared())
		records = shared__offer();
}

/* A recording or snapshots: which of the two there is, for they are of the same memory. */
static void begin_recording(uint32_t bytes)
{
	const struct config *config = &recorder.config;
	bool wanted = is_configured(config), snapshots = config->snapshot[0];

	if (wanted && snapshots)
		os__say("no snapshots are written, for there is a recording");
	if (wanted)
		records = config->ring[0] ? memory__for_sharing() : memory__for_recording(bytes);
	if (wanted && !records)
		os__say("nothing is recorded: out of memory");
	if (!wanted && snapshots && !memory__for_snapshots(bytes))
		os__say("no snapshots are written: out of memory");
}

static void set_up(void)
{
	struct config *config = &recorder.config;
	int saved = errno;
	uint32_t bytes;

	real__find();
	read_environment(config);
	if (config->help)
		config__help();
	recorder.pid = os__pid();
	recorder.generation = 1;
	bytes = memory__bytes();
	if (config->fail.given && !memory__for_failing(&bytes))
		os__say("no allocation is made to fail: out of memory");
	if (!real__is_complete())
		config->sample_bytes = 0;
	begin_recording(bytes);
	if (!records) /* snapshots are of all blocks */
		config->sample_bytes = 0;
	if (has_work()) {
		choose_unwinder();
		mark_here();
	}
	if (records || snapshot_is_on)
		tell_what_is_mapped();
	if (records)
		start_sampling();
	errno = saved;
}

/* Apart, for what each event passes through is to be short. */
static __attribute__((noinline, cold)) bool start(void)
{
	uint32_t fresh = 0;

	if (!is_constructed && (__asan_init || __tsan_init)) {
		/* Of the latter dl_iterate_phdr is one. */
		if (!__tsan_init)
			real__find();
		return false;
	}
	if (!__atomic_compare_exchange_n(&state, &fresh, 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_ACQUIRE))
		return fresh == 2 && has_work();
	guard__set_phase(GUARD_INTERNAL);
	set_up();
	guard__set_phase(GUARD_OUTSIDE);
	__atomic_store_n(&state, 2, __ATOMIC_RELEASE);
	return has_work();
}

bool process__hooks(void)
{
	if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != 2)
		return start();
	if (here && !*here && has_work())
		process__forked();
	if (records && recorder__is_shared() && shared__is_closed())
		records = false;
	return has_work();
}

bool process__records(void)
{
	return process__hooks() && records;
}

static void recording_forked(void)
{
	live_set__clear();
	sample__forked(recorder.pid);
	if (recorder__is_shared()) {
		records = shared__forked();
		return;
	}
	ring__reset(recorder.ring, recorder.pid);
	stream__forked();
}

__attribute__((noinline, cold)) void process__forked(void)
{
	uint32_t pid = os__pid();

	if (!has_work() || pid == recorder.pid)
		return;
	if (here)
		*here = 1;
	recorder.parent = recorder.pid;
	recorder.pid = pid;
	recorder.generation++;
	if (records)
		recording_forked();
	memset(&guard_thread, 0, sizeof(guard_thread));
	fail__forked();
	snapshot__forked();
	if (!records && !snapshot_is_on)
		return;
	modules__forked(pid);
	guard__set_phase(GUARD_INTERNAL);
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

	is_constructed = true;
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
	if (recorder__is_shared()) {
		exec_env__note(environ);
		watch_forks();
	}
	if (records)
		stream__open();
	guard__set_phase(GUARD_OUTSIDE);
	errno = saved;
}
