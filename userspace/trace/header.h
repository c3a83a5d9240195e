/* SPDX-License-Identifier: BSD-2-Clause */
/* The header of a recording: who can read what follows. */
#ifndef HEADER_H
#define HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEADER_VERSION 1
/* A later version may append fields; a reader skips those it does not know. */
#define HEADER_MAX_SIZE 4096
/* The start that no version ever changes: magic, version, header_size, byte_order. */
#define HEADER_START_SIZE 16

struct trace_header {
	uint8_t magic[8];
	uint16_t version;
	uint16_t header_size; /* this whole header, checksum included, a multiple of 8 */
	uint32_t byte_order;  /* 0x01020304 as the writing machine has it */
	uint8_t address_size; /* bytes of a pointer of the writing program */
	uint8_t clock;	      /* clockid_t of the records' times */
	uint16_t pad;
	uint32_t required_features; /* a reader that lacks one of these must refuse */
	uint32_t optional_features;
	uint32_t pad2;
	uint64_t monotonic_ns; /* the same moment in both clocks */
	uint64_t realtime_ns;
	uint64_t checksum; /* XXH3-64 of all before it; always the header's last field */
};

_Static_assert(sizeof(struct trace_header) == 56, "header layout");

/* header.optional_features: the two clocks are not of one moment for sure; the recording was made
 * of a stream that does not say when it began. */
#define HEADER_ANCHOR_GUESSED 1u

void header__fill(struct trace_header *header);
/* Likewise, with a moment of another machine's clock as far as it is known. */
void header__fill_guessed(struct trace_header *header, uint64_t monotonic_ns, uint64_t realtime_ns);

/* What the start of a header says of the rest. */
struct trace_start {
	size_t header_size;
	bool foreign; /* all numbers are of the other byte order */
};

/*
 * Whether a recording starts with these len bytes, of which the first HEADER_START_SIZE matter.
 * 0, and what follows in *found; -EBADMSG or -EPROTONOSUPPORT, and why.
 */
int header__check_start(const void *start, size_t len, struct trace_start *found,
			const char **reason);

/* The same for the rest: buffer holds the whole header. *header is in this machine's byte order. */
int header__check(const void *buffer, const struct trace_start *found, struct trace_header *header,
		  const char **reason);

#endif /* HEADER_H */
