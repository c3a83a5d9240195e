/* SPDX-License-Identifier: BSD-2-Clause */
/* Small things every floor uses. Memory: the x* functions end the program with a sentence when
 * memory runs out (heaptap is a tool: there is nothing better to do); they never return NULL. */
#ifndef UTIL_H
#define UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define min(a, b)     ((a) < (b) ? (a) : (b))
#define max(a, b)     ((a) > (b) ? (a) : (b))
#define NSEC_PER_SEC  1000000000ull

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
/* Resizes an array of `count` elements of `size` bytes; the product is checked. */
void *xreallocarray(void *old, size_t count, size_t size);
char *xstrdup(const char *text);
/* At most len bytes of text, NUL-terminated. */
char *xstrndup(const char *text, size_t len);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Makes room for one more element in a growing array: *items has *capacity elements, nr are used.
 * Returns the array, doubled when it was full.
 */
void *array__grow(void *items, size_t nr, size_t *capacity, size_t item_size);

/* CLOCK_MONOTONIC and CLOCK_REALTIME in ns. */
uint64_t clock__monotonic_ns(void);
uint64_t clock__realtime_ns(void);

/* Memory of this process that is resident, and of the machine. In bytes; 0: not known. */
uint64_t memory__resident_bytes(void);
uint64_t memory__machine_bytes(void);

/* The part of a path after the last '/'. */
const char *path__base(const char *path);

/* Reads a whole small file (procfs, sysfs) of at most `max` bytes. Returns a NUL-terminated buffer
 * the caller frees, and its length in *len (may be NULL); NULL with errno on failure. */
char *file__read_all(const char *path, size_t max, size_t *len);

/* Parses a whole unsigned decimal or 0x number in [0, max]. 0, or -EINVAL / -ERANGE. */
int parse__u64(const char *text, uint64_t max, uint64_t *value);
/* Likewise with a unit: K, M, G (powers of 1024) for bytes. */
int parse__bytes(const char *text, uint64_t max, uint64_t *value);
/* A duration in seconds, decimals allowed, suffix ms, s, m, h optional; result in ns. */
int parse__duration_ns(const char *text, uint64_t *value_ns);

#endif /* UTIL_H */
