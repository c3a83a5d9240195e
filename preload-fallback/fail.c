// SPDX-License-Identifier: BSD-2-Clause
#include "fail.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fail_code.h"
#include "fail_known.h"
#include "fail_report.h"
#include "hash.h"
#include "os.h"
#include "real.h"
#include "recorder.h"

/* Frames that are looked at where only the innermost matter. */
#define FEW_FRAMES 8u
#define MAX_NAME   128u
/* Naps for another thread that writes, of 100 us. */
#define MAX_NAPS 20000u

bool fail_is_on;

static struct {
	const struct config *config;
	uint32_t nr_calls;  /* that the filters let pass */
	uint32_t nr_failed; /* or are about to */
	struct fail_known known;
	/* One thread at a time writes, and waits for others that do. */
	uint32_t locked;
	char *text;
	uint32_t text_size;
	bool has_complained;
} fail;

/* A thread's own. */
static __thread struct {
	bool inner;
	uint32_t spared; /* depth of calls in which nothing fails */
	uint32_t serial; /* of a walk whose path is known, 0: of none; and code since then: */
	uint32_t epoch;
} mine __attribute__((tls_model("initial-exec")));

static uint32_t epoch; /* how often code was unloaded */

/* A stack, and what it is called. */
struct path {
	uint32_t serial;
	unsigned nr_frames;
	uint64_t id;
	uintptr_t frames[WIRE_MAX_FRAMES];
};

void fail__init(const struct config *config, void *memory, uint32_t bytes, uintptr_t allocator)
{
	uint32_t objects = bytes / 3;
	uint8_t *at = memory;

	fail.config = config;
	fail.text_size = (bytes / 8) & ~7u;
	fail.text = (char *)at;
	objects &= ~7u;
	fail_code__init(at + fail.text_size, objects, config->fail.function, allocator);
	fail_known__init(&fail.known, at + fail.text_size + objects,
			 bytes - fail.text_size - objects);
	if (config->fail_known[0])
		fail_known__read(&fail.known, config->fail_known);
	fail_code__refresh();
	fail_is_on = true;
}

void fail__unloaded(void)
{
	if (!fail_is_on)
		return;
	fail_code__refresh();
	__atomic_fetch_add(&epoch, 1, __ATOMIC_RELAXED);
}

void fail__forked(void)
{
	fail.nr_calls = fail.nr_failed = 0;
	fail.locked = 0;
	fail.has_complained = false;
}

/* ---- the stack --------------------------------------------------------------------------------
 */

/* Do the rules look at all frames of every call? */
static bool need_all_frames(void)
{
	const struct fail_rules *rules = &fail.config->fail;

	return rules->path || rules->module[0] || rules->function[0] || fail.config->fail_ignore[0];
}

/* False: it is that of the last walk, which is known. */
static bool walk(const struct unwind_from *from, struct path *path, unsigned max_frames)
{
	const struct fail_rules *rules = &fail.config->fail;
	struct unwind_note note = { .alone = true };

	if (rules->path && mine.epoch == __atomic_load_n(&epoch, __ATOMIC_RELAXED))
		note.serial = mine.serial;
	path->serial = note.serial;
	path->nr_frames = recorder.unwinder->walk(from, path->frames, max_frames, &note);
	if (note.serial && note.serial == path->serial)
		return false;
	path->serial = note.serial;
	return true;
}

/* Frames of code that was loaded since. */
static void learn_code(const struct path *path)
{
	unsigned n = 0;

	while (n < path->nr_frames && fail_code__of(path->frames[n] - 1))
		n++;
	if (n == path->nr_frames)
		return;
	guard__set_phase(GUARD_INTERNAL);
	fail_code__refresh();
	guard__set_phase(GUARD_RECORDING);
}

/* The loader itself, or a function of the C library that is not to be failed. What these call of
 * the program's, as constructors, is failed like anything else. */
static bool is_protected(const struct path *path)
{
	for (unsigned i = 0; i < path->nr_frames && i < FEW_FRAMES; i++) {
		const struct fail_object *object = fail_code__of(path->frames[i] - 1);

		if (!object || (!object->is_loader && !object->has_protected))
			return false;
		if (object->is_loader || fail_code__is_protected(path->frames[i] - 1))
			return true;
	}
	return false;
}

