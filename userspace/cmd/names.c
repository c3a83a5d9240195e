// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/names.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "report/model.h"
#include "trace/reader.h"
#include "wire.h"

/* Records between two looks at the memory. */
#define RECORDS_PER_LOOK 100000

static void read_all(struct model *model, struct trace_reader *reader, uint64_t limit_bytes)
{
	const struct wire_head *record;

	for (unsigned i = 1; trace_reader__next(reader, &record) > 0; i++) {
		if (i % RECORDS_PER_LOOK == 0 && memory__resident_bytes() > limit_bytes)
			return;
		if ((record->type == WIRE_STRING || record->type == WIRE_SYMBOL) &&
		    model__apply(model, record))
			return;
	}
}

bool names__read(struct model *model, const char *path, uint64_t limit_bytes)
{
	struct trace_reader *reader = NULL;
	const char *reason;
	struct stat status;
	int fd;

	if (!strcmp(path, "-") || stat(path, &status) || !S_ISREG(status.st_mode))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	reader = trace_reader__new(fd, &reason);
	if (reader)
		read_all(model, reader, limit_bytes);
	trace_reader__free(reader);
	close(fd);
	return reader != NULL;
}
