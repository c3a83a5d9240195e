/* SPDX-License-Identifier: BSD-2-Clause */
/* XXH3-64, with seed 0: of what is written, and of call paths. */
#ifndef PRELOAD_HASH_H
#define PRELOAD_HASH_H

#include <stddef.h>
#include <stdint.h>

/* data is aligned to 8. */
uint64_t hash__bytes(const void *data, size_t len);

#endif /* PRELOAD_HASH_H */
