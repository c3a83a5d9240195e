// SPDX-License-Identifier: BSD-2-Clause
/* The source that reads a stream of libdumpalloc, from a file or a pipe. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "source/open.h"
#include "source/source.h"
#include "trace/dumpalloc.h"
#include "wire.h"

/* Bytes between two returns of pump, so that its caller can show progress. */
#define BYTES_PER_PUMP (1u << 20)

struct dumpalloc_source {
	struct source source;
	struct dumpalloc *dump;
	char *name;
	int fd;
	uint64_t size, bytes; /* of the file, 0: it is none; of these, read */
	bool ended;
	/* The first record, while it is the newest: it was waited for to know the clock. */
	const struct wire_head *first;
	uint8_t buffer[BYTES_PER_PUMP];
};

static int next_record(struct dumpalloc_source *self, const struct wire_head **record)
{
	*record = self->first;
	self->first = NULL;
	return *record ? 1 : dumpalloc__next(self->dump, record);
}

/* Hands on all records there are. 0, -errno, said. */
static int drain(struct dumpalloc_source *self, record_fn take, void *data)
{
	const struct wire_head *record;
	int more, err;

	while ((more = next_record(self, &record)) > 0) {
		err = take(record, data);
		if (err == -EBADMSG)
			log_err("%s holds records that contradict each other; what comes before "
				"them is shown.",
				self->name);
		if (err)
			return err;
	}
	if (more < 0)
		log_err("%s %s; what comes before that is shown.", self->name,
			dumpalloc__reason(self->dump));
	return more;
}

/* Bytes read; 0: the end; -EAGAIN: none yet; -errno, said. */
static ssize_t read_some(struct dumpalloc_source *self, int timeout_ms)
{
	struct pollfd wanted = { .fd = self->fd, .events = POLLIN };
	ssize_t got;

	if (!poll(&wanted, 1, timeout_ms))
		return -EAGAIN;
	got = read(self->fd, self->buffer, sizeof(self->buffer));
	if (got >= 0) {
		self->bytes += (uint64_t)got;
		return got;
	}
	if (errno == EINTR || errno == EAGAIN)
		return -EAGAIN;
	got = -errno;
	log_err("%s cannot be read: %s.", self->name, strerror((int)-got));
	return got;
}

static void end_or_feed(struct dumpalloc_source *self, ssize_t got)
{
	dumpalloc__feed(self->dump, self->buffer, (size_t)got);
	if (got)
		return;
	dumpalloc__end(self->dump, false);
	self->ended = true;
}

static int pump(struct source *source, int timeout_ms, record_fn take, void *data)
{
	struct dumpalloc_source *self = (struct dumpalloc_source *)source;
	ssize_t got;
	int err;

	err = drain(self, take, data);
	if (err || self->ended)
		return err;
	got = read_some(self, timeout_ms);
	if (got == -EAGAIN)
		return 1;
	if (got < 0)
		return (int)got;
	end_or_feed(self, got);
	err = drain(self, take, data);
	return err ? err : !self->ended;
}

static void stop(struct source *source)
{
	struct dumpalloc_source *self = (struct dumpalloc_source *)source;

	dumpalloc__end(self->dump, true);
	self->ended = true;
}

static int module_fd(const struct source *source, uint32_t module)
{
	return -1;
}

static int perf_map_fd(struct source *source)
{
	return -1;
}

static int progress(const struct source *source)
{
	const struct dumpalloc_source *self = (const struct dumpalloc_source *)source;

	if (!self->size)
		return -1;
	/* A file that is being written has grown since. */
	return self->bytes < self->size ? (int)(self->bytes / (self->size / 100 + 1)) : 100;
}

static int wait_command(struct source *source)
{
	return -1;
}

static void anchor(const struct source *source, uint64_t *monotonic_ns, uint64_t *realtime_ns)
{
	const struct dumpalloc_source *self = (const struct dumpalloc_source *)source;

	dumpalloc__anchor(self->dump, monotonic_ns, realtime_ns);
}

static void close_source(struct source *source)
{
	struct dumpalloc_source *self = (struct dumpalloc_source *)source;

	dumpalloc__free(self->dump);
	if (self->fd > STDIN_FILENO)
		close(self->fd);
	free(self->name);
	free(self);
}

/* Waits for the header. 0, or -errno, said. */
static int read_first(struct dumpalloc_source *self, const void *start, size_t len)
{
	ssize_t got = (ssize_t)len;
	int more;

	memcpy(self->buffer, start, len);
	dumpalloc__feed(self->dump, self->buffer, len);
	while (!(more = dumpalloc__next(self->dump, &self->first))) {
		got = read_some(self, -1);
		if (got == -EAGAIN)
			continue;
		if (got < 0)
			return (int)got;
		end_or_feed(self, got);
	}
	if (more < 0)
		log_err("%s %s.", self->name, dumpalloc__reason(self->dump));
	return min(more, 0);
}

struct source *dumpalloc_source__new(int fd, const char *name, const void *start, size_t len)
{
	struct dumpalloc_source *self = xcalloc(1, sizeof(*self));
	struct stat status;

	self->source = (struct source){ .pump = pump,
					.stop = stop,
					.module_fd = module_fd,
					.perf_map_fd = perf_map_fd,
					.wait_command = wait_command,
					.anchor = anchor,
					.progress = progress,
					.close = close_source };
	self->fd = fd;
	self->bytes = len;
	if (!fstat(fd, &status) && S_ISREG(status.st_mode))
		self->size = (uint64_t)status.st_size;
	self->name = xstrdup(name);
	self->dump = dumpalloc__new(clock__realtime_ns());
	if (!read_first(self, start, len))
		return &self->source;
	close_source(&self->source);
	return NULL;
}
