/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program made of an allocation that failed, judged by how its run ended. Pure. */
#ifndef FAIL_VERDICT_H
#define FAIL_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fail_verdict {
	FAIL_UNTRIED,	/* known, and no run is known in which it failed */
	FAIL_SURVIVED,	/* the status and the output are those of an undisturbed run */
	FAIL_CLEAN,	/* with another status, as a program that gives up does, or by SIGPIPE */
	FAIL_SILENT,	/* the output is another one, and neither the status nor stderr says so */
	FAIL_LEAK,	/* it ended as ever, and has not freed what it should */
	FAIL_ABORT,	/* by abort() */
	FAIL_HANG,	/* it was not done when its time, or another limit, was over */
	FAIL_SANITIZER, /* a sanitizer has reported an error */
	FAIL_CRASH,	/* by a signal that is an error of its own */
	FAIL_NR_VERDICTS
};

/* How a run ended. */
struct fail_outcome {
	uint32_t status; /* as wait(2) has it */
	int signal;	 /* that it died of, or, where that is an error's, a child; 0: none */
	bool timed_out, sanitizer;
	bool corruption; /* the C library has said on stderr that its heap or stack is damaged */
	bool was_ready;	 /* of a driven program (fail/driver.h): its client could begin */
	uint32_t
		client_status; /* of the client, as wait(2) has it; the same in all where none is */
	uint64_t output_hash, errors_hash; /* of stdout, of stderr */
	uint64_t errors_bytes;
	uint64_t leaked_blocks; /* live at the end, and not at an undisturbed run's */
};

/* What undisturbed runs do. */
struct fail_baseline {
	struct fail_outcome outcome;
	bool output_varies, errors_vary; /* no two runs print the same: nothing is said of that */
};

enum fail_verdict fail_verdict__of(const struct fail_outcome *outcome,
				   const struct fail_baseline *baseline);
/* What the end by a signal is: a crash, an abort, a hang, or clean. */
enum fail_verdict fail_verdict__of_signal(int signal);
/* Does a program get it for what it does wrong? Of an abort, too; false for 0. */
bool fail_verdict__is_error_signal(int signal);
/* Is it a fault of the program? strict: a silent one and an abort are, too. */
bool fail_verdict__is_fault(enum fail_verdict verdict, bool strict);

/* The word in the database and in JSON. */
const char *fail_verdict__name(enum fail_verdict verdict);
/* FAIL_UNTRIED for a word that is none, and NULL. */
enum fail_verdict fail_verdict__by_name(const char *name);

/* Does a text, which is what a program printed on stderr, have a sanitizer's report in it? */
bool fail_verdict__has_report(const char *text, size_t len);

/* Or that of a C library or an allocator that has found the heap or the stack damaged, and aborts?
 */
bool fail_verdict__has_corruption(const char *text, size_t len);

#endif /* FAIL_VERDICT_H */
