/* SPDX-License-Identifier: BSD-2-Clause */
/* The recording format (docs/format.md) as far as the library writes it: the header, and blocks of
 * records that are stored as they are. */
#ifndef PRELOAD_BLOCK_OUT_H
#define PRELOAD_BLOCK_OUT_H

#include <stdint.h>

#define BLOCK_OUT_HEAD	 24u /* bytes in front of a block's records */
#define HEADER_OUT_BYTES 56u

/* Writes the HEADER_OUT_BYTES of a recording's header, aligned to 8. */
void header_out__write(void *to, uint64_t monotonic_ns, uint64_t realtime_ns);

/* Fills in the BLOCK_OUT_HEAD bytes before records, aligned to 8. */
void block_out__seal(void *records, uint32_t len);

/* Writes a wire_target of this process; at most room bytes. Returns its size, or 0. */
uint32_t target_out__write(void *to, uint32_t room, uint32_t pid, uint32_t flags,
			   uint32_t sample_bytes);

#endif /* PRELOAD_BLOCK_OUT_H */
