// SPDX-License-Identifier: BSD-2-Clause
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void die_no_memory(size_t size)
{
	fprintf(stderr, "heaptap: out of memory: %zu more bytes could not be had.\n", size);
	exit(1);
}

void *xmalloc(size_t size)
{
	void *memory = malloc(size ? size : 1);

	if (!memory)
		die_no_memory(size);
	return memory;
}

void *xcalloc(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size ? size : 1);

	if (!memory)
		die_no_memory(count * size);
	return memory;
}

void *xrealloc(void *old, size_t size)
{
	void *memory = realloc(old, size ? size : 1);

	if (!memory)
		die_no_memory(size);
	return memory;
}

void *xreallocarray(void *old, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		die_no_memory(SIZE_MAX);
	return xrealloc(old, bytes);
}

char *xstrdup(const char *text)
{
	return xstrndup(text, strlen(text));
}

char *xstrndup(const char *text, size_t len)
{
	size_t used = strnlen(text, len);
	char *copy = xmalloc(used + 1);

	memcpy(copy, text, used);
	copy[used] = '\0';
	return copy;
}

char *xasprintf(const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		die_no_memory(0);
	return text;
}

void *array__grow(void *items, size_t nr, size_t *capacity, size_t item_size)
{
	if (nr < *capacity)
		return items;
	*capacity = *capacity ? *capacity * 2 : 16;
	return xreallocarray(items, *capacity, item_size);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

uint64_t clock__monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t clock__realtime_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

uint64_t memory__resident_bytes(void)
{
	unsigned long long pages = 0;
	char *text = file__read_all("/proc/self/statm", 256, NULL);

	if (text)
		sscanf(text, "%*u %llu", &pages);
	free(text);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t memory__machine_bytes(void)
{
	long pages = sysconf(_SC_PHYS_PAGES);

	return pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

const char *path__base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

char *file__read_all(const char *path, size_t max, size_t *len)
{
	size_t capacity = 0, used = 0;
	char *text = NULL;
	ssize_t got;
	int fd, err;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	do {
		if (used + 1 >= capacity) {
			capacity = capacity ? capacity * 2 : 4096;
			text = xrealloc(text, capacity);
		}
		got = read(fd, text + used, min(capacity - used - 1, max - used));
		if (got > 0)
			used += (size_t)got;
	} while (got > 0 && used < max);
	err = got < 0 ? errno : 0;
	close(fd);
	if (err) {
		free(text);
		errno = err;
		return NULL;
	}
	text[used] = '\0';
	if (len)
		*len = used;
	return text;
}

/* The number at the start of text; *end is the first character after it. */
static int parse_prefix(const char *text, uint64_t *value, char **end)
{
	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	*value = strtoull(text, end, text[0] == '0' && (text[1] | 32) == 'x' ? 16 : 10);
	return -errno;
}

int parse__u64(const char *text, uint64_t max, uint64_t *value)
{
	char *end;
	int err = parse_prefix(text, value, &end);

	if (err)
		return err;
	if (*end)
		return -EINVAL;
	return *value > max ? -ERANGE : 0;
}

int parse__bytes(const char *text, uint64_t max, uint64_t *value)
{
	static const char units[] = "KMG";
	const char *unit;
	unsigned shift = 0;
	char *end;
	int err = parse_prefix(text, value, &end);

	if (err)
		return err;
	unit = memchr(units, *end & ~32, strlen(units));
	if (unit) {
		shift = 10u * (unsigned)(unit - units + 1);
		end++;
	}
	if (*end)
		return -EINVAL;
	if (*value > max >> shift)
		return -ERANGE;
	*value <<= shift;
	return 0;
}

int parse__duration_ns(const char *text, uint64_t *value_ns)
{
	static const struct {
		const char *suffix;
		double seconds;
	} units[] = { { "", 1 }, { "ms", 1e-3 }, { "s", 1 }, { "m", 60 }, { "h", 3600 } };
	double number;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	number = strtod(text, &end);
	/* It would also take 0x10 and 1e3. */
	if (strspn(text, "0123456789.") != (size_t)(end - text))
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(end, units[i].suffix))
			continue;
		number *= units[i].seconds * 1e9;
		if (!(number < 9e18))
			return -ERANGE;
		*value_ns = (uint64_t)number;
		return 0;
	}
	return -EINVAL;
}