static bool ends_in(const struct fail_object *object, const char *name)
{
	size_t len = strlen(name);
	size_t before = object->path_len - len;

	return len <= object->path_len && !memcmp(object->path + before, name, len) &&
	       (!before || *name == '/' || object->path[before - 1] == '/');
}

static bool is_wanted(const struct path *path)
{
	const struct fail_rules *rules = &fail.config->fail;
	bool module = !rules->module[0], function = !rules->function[0];

	for (unsigned i = 0; i < path->nr_frames && !(module && function); i++) {
		const struct fail_object *object = fail_code__of(path->frames[i] - 1);

		module = module || (object && ends_in(object, rules->module));
		function = function || fail_code__is_wanted(path->frames[i] - 1);
	}
	return module && function;
}

/* The same in every run of the same program: without addresses, but those within files. */
static uint64_t id_of(const struct path *path)
{
	struct {
		uint64_t object, offset;
	} frames[WIRE_MAX_FRAMES];

	for (unsigned i = 0; i < path->nr_frames; i++) {
		const struct fail_object *object = fail_code__of(path->frames[i] - 1);

		frames[i].object = object ? object->id : 0;
		frames[i].offset = object ? path->frames[i] - object->bias : 0;
	}
	return hash__bytes(frames, path->nr_frames * sizeof(frames[0]));
}

/* ---- MALLOCFAIL_IGNORE ------------------------------------------------------------------------
 */

static bool contains(const char *text, size_t len, const char *part, size_t part_len)
{
	for (size_t at = 0; part_len && at + part_len <= len; at++)
		if (!memcmp(text + at, part, part_len))
			return true;
	return false;
}

static bool is_ignored(const struct path *path)
{
	char name[MAX_NAME];

	for (unsigned i = 0; fail.config->fail_ignore[0] && i < path->nr_frames; i++) {
		const struct fail_object *object = fail_code__of(path->frames[i] - 1);
		const char *part = fail.config->fail_ignore;
		uintptr_t offset;

		fail_code__name(path->frames[i] - 1, name, sizeof(name), &offset);
		for (size_t len; *part; part += len + (part[len] != '\0')) {
			len = strcspn(part, ";");
			if (contains(name, strlen(name), part, len) ||
			    (object && contains(object->path, object->path_len, part, len)))
				return true;
		}
	}
	return false;
}

/* ---- what is written --------------------------------------------------------------------------
 */

/* Can it be written? What follows from it where it cannot is said once. */
static bool append(const char *path, const void *data, uint32_t len, const char *else_what)
{
	int err = path[0] ? fail_known__append(path, data, len) : 0;

	if (err && !fail.has_complained)
		os__say("writing ", path, " failed: ", os__error(-err), else_what);
	fail.has_complained = fail.has_complained || err;
	return !err;
}

/*
 * Is a path new? Another process may have failed it meanwhile. Where one failure brings others with
 * it, paths do not matter any more.
 */
static bool is_news(const struct path *path, uint32_t number)
{
	if (!fail.config->fail.path)
		return true;
	if (fail.config->fail_known[0])
		fail_known__read(&fail.known, fail.config->fail_known);
	if (fail_known__is_full(&fail.known) && !fail.has_complained) {
		fail.has_complained = true;
		os__say("there are more call paths than fit into HEAPTAP_MEMORY: no new one fails");
	}
	return fail_known__add(&fail.known, path->id) ||
	       (fail.config->fail.persistent && number > 1);
}

/* False: whoever reads the log would not know what became of the program. */
static bool write_all(const struct path *path, const struct fail_report *report)
{
	const struct config *config = fail.config;
	char line[18];

	if (config->fail_log[0] &&
	    !append(config->fail_log, fail.text,
		    fail_report__line(report, fail.text, fail.text_size), "; nothing fails here"))
		return false;
	if (config->fail.path && config->fail_known[0]) {
		fail_known__hex(line, path->id);
		line[16] = '\n';
		append(config->fail_known, line, 17, "; allocations fail all the same");
	}
	if (config->fail_debug) {
		uint32_t len = fail_report__trace(report, fail.text, fail.text_size);

		os__write_stderr(fail.text, len);
	}
	return true;
}

/* Under the lock. False: it is not to fail after all. */
static bool carry_out(const struct path *path, const struct fail_report *report)
{
	return is_news(path, report->number) && !is_ignored(path) && write_all(path, report);
}

