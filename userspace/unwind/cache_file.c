// SPDX-License-Identifier: BSD-2-Clause
/*
 * The files of the cache: a header, the rows, the rules, as they are in memory: they never leave
 * the machine. The checksum finds accidents; that nobody else may write is what makes them trusted.
 * All the same every index is checked, for they lead a program in the kernel.
 */
#include "unwind/cache_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/util.h"

/* To be counted up when the compiler makes other rows of the same file. */
#define VERSION 3

/* Twice the rows of the largest table the builder makes. */
#define MAX_ROWS (1u << 25)

static const char magic[8] = "htunwind";

struct header {
	char magic[8];
	uint64_t version;
	struct cache_key key;
	uint64_t base;
	uint64_t nr_rows, nr_rules;
	uint64_t checksum; /* of the header with 0 here, the rows and the rules */
};

struct name {
	char text[24];
};

static struct name name_of(const struct cache_key *key)
{
	struct name name;

	snprintf(name.text, sizeof(name.text), "%016" PRIx64, hash__bytes(key, sizeof(*key)));
	return name;
}

static uint64_t checksum(const struct header *header, const struct unwind_table *table)
{
	struct header copy = *header;
	uint64_t parts[3];

	copy.checksum = 0;
	parts[0] = hash__bytes(&copy, sizeof(copy));
	parts[1] = hash__bytes(table->rows, table->nr_rows * sizeof(*table->rows));
	parts[2] = hash__bytes(table->rules, table->nr_rules * sizeof(*table->rules));
	return hash__bytes(parts, sizeof(parts));
}

