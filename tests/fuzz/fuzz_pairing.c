// SPDX-License-Identifier: BSD-2-Clause
/* Rows of anything, in either dialect: what is left is rows that were there, and pairs with nothing
 * more to take away. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cmd/pairing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left; the caller frees it. */
static char *pair(const void *text, size_t size, size_t *left_size, struct pairing_counts *counts)
{
	int fd = memfd_create("rows", MFD_CLOEXEC);
	char *left = NULL;
	FILE *out;

	if (fd < 0 || write(fd, text, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET))
		abort();
	out = open_memstream(&left, left_size);
	if (pairing__run(fd, out, counts) || fclose(out))
		abort();
	close(fd);
	return left;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pairing_counts counts, again;
	size_t left_size, again_size;
	char *left = pair(data, size, &left_size, &counts);
	char *left_again = pair(left, left_size, &again_size, &again);

	if (counts.kept > counts.rows || again.malformed || again.kept != counts.kept ||
	    again_size != left_size || memcmp(left, left_again, left_size))
		abort();
	free(left);
	free(left_again);
	return 0;
}
