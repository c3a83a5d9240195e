/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One stream that somebody sends, on its way into a recording: one of heaptap's is stored as it
 * comes, one of libdumpalloc's is converted. Nothing is kept of anything else. Knows nothing of
 * sockets. It prints nothing: how it ended, the caller tells.
 */
#ifndef INTAKE_H
#define INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct intake;

/* folder: an open directory, the caller's, for the file. max_bytes: of the stream. number: tells
 * streams that are received at once apart. */
struct intake *intake__new(int folder, uint64_t max_bytes, uint64_t number);

/* The next bytes. 0; -errno: no more are wanted, intake__reason says why, and intake__finish is
 * due. */
int intake__take(struct intake *intake, const void *data, size_t len);

/*
 * No more bytes come. stopped: nobody waits for them, else the sender has no more. Gives the file
 * the name NAME.PID.htap of the process it is about, with a number where there is one of that name,
 * or else receive.N.htap. Returns the name, which lives as long as the intake; NULL: nothing was
 * kept. No name begins with a dot or a dash or has a character that means something to a shell.
 */
const char *intake__finish(struct intake *intake, bool stopped);

/* The end of a sentence about the stream: "is empty"; NULL: there is nothing to say. */
const char *intake__reason(const struct intake *intake);
uint64_t intake__bytes(const struct intake *intake);
/* Was it libdumpalloc's, which has no names of functions? */
bool intake__is_converted(const struct intake *intake);

/* Also of one that was not finished: nothing is kept then. */
void intake__free(struct intake *intake);

#endif /* INTAKE_H */
