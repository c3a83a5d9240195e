/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file that rows are appended to for hours, while others read it, move it away or delete it.
 *
 *  - Only whole rows are ever in it.
 *  - When it has been moved or deleted, a new one of its name is begun at the next flush.
 *  - When it would grow beyond a size, it becomes FILE.1, what was FILE.1 becomes FILE.2, and so
 *    on to FILE.keep; the oldest is deleted. What is there at the beginning is moved likewise;
 *    without a size, it is emptied.
 *  - While the disk is full, rows are counted instead of written, if that is wanted.
 *
 * A file is created for its owner only (under sudo: who called it), and a symbolic link is not
 * followed. What is no regular file, and standard output, is only written to.
 */
#ifndef ROWFILE_H
#define ROWFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rowfile_options {
	const char *path;      /* NULL or "-": standard output */
	const char *header;    /* what every file begins with, with its LF; NULL: nothing */
	uint64_t rotate_bytes; /* 0: never */
	unsigned keep;	       /* old files; 0: what is there is deleted */
	bool persist;	       /* a full disk does not end it */
};

struct rowfile;

/* The strings are copied. NULL with errno, after saying why not. */
struct rowfile *rowfile__open(const struct rowfile_options *options);
/* Another header, copied, for files that have none yet; before the first flush. */
void rowfile__set_header(struct rowfile *file, const char *header);
/* A row with its LF. 0, or -errno, said: nothing more can be written. */
int rowfile__append(struct rowfile *file, const char *row, size_t len);
/* Writes what was appended so far. Likewise. */
int rowfile__flush(struct rowfile *file);
/* Flushes and frees; NULL is allowed. 0, or -errno, said, when rows are missing in the file. */
int rowfile__close(struct rowfile *file);

#endif /* ROWFILE_H */
