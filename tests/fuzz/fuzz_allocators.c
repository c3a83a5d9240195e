// SPDX-License-Identifier: BSD-2-Clause
/* libFuzzer: descriptors from a stranger, and behind a NUL a file to look for allocators in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "probe/custom.h"
#include "symbol/debugdata.h"
#include "symbol/elf.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is wrong with a descriptor is said on stderr; the sanitizers write to its descriptor. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	FILE *nowhere = fopen("/dev/null", "w");

	if (nowhere)
		stderr = nowhere;
	return 0;
}

static void search(int fd, const struct allocator_config *config)
{
	struct elf_file *elf = elf__open(fd);
	struct probe_site *sites;

	if (!elf)
		return;
	if (allocators__find(elf, config, "/a/file", &sites) > 0)
		free(sites);
	allocators__maps_memory(elf);
	free(allocators__why_none(elf, "/a/file"));
	elf__close(elf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct allocator_config config = { .mmap = size & 1 };
	size_t text_len = strnlen((const char *)data, size), packed_len;
	char *text = xstrndup((const char *)data, text_len), *out;
	int fd = memfd_create("file", MFD_CLOEXEC);

	custom__parse(&config.custom, text, "fuzz");
	size -= min(size, text_len + 1);
	data += text_len + 1;
	if (size && write(fd, data, size) == (ssize_t)size)
		search(fd, &config);
	if (size) {
		out = debugdata__expand(data, size, 1 << 20, &packed_len);
		free(out);
	}
	custom__clear(&config.custom);
	close(fd);
	free(text);
	return 0;
}