static bool read_all(int fd, void *buffer, size_t len)
{
	while (len) {
		ssize_t got = read(fd, buffer, len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		buffer = (char *)buffer + got;
		len -= (size_t)got;
	}
	return true;
}

static int write_all(int fd, const void *buffer, size_t len)
{
	while (len) {
		ssize_t put = write(fd, buffer, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		buffer = (const char *)buffer + put;
		len -= (size_t)put;
	}
	return 0;
}

static bool rules_are_valid(const struct unwind_table *table)
{
	static const struct unwind_rule none;
	bool has_none = false;

	for (size_t i = 0; i < table->nr_rules; i++) {
		const struct unwind_rule *rule = &table->rules[i];

		if (rule->cfa > UNWIND_CFA_END || rule->rbp > UNWIND_RBP_AT_RBP)
			return false;
		has_none |= !memcmp(rule, &none, sizeof(none));
	}
	return has_none;
}

static bool rows_are_valid(const struct unwind_table *table)
{
	const struct unwind_row *rows = table->rows;
	bool valid = !table->nr_rows || (rows[0].rule < table->nr_rules && !rows[0].pad);

	/* No way out in between: a million rows are checked in a millisecond. */
	for (size_t i = 1; i < table->nr_rows; i++)
		valid &= (rows[i].pc > rows[i - 1].pc) & (rows[i].rule != rows[i - 1].rule) &
			 (rows[i].rule < table->nr_rules) & !rows[i].pad;
	return valid;
}

/* The header, when it is the right one for a file of this size. */
static bool read_header(int fd, uint64_t size, const struct cache_key *key, struct header *header)
{
	if (!read_all(fd, header, sizeof(*header)))
		return false;
	return !memcmp(header->magic, magic, sizeof(magic)) && header->version == VERSION &&
	       !memcmp(&header->key, key, sizeof(*key)) && header->nr_rows <= MAX_ROWS &&
	       header->nr_rules <= UNWIND_MAX_RULES &&
	       size == sizeof(*header) + header->nr_rows * sizeof(struct unwind_row) +
			       header->nr_rules * sizeof(struct unwind_rule);
}

/* O_NONBLOCK: a FIFO in the file's place does not hold us. */
static int open_file(int folder, const char *name, uint64_t *size)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		return -1;
	if (fstat(fd, &status) || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
	    status.st_mode & 022) {
		close(fd);
		return -1;
	}
	*size = (uint64_t)status.st_size;
	return fd;
}

struct unwind_table *cache_file__load(int folder, const struct cache_key *key)
{
	struct unwind_table *table = NULL;
	struct header header;
	uint64_t size;
	int fd = open_file(folder, name_of(key).text, &size);

	if (fd < 0)
		return NULL;
	if (!read_header(fd, size, key, &header))
		goto out;
	table = xcalloc(1, sizeof(*table));
	table->base = header.base;
	table->nr_rows = header.nr_rows;
	table->nr_rules = header.nr_rules;
	table->rows = xreallocarray(NULL, table->nr_rows, sizeof(*table->rows));
	table->rules = xreallocarray(NULL, table->nr_rules, sizeof(*table->rules));
	if (!read_all(fd, table->rows, table->nr_rows * sizeof(*table->rows)) ||
	    !read_all(fd, table->rules, table->nr_rules * sizeof(*table->rules)) ||
	    checksum(&header, table) != header.checksum || !rules_are_valid(table) ||
	    !rows_are_valid(table)) {
		unwind_table__free(table);
		table = NULL;
	}
out:
	close(fd);
	return table;
}

static int write_table(int fd, const struct cache_key *key, const struct unwind_table *table)
{
	struct header header = {
		.version = VERSION,
		.key = *key,
		.base = table->base,
		.nr_rows = table->nr_rows,
		.nr_rules = table->nr_rules,
	};
	int err;

	memcpy(header.magic, magic, sizeof(magic));
	header.checksum = checksum(&header, table);
	err = write_all(fd, &header, sizeof(header));
	if (!err)
		err = write_all(fd, table->rows, table->nr_rows * sizeof(*table->rows));
	if (!err)
		err = write_all(fd, table->rules, table->nr_rules * sizeof(*table->rules));
	return err;
}

int cache_file__store(int folder, const struct cache_key *key, const struct unwind_table *table)
{
	char temporary[64];
	int fd, err;

	/* Not waited for on its way to the disk: what a crash leaves of it fails the checksum. */
	snprintf(temporary, sizeof(temporary), ".new-%d-%" PRIx64, getpid(), clock__monotonic_ns());
	fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = write_table(fd, key, table);
	if (close(fd) && !err)
		err = -errno;
	if (!err && renameat(folder, temporary, folder, name_of(key).text))
		err = -errno;
	if (err)
		unlinkat(folder, temporary, 0);
	return err;
}

struct stored {
	char *name;
	uint64_t size;
	struct timespec changed;
};

static int compare_age(const void *a, const void *b)
{
	const struct stored *left = a, *right = b;

	if (left->changed.tv_sec != right->changed.tv_sec)
		return left->changed.tv_sec < right->changed.tv_sec ? -1 : 1;
	return left->changed.tv_nsec < right->changed.tv_nsec
		       ? -1
		       : left->changed.tv_nsec > right->changed.tv_nsec;
}

/* Regular files of the folder, temporary ones that were left behind included. */
static struct stored *list_files(int folder, size_t *nr, uint64_t *total)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct stored *files = NULL;
	size_t capacity = 0;
	struct dirent *entry;
	struct stat status;

	*nr = 0;
	*total = 0;
	if (!dir && fd >= 0)
		close(fd);
	while (dir && (entry = readdir(dir))) {
		if (fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(status.st_mode))
			continue;
		files = array__grow(files, *nr, &capacity, sizeof(*files));
		files[(*nr)++] = (struct stored){ .name = xstrdup(entry->d_name),
						  .size = (uint64_t)status.st_size,
						  .changed = status.st_mtim };
		*total += (uint64_t)status.st_size;
	}
	if (dir)
		closedir(dir);
	return files;
}

void cache_file__prune(int folder, uint64_t max_bytes)
{
	uint64_t total;
	size_t nr;
	struct stored *files = list_files(folder, &nr, &total);

	if (nr)
		qsort(files, nr, sizeof(*files), compare_age);
	for (size_t i = 0; i < nr; i++) {
		if (total > max_bytes && !unlinkat(folder, files[i].name, 0))
			total -= files[i].size;
		free(files[i].name);
	}
	free(files);
}
