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

static void read_all(struct model *model, struct trace_reader *reader, struct memory_watch memory)
{
	const struct wire_head *record;

	while (trace_reader__next(reader, &record) > 0) {
		if (record->type != WIRE_STRING && record->type != WIRE_SYMBOL)
			continue;
		if (model__apply(model, record) || memory_watch__check(&memory, record))
			return;
	}
}

bool names__read(struct model *model, const char *path, struct memory_watch memory)
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
		read_all(model, reader, memory);
	trace_reader__free(reader);
	close(fd);
	return reader != NULL;
}
