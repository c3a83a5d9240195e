/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Turns a block's records into columns (all times, all addresses, …), as differences to what came
 * before where that makes them small, and back. zlib makes a third of them of what it makes of
 * the records, in half the time. Exact: every record comes back bit for bit, unknown ones too.
 */
#ifndef PACK_H
#define PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pack;

struct pack *pack__new(void);
void pack__free(struct pack *pack);

/* Is what is unpacked from now on of a machine with the other byte order? The records are of this
 * one's then; those of unknown types have only their head turned. */
void pack__set_foreign(struct pack *pack, bool foreign);

/*
 * Packs raw_len bytes of records (a multiple of 8, at most BLOCK_MAX_RAW; aligned to 8) into at
 * most raw_len bytes. Returns how many; 0 where they do not get shorter or are no whole records.
 */
size_t pack__pack(struct pack *pack, const void *raw, size_t raw_len, void *packed);

/* The inverse. packed is hostile: false where it is not what pack__pack makes of raw_len bytes.
 * Never writes past them. raw is aligned to 8. */
bool pack__unpack(struct pack *pack, const void *packed, size_t packed_len, void *raw,
		  size_t raw_len);

#endif /* PACK_H */
