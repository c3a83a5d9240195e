/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a recording, sequentially, from a file or a pipe, of a machine of either byte order. Every
 * length in it is hostile. A damaged or truncated recording yields everything before the damage,
 * then -EBADMSG and a reason.
 */
#ifndef READER_H
#define READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_head;
struct trace_reader;

/*
 * Reads the header from fd, which stays the caller's. NULL with errno: EBADMSG when this is no
 * recording, EPROTONOSUPPORT when a newer heaptap wrote it; *reason then is a sentence's end about
 * it ("is not a heaptap recording", …), a constant.
 */
struct trace_reader *trace_reader__new(int fd, const char **reason);
/* The same where the first len bytes were read from fd already, to see what they are: start holds
 * them until this returns. At most TRACE_READER_START of them. */
#define TRACE_READER_START 32
struct trace_reader *trace_reader__new_after(int fd, const void *start, size_t len,
					     const char **reason);

/*
 * The next record: *record is aligned to 8, record->size was checked against the block and is at
 * least the type's fixed part, variable parts included (a known type never claims bytes it has
 * not); unknown types are delivered too, with contents in the writer's byte order; the recording's
 * index is not. It lives until the next call. 1: a record; 0: the end;
 * -EBADMSG: damage, see trace_reader__reason; other -errno: reading failed.
 */
int trace_reader__next(struct trace_reader *reader, const struct wire_head **record);

/* Why trace_reader__next returned an error: the end of a sentence ("ends in the middle of a
 * block"). */
const char *trace_reader__reason(const struct trace_reader *reader);

/* The moment of the header in both clocks, so that record times become wall-clock times. */
void trace_reader__anchor(const struct trace_reader *reader, uint64_t *monotonic_ns,
			  uint64_t *realtime_ns);

/*
 * From now on, allocations and frees that are later than time_ns are left out. Of a file with an
 * index, blocks that have nothing else are not even read; all other records come as ever.
 */
void trace_reader__until(struct trace_reader *reader, uint64_t time_ns);

/* Is this a file with an index that can be believed? */
bool trace_reader__has_index(struct trace_reader *reader);

/* Bytes of a pointer of the program that wrote it: 4 or 8. Records have 8 for an address always. */
unsigned trace_reader__address_size(const struct trace_reader *reader);

/* The place of the next block: bytes consumed so far, those that were skipped included. */
uint64_t trace_reader__bytes(const struct trace_reader *reader);
/* How much of a file has been read, in percent; -1: of a pipe nobody knows. */
int trace_reader__progress(const struct trace_reader *reader);

void trace_reader__free(struct trace_reader *reader);

#endif /* READER_H */
