/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines of a file of any length, in bounded memory. */
#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a line at most; what is longer is passed over. */
#define LINES_MAX (1u << 20)

struct line {
	const char *text; /* without its LF, and without a NUL; lives until the next */
	size_t len;
	uint64_t offset; /* in the file */
	bool too_long;	 /* there is no text */
};

struct lines;

/* fd stays the caller's. */
struct lines *lines__new(int fd);
/* 1: a line; 0: the end; -errno. What follows the last LF is a line unless it is empty. */
int lines__next(struct lines *lines, struct line *line);
void lines__free(struct lines *lines);

#endif /* LINES_H */
