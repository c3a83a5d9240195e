// SPDX-License-Identifier: BSD-2-Clause
/* The source that reads a recording. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "source/open.h"
#include "source/source.h"
#include "trace/reader.h"
#include "wire.h"

/* Records between two returns of pump, so that its caller can show progress. */
#define RECORDS_PER_PUMP 100000

struct file_source {
	struct source source;
	struct trace_reader *reader;
	char *path;
	int fd;
	bool complete;	   /* the WIRE_END of the recording was seen */
	uint32_t only_pid; /* of the processes seen; 0: none yet */
	bool several;	   /* of them */
	bool stopping;
};

/* Older recordings, of one process each, end with that process's end. */
static void note_completeness(struct file_source *self, const struct wire_head *record)
{
	if (record->type == WIRE_END)
		self->complete = !record->pid || !self->several;
	if (record->type == WIRE_FORK ||
	    (record->type == WIRE_TARGET && self->only_pid && self->only_pid != record->pid))
		self->several = true;
	if (record->type == WIRE_TARGET)
		self->only_pid = record->pid;
}

static int end_of_file(const struct file_source *self)
{
	if (!self->complete)
		log_err("%s has no end record: its writer was stopped before it was done. What it "
			"holds is shown.",
			self->path);
	return self->complete ? 0 : -EBADMSG;
}

static int pump(struct source *source, int timeout_ms, record_fn take, void *data)
{
	struct file_source *self = (struct file_source *)source;
	const struct wire_head *record;
	int err;

	for (unsigned i = 0; i < RECORDS_PER_PUMP; i++) {
		if (self->stopping)
			return 0;
		err = trace_reader__next(self->reader, &record);
		if (err == 0)
			return end_of_file(self);
		if (err == -EBADMSG)
			log_err("%s %s; what comes before that is shown.", self->path,
				trace_reader__reason(self->reader));
		else if (err < 0)
			log_err("%s cannot be read: %s.", self->path, strerror(-err));
		if (err < 0)
			return err;
		if (record->type >= WIRE_STACK)
			note_completeness(self, record);
		err = take(record, data);
		if (err) {
			if (err == -EBADMSG)
				log_err("%s holds records that contradict each other; what comes "
					"before them is shown.",
					self->path);
			return err;
		}
	}
	return 1;
}

static void stop(struct source *source)
{
	((struct file_source *)source)->stopping = true;
}

static int module_fd(const struct source *source, uint32_t module)
{
	return -1;
}

static int perf_map_fd(struct source *source)
{
	return -1;
}

static void anchor(const struct source *source, uint64_t *monotonic_ns, uint64_t *realtime_ns)
{
	const struct file_source *self = (const struct file_source *)source;

	trace_reader__anchor(self->reader, monotonic_ns, realtime_ns);
}

static void until(struct source *source, uint64_t time_ns)
{
	struct file_source *self = (struct file_source *)source;

	/* Else nothing is gained: who asks leaves them out as well. */
	if (trace_reader__has_index(self->reader))
		trace_reader__until(self->reader, time_ns);
}

static int progress(const struct source *source)
{
	return trace_reader__progress(((const struct file_source *)source)->reader);
}

static int wait_command(struct source *source)
{
	return -1;
}

static void close_source(struct source *source)
{
	struct file_source *self = (struct file_source *)source;

	trace_reader__free(self->reader);
	if (self->fd > STDIN_FILENO)
		close(self->fd);
	free(self->path);
	free(self);
}

struct source *file_source__new(int fd, const char *name, const void *start, size_t len)
{
	struct file_source *self = xcalloc(1, sizeof(*self));
	const char *reason = NULL;

	self->source = (struct source){ .pump = pump,
					.stop = stop,
					.module_fd = module_fd,
					.perf_map_fd = perf_map_fd,
					.wait_command = wait_command,
					.anchor = anchor,
					.until = until,
					.progress = progress,
					.close = close_source };
	self->fd = fd;
	self->path = xstrdup(name);
	self->reader = trace_reader__new_after(fd, start, len, &reason);
	if (!self->reader) {
		if (reason)
			log_err("%s %s.", self->path, reason);
		else
			log_err("%s cannot be read: %s.", self->path, strerror(errno));
		close_source(&self->source);
		return NULL;
	}
	return &self->source;
}
