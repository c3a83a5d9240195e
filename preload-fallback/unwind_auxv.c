// SPDX-License-Identifier: BSD-2-Clause
#include "unwind_auxv.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

/* There are about twenty. */
#define MAX_PAIRS 64

/* Not in uClibc, nor in old versions of others. */
unsigned long getauxval(unsigned long type) __attribute__((weak));

static uintptr_t read_auxv(unsigned long type)
{
	uintptr_t pairs[MAX_PAIRS][2];
	int fd = open("/proc/self/auxv", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, pairs, sizeof(pairs));
	size_t nr = got < 0 ? 0 : (size_t)got / sizeof(pairs[0]);

	if (fd >= 0)
		close(fd);
	for (size_t i = 0; i < nr && pairs[i][0] != AT_NULL; i++)
		if (pairs[i][0] == type)
			return pairs[i][1];
	return 0;
}

uintptr_t unwind_auxv__get(unsigned long type)
{
	int saved = errno;
	uintptr_t value = getauxval ? getauxval(type) : read_auxv(type);

	errno = saved;
	return value;
}