/* ---- the decision ---------------------------------------------------------------------------- */

/* Takes one of the failures that are allowed; its number, or 0. */
static uint32_t take_number(void)
{
	uint32_t count = fail.config->fail.count;
	uint32_t number = __atomic_load_n(&fail.nr_failed, __ATOMIC_RELAXED);

	do {
		if ((count && number >= count) || number == UINT32_MAX)
			return 0;
	} while (!__atomic_compare_exchange_n(&fail.nr_failed, &number, number + 1, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return number + 1;
}

static bool is_over(void)
{
	uint32_t count = fail.config->fail.count;

	return count && __atomic_load_n(&fail.nr_failed, __ATOMIC_RELAXED) >= count;
}

/* By what is known without a word to anybody. */
static bool is_candidate(const struct path *path)
{
	const struct fail_rules *rules = &fail.config->fail;
	uint32_t number = __atomic_add_fetch(&fail.nr_calls, 1, __ATOMIC_RELAXED);

	if (rules->persistent && __atomic_load_n(&fail.nr_failed, __ATOMIC_RELAXED))
		return true;
	if (!fail_rules__chosen(rules, number))
		return false;
	return !rules->path || !fail_known__has(&fail.known, path->id);
}

/* Gives back what turned out not to fail. */
static void give_number_back(void)
{
	__atomic_fetch_sub(&fail.nr_failed, 1, __ATOMIC_RELAXED);
}

static bool fail_now(enum hook hook, uint64_t bytes, const struct path *path)
{
	uint32_t number = take_number();
	struct fail_report report = {
		.pid = recorder.pid,
		.number = number,
		.path = path->id,
		.function = real__name(hook),
		.bytes = bytes,
		.frames = path->frames,
		.nr_frames = path->nr_frames,
	};
	bool done = false;
	sigset_t before;

	if (!number)
		return false;
	guard__set_phase(GUARD_INTERNAL);
	os__block_signals(&before);
	if (os__lock(&fail.locked, MAX_NAPS)) {
		done = carry_out(path, &report);
		__atomic_store_n(&fail.locked, 0, __ATOMIC_RELEASE);
	}
	if (!done)
		give_number_back();
	os__allow_signals(&before);
	guard__set_phase(GUARD_RECORDING);
	return done;
}

/* What is told of is the whole stack, and has the id that it has by all other rules. */
static void see_whole(const struct unwind_from *from, struct path *path)
{
	if (need_all_frames() || !walk(from, path, WIRE_MAX_FRAMES))
		return;
	learn_code(path);
	path->id = id_of(path);
}

bool fail__wants_slowly(const struct guard_call *call, enum hook hook,
			const struct unwind_from *from, uint64_t bytes)
{
	const struct fail_rules *rules = &fail.config->fail;
	int saved = errno;
	struct path path;
	bool wants = false;

	mine.inner = false;
	if (call->in_handler || mine.spared || is_over() || !fail_rules__fits(rules, bytes) ||
	    !walk(from, &path, need_all_frames() ? WIRE_MAX_FRAMES : FEW_FRAMES))
		return false;
	learn_code(&path);
	if (is_protected(&path) || !is_wanted(&path))
		goto out;
	path.id = id_of(&path);
	if (is_candidate(&path)) {
		see_whole(from, &path);
		wants = fail_now(hook, bytes, &path);
	}
	/* By its path it is settled, whatever came of it: the same one needs no second look. */
	if (rules->path && !rules->persistent && !rules->nth && !rules->rate) {
		mine.serial = path.serial;
		mine.epoch = __atomic_load_n(&epoch, __ATOMIC_RELAXED);
	}
out:
	errno = saved;
	return wants;
}

/* ---- inside of C++ operators ------------------------------------------------------------------
 */

void fail__begin_inner(void)
{
	mine.inner = true;
}

bool fail__end_inner(void)
{
	bool was_asked = !mine.inner;

	mine.inner = false;
	return was_asked;
}

bool fail__takes_inner_slowly(void)
{
	if (!mine.inner)
		return false;
	mine.inner = false;
	errno = ENOMEM;
	return true;
}

void fail__begin_spared(void)
{
	mine.spared++;
}

void fail__end_spared(void)
{
	mine.spared--;
}
