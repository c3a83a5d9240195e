// SPDX-License-Identifier: BSD-2-Clause
/*
 * Memory asked of the kernel by the program itself, tallied.
 *   mappings [nothing]
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "tally.h"

static void *map(size_t bytes)
{
	void *addr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(addr != MAP_FAILED);
	tally_allocated(bytes);
	return addr;
}

static void use_mappings(void)
{
	void *addr = map(1 << 20);

	addr = mremap(addr, 1 << 20, 4 << 20, MREMAP_MAYMOVE);
	MUST(addr != MAP_FAILED);
	tally_resized(1 << 20, 4 << 20);
	MUST(mremap(addr, 4 << 20, (size_t)1 << 50, MREMAP_MAYMOVE) == MAP_FAILED);
	tally_failed();
	MUST(!munmap(addr, 4 << 20));
	tally_freed(4 << 20);
	MUST(mmap(NULL, (size_t)1 << 60, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	     MAP_FAILED);
	tally_failed();
	map(12345);
}

/* A file is no memory; what sbrk gives back does not count, nor that it was asked where it is. */
static void use_others(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	MUST(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	MUST(sbrk(0) != (void *)-1);
	MUST(sbrk(10000) != (void *)-1);
	tally_allocated(10000);
	MUST(sbrk(30000) != (void *)-1);
	tally_allocated(30000);
	MUST(sbrk(-4096) != (void *)-1);
}

int main(int argc, char **argv)
{
	if (argc == 1) {
		use_mappings();
		use_others();
	}
	tally_print();
	return 0;
}
