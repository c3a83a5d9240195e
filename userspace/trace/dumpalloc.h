/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the stream that libdumpalloc sends (DUMPALLOC_SERVER, DUMPALLOC_FILE), of either byte
 * order, as wire records. It does no I/O: its caller hands it bytes as they come, from a file, a
 * pipe or many sockets at once. Every length in the stream is hostile; what is kept of it is
 * bounded.
 *
 * The stream has no thread ids (the process's is given), no end of an object (it gets the beginning
 * of the next, or 2 GiB), and whole seconds of the sender's CLOCK_MONOTONIC. A library's
 * constructors allocate before it is told: those frames are shown in the object below.
 */
#ifndef DUMPALLOC_H
#define DUMPALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dumpalloc;
struct wire_head;

/* How many bytes of its beginning tell such a stream from others. */
#define DUMPALLOC_START_SIZE 20

/* Whether these len bytes begin such a stream, in either byte order. */
bool dumpalloc__begins(const void *start, size_t len);

/* now_ns: CLOCK_REALTIME. The stream does not say when it began; it is taken to be now. */
struct dumpalloc *dumpalloc__new(uint64_t now_ns);
void dumpalloc__free(struct dumpalloc *dump);

/* The next len bytes, which must stay until dumpalloc__next has returned 0 or an error. It must
 * have, for those before. */
void dumpalloc__feed(struct dumpalloc *dump, const void *data, size_t len);

/*
 * No more bytes come. stopped: the reader wants no more, else the sender had no more. What is left
 * comes by dumpalloc__next, then the WIRE_ENDs; where the sender stopped in the middle of a record,
 * damage instead.
 */
void dumpalloc__end(struct dumpalloc *dump, bool stopped);

/*
 * The next record, as of trace_reader__next: 1: a record, which lives until the next call; 0: all
 * that was fed has been used up (after dumpalloc__end: the end); -EBADMSG: damage, all before it
 * has been delivered, see dumpalloc__reason. The first record is a WIRE_TARGET.
 */
int dumpalloc__next(struct dumpalloc *dump, const struct wire_head **record);

/* Why dumpalloc__next returned an error: the end of a sentence ("ends in the middle of a record").
 */
const char *dumpalloc__reason(const struct dumpalloc *dump);

/* One moment in both clocks, as far as it is known: once the first record has come, else false. */
bool dumpalloc__anchor(const struct dumpalloc *dump, uint64_t *monotonic_ns, uint64_t *realtime_ns);

#endif /* DUMPALLOC_H */
