// SPDX-License-Identifier: BSD-2-Clause
/* libFuzzer: a recording from a stranger, or (its checksum being right) one packed block of it. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "trace/pack.h"
#include "trace/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_recording(int fd)
{
	const struct wire_head *record;
	const char *reason;
	struct trace_reader *reader = trace_reader__new(fd, &reason);

	while (reader && trace_reader__next(reader, &record) > 0)
		;
	trace_reader__free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t raw_len = size > 2 ? 8u * (data[0] << 8 | data[1]) : 0;
	static struct pack *pack;
	void *raw = xmalloc(raw_len);
	int fd = memfd_create("recording", MFD_CLOEXEC);

	if (write(fd, data, size) == (ssize_t)size && !lseek(fd, 0, SEEK_SET))
		read_recording(fd);
	if (!pack)
		pack = pack__new();
	if (size > 2 && raw_len <= 1 << 20)
		pack__unpack(pack, data + 2, size - 2, raw, raw_len);
	close(fd);
	free(raw);
	return 0;
}
