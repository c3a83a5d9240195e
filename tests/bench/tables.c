// SPDX-License-Identifier: BSD-2-Clause
/*
 * tables FILE: prints the CPU seconds that compiling its unwind table takes, those that loading it
 * from the cache takes, the rows, and the bytes they are in the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "source/unwind_tables.h"
#include "unwind/cache.h"
#include "unwind/cfi.h"

#define NR_CHUNKS 64

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double compile_seconds(int fd)
{
	double start = cpu_seconds(), seconds;
	struct unwind_table *table = cfi__compile(fd, NULL);

	seconds = cpu_seconds() - start;
	unwind_table__free(table);
	return table ? seconds : -1;
}

static int array_of(size_t bytes)
{
	int fd = memfd_create("array", MFD_CLOEXEC);

	return fd < 0 || ftruncate(fd, (off_t)bytes) ? -1 : fd;
}

/* What unwind_tables.c writes for it, here into ordinary memory. */
static size_t kernel_bytes(const struct unwind_table *table)
{
	static struct unwind_tables tables;
	struct unwind_map_fds fds = {
		.modules = array_of(UNWIND_MAX_MODULES * sizeof(struct unwind_module)),
		.rules = array_of(UNWIND_MAX_RULES * 16),
		.chunks = -1,
	};

	if (unwind_tables__open(&tables, &fds))
		return 0;
	for (size_t i = 0; i < NR_CHUNKS; i++)
		tables.chunks[i] = mmap(NULL, UNWIND_CHUNK_BLOCKS * sizeof(struct unwind_block),
					PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unwind_tables__add(&tables, table);
	return tables.nr_blocks * sizeof(struct unwind_block) + tables.nr_rules * 16;
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	struct unwind_table *table = NULL;
	double start, compiling, loading = 0;
	bool from_cache = false;

	compiling = fd < 0 ? -1 : compile_seconds(fd);
	if (compiling < 0) {
		fprintf(stderr, "tables: no unwind table can be made of %s: %s\n",
			argc == 2 ? argv[1] : "no file", strerror(errno));
		return 1;
	}
	for (int i = 0; i < 2; i++) {
		unwind_table__free(table);
		start = cpu_seconds();
		table = cache__table(fd, NULL, &from_cache);
		loading = cpu_seconds() - start;
	}
	if (!from_cache) {
		fprintf(stderr, "tables: the cache does not keep %s\n", argv[1]);
		return 1;
	}
	printf("%f %f %zu %zu\n", compiling, loading, table->nr_rows, kernel_bytes(table));
	unwind_table__free(table);
	return 0;
}
