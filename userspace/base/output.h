/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file to write results to, which appears whole or not at all: it is written without a name
 * (where file systems cannot do that, under a temporary one) in the same folder and takes its own
 * name when it is complete. Until then, and when something fails, what had that name stays as it
 * was.
 *
 * "-" is standard output. What exists and is no regular file (/dev/null, /dev/stdout, a FIFO) is
 * written to, not replaced. Through a symbolic link the file behind it is replaced and the link
 * stays, as with a redirection of the shell: who linked the name elsewhere wants the data there.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdio.h>

struct output;

/*
 * Opens the output named path. A new file can be read by its owner only, under sudo by who called
 * it; one that replaces another of the same owner gets the permissions of that. NULL with errno,
 * after saying why not.
 */
struct output *output__open(const char *path);

/* Where to write to. The output's own; not to be closed. */
FILE *output__stream(const struct output *output);

/*
 * Writes what is left, gives the file its name and frees output. 0, or -errno after saying what
 * failed: then it is as after output__abandon.
 */
int output__commit(struct output *output);

/* Forgets the output: no file changes. What was written to standard output or to a special file
 * has been written. NULL is allowed. */
void output__abandon(struct output *output);

/* Under sudo, makes a file that root has just created belong to the caller, who is to read it
 * without privilege. */
void output__give_to_caller(int fd);

#endif /* OUTPUT_H */
