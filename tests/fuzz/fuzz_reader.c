// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer: a recording from a stranger. The first byte says how the rest is taken: 255 as a whole
 * file, else as the payload of one block of that codec, whose length and checksum are made to fit.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/util.h"
#include "trace/block.h"
#include "trace/header.h"
#include "trace/reader.h"

static void write_block(int fd, uint32_t codec, uint32_t raw_len, const uint8_t *data, size_t size)
{
	struct block_header header = { BLOCK_MAGIC, raw_len, (uint32_t)size, codec, 0 };
	XXH3_state_t state;

	XXH3_64bits_reset(&state);
	XXH3_64bits_update(&state, &header, offsetof(struct block_header, checksum));
	XXH3_64bits_update(&state, data, size);
	header.checksum = XXH3_64bits_digest(&state);
	if (write(fd, &header, sizeof(header)) == sizeof(header) && write(fd, data, size) < 0)
		_exit(1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct wire_head *record;
	struct trace_reader *reader;
	struct trace_header header;
	const char *reason;
	int fd;

	if (size < 3)
		return 0;
	fd = memfd_create("recording", MFD_CLOEXEC);
	header__fill(&header);
	if (data[0] != 255 && write(fd, &header, sizeof(header)) < 0)
		_exit(1);
	if (data[0] != 255)
		write_block(fd, data[0], 8u * (data[1] << 8 | data[2]), data + 3, size - 3);
	else if (write(fd, data + 1, size - 1) < 0)
		_exit(1);
	lseek(fd, 0, SEEK_SET);
	reader = trace_reader__new(fd, &reason);
	while (reader && trace_reader__next(reader, &record) > 0)
		;
	trace_reader__free(reader);
	close(fd);
	return 0;
}
