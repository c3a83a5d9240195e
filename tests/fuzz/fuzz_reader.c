// SPDX-License-Identifier: BSD-2-Clause
/* libFuzzer: a recording from a stranger, or (its checksums being right) its blocks. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "base/hash.h"
#include "base/util.h"
#include "trace/block.h"
#include "trace/header.h"
#include "trace/pack.h"
#include "trace/reader.h"
#include "trace/swap.h"
#include "wire.h"

#define MAX_BLOCK 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads all, or what is not later than a time. Returns how much came. */
static uint64_t read_recording(int fd, uint64_t until_ns)
{
	const struct wire_head *record;
	const char *reason;
	struct trace_reader *reader;
	uint64_t sum = 0;

	lseek(fd, 0, SEEK_SET);
	reader = trace_reader__new(fd, &reason);
	if (!reader)
		return 0;
	trace_reader__until(reader, until_ns);
	while (trace_reader__next(reader, &record) > 0)
		sum += record->size;
	trace_reader__progress(reader);
	trace_reader__free(reader);
	return sum;
}

static void read_file(int fd, uint64_t until_ns)
{
	uint64_t all = read_recording(fd, UINT64_MAX);

	if (read_recording(fd, until_ns) > all)
		abort();
}

/* A block with a right checksum. Its records, or what zlib makes records of, are the stranger's. */
static void write_block(int fd, bool foreign, uint32_t codec, const uint8_t *data, uint32_t len)
{
	static uint8_t bytes[16 + 2 * MAX_BLOCK];
	struct block_header header = { .magic = BLOCK_MAGIC, .codec = codec };
	uLongf stored_len = 2 * MAX_BLOCK;

	header.raw_len = codec == BLOCK_PACKED ? 8 * MAX_BLOCK : len & ~7u;
	if (codec == BLOCK_STORED) {
		stored_len = header.raw_len;
		memcpy(bytes + 16, data, stored_len);
	} else {
		compress2(bytes + 16, &stored_len, data,
			  codec == BLOCK_PACKED ? len : header.raw_len, 1);
	}
	header.stored_len = (uint32_t)stored_len;
	if (foreign)
		block__swap_header(&header);
	memcpy(bytes, &header, 16);
	header.checksum = hash__bytes(bytes, 16 + stored_len);
	if (foreign)
		header.checksum = __builtin_bswap64(header.checksum);
	if (write(fd, &header, sizeof(header)) < 0 || write(fd, bytes + 16, stored_len) < 0)
		abort();
}

/* The input as blocks, each behind a byte that says its codec and two that say its length. */
static void read_sealed(const uint8_t *data, size_t size)
{
	bool foreign = *data & 1;
	uint64_t until_ns = *data >> 1;
	struct trace_header header;
	int fd = memfd_create("sealed", MFD_CLOEXEC);

	header__fill(&header);
	if (foreign)
		swap__fields(&header, sizeof(header), "11111111224112444888");
	header.checksum = hash__bytes(&header, offsetof(struct trace_header, checksum));
	if (foreign)
		header.checksum = __builtin_bswap64(header.checksum);
	if (write(fd, &header, sizeof(header)) < 0)
		abort();
	for (data++, size--; size > 3;) {
		uint32_t len = (uint32_t)min(size - 3, (size_t)(data[1] | data[2] << 8) % MAX_BLOCK);

		write_block(fd, foreign, data[0] % 3, data + 3, len);
		data += 3 + len;
		size -= 3 + len;
	}
	read_file(fd, until_ns);
	close(fd);
}

static void unpack(struct pack *pack, const uint8_t *data, size_t size)
{
	size_t raw_len = 8u * (data[0] << 8 | data[1]);
	void *raw = xmalloc(raw_len);

	pack__set_foreign(pack, size & 1);
	if (raw_len <= 1 << 20)
		pack__unpack(pack, data + 2, size - 2, raw, raw_len);
	free(raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pack *pack;
	int fd;

	if (!pack)
		pack = pack__new();
	/* As every recording begins. */
	if (size && data[0] == 0x89) {
		fd = memfd_create("recording", MFD_CLOEXEC);
		if (write(fd, data, size) == (ssize_t)size)
			read_file(fd, size);
		close(fd);
	} else if (size > 2) {
		read_sealed(data, size);
		unpack(pack, data, size);
	}
	return 0;
}
