// SPDX-License-Identifier: BSD-2-Clause
#include "fail/verdict.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/util.h"

static const struct {
	const char *name;
	bool is_fault, is_strict_fault;
} verdicts[FAIL_NR_VERDICTS] = {
	[FAIL_UNTRIED] = { "untried", false, false },
	[FAIL_SURVIVED] = { "survived", false, false },
	[FAIL_CLEAN] = { "clean error", false, false },
	[FAIL_SILENT] = { "silent", false, true },
	[FAIL_LEAK] = { "leak", true, true },
	[FAIL_ABORT] = { "abort", false, true },
	[FAIL_HANG] = { "hang", true, true },
	[FAIL_SANITIZER] = { "sanitizer", true, true },
	[FAIL_CRASH] = { "crash", true, true },
};

/*
 * What else ends a program than its errors: a limit, of time, of a file's size or, where the kernel
 * kills, of memory. Others are sent by somebody, or say that a reader is gone: whoever dies of them
 * has stopped where it was told to.
 */
static const struct {
	int signal;
	enum fail_verdict verdict;
} signals[] = {
	{ SIGSEGV, FAIL_CRASH },   { SIGBUS, FAIL_CRASH },  { SIGILL, FAIL_CRASH },
	{ SIGFPE, FAIL_CRASH },	   { SIGTRAP, FAIL_CRASH }, { SIGSYS, FAIL_CRASH },
#ifdef SIGSTKFLT
	{ SIGSTKFLT, FAIL_CRASH },
#endif
	{ SIGABRT, FAIL_ABORT },   { SIGALRM, FAIL_HANG },  { SIGXCPU, FAIL_HANG },
	{ SIGXFSZ, FAIL_HANG },	   { SIGKILL, FAIL_HANG },
};

enum fail_verdict fail_verdict__of_signal(int signal)
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i].signal == signal)
			return signals[i].verdict;
	return FAIL_CLEAN;
}

bool fail_verdict__is_error_signal(int signal)
{
	enum fail_verdict verdict = fail_verdict__of_signal(signal);

	return verdict == FAIL_CRASH || verdict == FAIL_ABORT;
}

/* The most certain first: a sanitizer may end the program by any signal or status. */
enum fail_verdict fail_verdict__of(const struct fail_outcome *outcome,
				   const struct fail_baseline *baseline)
{
	const struct fail_outcome *usual = &baseline->outcome;

	if (outcome->sanitizer && !usual->sanitizer)
		return FAIL_SANITIZER;
	if (outcome->timed_out)
		return FAIL_HANG;
	if (outcome->signal == SIGABRT && outcome->corruption && !usual->corruption)
		return FAIL_CRASH;
	if (outcome->signal && outcome->signal != usual->signal)
		return fail_verdict__of_signal(outcome->signal);
	if (outcome->status != usual->status)
		return outcome->status ? FAIL_CLEAN : FAIL_SILENT;
	/* Where the status is another one it may have given up with all it had. */
	if (outcome->leaked_blocks)
		return FAIL_LEAK;
	/* The client was told that something is wrong, or was not told any more. */
	if (outcome->client_status != usual->client_status)
		return outcome->client_status ? FAIL_CLEAN : FAIL_SILENT;
	if (baseline->output_varies || outcome->output_hash == usual->output_hash)
		return FAIL_SURVIVED;
	/* It did less than it should, and its status is as ever: stderr decides who was told. */
	if (!baseline->errors_vary && outcome->errors_hash != usual->errors_hash)
		return FAIL_CLEAN;
	return FAIL_SILENT;
}

bool fail_verdict__is_fault(enum fail_verdict verdict, bool strict)
{
	return strict ? verdicts[verdict].is_strict_fault : verdicts[verdict].is_fault;
}

const char *fail_verdict__name(enum fail_verdict verdict)
{
	return verdicts[verdict].name;
}

enum fail_verdict fail_verdict__by_name(const char *name)
{
	for (size_t i = 0; name && i < FAIL_NR_VERDICTS; i++)
		if (!strcmp(verdicts[i].name, name))
			return (enum fail_verdict)i;
	return FAIL_UNTRIED;
}

static bool has_any(const char *text, size_t len, const char *const *parts, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (memmem(text, len, parts[i], strlen(parts[i])))
			return true;
	return false;
}

bool fail_verdict__has_report(const char *text, size_t len)
{
	/* As the run-time libraries of gcc and clang print them. */
	static const char *const reports[] = {
		"ERROR: AddressSanitizer",     "ERROR: LeakSanitizer",
		"WARNING: MemorySanitizer",    "ERROR: MemorySanitizer",
		"WARNING: ThreadSanitizer",    "ERROR: ThreadSanitizer",
		"ERROR: HWAddressSanitizer",   ": runtime error: ",
		"UndefinedBehaviorSanitizer:",
	};

	return has_any(text, len, reports, ARRAY_SIZE(reports));
}

bool fail_verdict__has_corruption(const char *text, size_t len)
{
	/* As glibc, tcmalloc and Scudo begin them. */
	static const char *const complaints[] = {
		"double free or corruption",
		"free(): double free",
		"free(): invalid ",
		"free(): corrupted ",
		"free(): unaligned ",
		"munmap_chunk(): invalid ",
		"mremap_chunk(): invalid ",
		"malloc_consolidate(): ",
		"malloc(): invalid ",
		"malloc(): corrupted ",
		"malloc(): mismatching ",
		"malloc(): unaligned ",
		"malloc(): unsorted ",
		"malloc(): smallbin ",
		"malloc(): largebin ",
		"malloc(): memory corruption",
		"realloc(): invalid ",
		"realloc(): unaligned ",
		"corrupted size vs. prev_size",
		"corrupted double-linked list",
		"Fatal glibc error: malloc",
		"*** stack smashing detected ***",
		"*** buffer overflow detected ***",
		"Attempt to free invalid pointer",
		"Scudo ERROR: ",
	};

	return has_any(text, len, complaints, ARRAY_SIZE(complaints));
}
