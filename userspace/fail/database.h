/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of a program's call paths to allocators, in a directory. In paths.jsonl is a line
 * of JSON for each path and try; a later line for a path replaces earlier ones. In known are the
 * ids, a line of 16 hexadecimal digits each: what the library fails no more. Both only grow, by
 * single writes at their ends, so several heaptaps may share the directory.
 */
#ifndef FAIL_DATABASE_H
#define FAIL_DATABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hash.h"
#include "fail/leaks.h"
#include "fail/stack.h"
#include "fail/verdict.h"

/* Paths at most; what is beyond is not read. */
#define FAIL_MAX_PATHS 200000

struct fail_path {
	uint64_t id;
	char *function; /* that failed; NULL: not known */
	uint64_t size;	/* bytes it was asked for */
	enum fail_verdict verdict;
	int signal;	     /* 0: none */
	int exit_status;     /* -1: not by exit */
	int client_status;   /* of who drove it; -1: nobody, or not by exit */
	uint64_t run;	     /* in which it failed, from 1 */
	pid_t pid;	     /* of the process in which; not kept */
	bool is_new;	     /* from fail_database__add */
	bool output_differs; /* from an undisturbed run's */
	bool output_unknown; /* it was not compared */
	bool said_something; /* on stderr that is not in an undisturbed run */
	struct fail_stack stack, crash_stack;
	struct fail_leaks leaks; /* blocks forgotten after it */
};

struct fail_database {
	char *known; /* path of that file */
	char *file;  /* of paths.jsonl */
	int fd;	     /* of that, to append; -1: only to read */
	int lock_fd;
	struct fail_path *paths; /* in the order of the first sight */
	size_t nr, capacity;
	struct hmap by_id; /* -> index */
};

/*
 * Opens the directory, made where there is none unless read_only. known: another file in place of
 * the directory's own; NULL: none. Ids in the directory's own file without a line in paths.jsonl,
 * left by a run that was broken off, are forgotten, when nobody else uses it now. 0, or -errno
 * after a sentence.
 */
int fail_database__open(struct fail_database *database, const char *directory, const char *known,
			bool read_only);
void fail_database__close(struct fail_database *database);

/* NULL: not known. */
struct fail_path *fail_database__find(const struct fail_database *database, uint64_t id);
/* Takes a path over, into memory and file. 0, or -errno after a sentence. */
int fail_database__add(struct fail_database *database, struct fail_path *path);
/* A path that has failed is failed again: is it in the file of known paths, as it should be? 0, or
 * -errno after a sentence. */
int fail_database__check_known(struct fail_database *database, uint64_t id);
/* Reads what others, too, have added: all anew, is_new stays. 0, or -errno after a sentence. */
int fail_database__reload(struct fail_database *database);

void fail_path__clear(struct fail_path *path);
/* Takes the verdict away, with all that it says: it is another path's. */
void fail_path__forget_verdict(struct fail_path *path);
/* As a line, without its end. */
void fail_path__write(const struct fail_path *path, FILE *out);
/* From a line. False: it is none. */
bool fail_path__read(struct fail_path *path, const char *line, size_t len);

/* Exactly 16 hexadecimal digits, or fewer where short_too. */
bool fail_path__parse_id(const char *text, bool short_too, uint64_t *id);

/* Writes the ids of all paths but that one to a file, as known has them; not of those that have
 * never been seen failing. 0 or -errno. */
int fail_database__write_known(const struct fail_database *database, const char *path,
			       uint64_t but);

#endif /* FAIL_DATABASE_H */
