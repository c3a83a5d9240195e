// SPDX-License-Identifier: BSD-2-Clause
#include "source/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"
#include "base/util.h"
#include "source/intake_name.h"
#include "trace/dumpalloc.h"
#include "trace/header.h"
#include "trace/writer.h"
#include "wire.h"

enum stage { SNIFF, COPY, CONVERT };

struct intake {
	int folder, fd; /* fd -1: there is no file yet */
	uint64_t number, bytes, max_bytes;
	enum stage stage;
	char *reason, *name;
	char temporary[64];
	struct dumpalloc *dump;
	struct trace_writer *writer;
	struct intake_target target;
	size_t nr_start;
	uint8_t start[HEADER_MAX_SIZE]; /* what came before it was known what it is */
};

struct intake *intake__new(int folder, uint64_t max_bytes, uint64_t number)
{
	struct intake *intake = xcalloc(1, sizeof(*intake));

	intake->folder = folder;
	intake->fd = -1;
	intake->max_bytes = max_bytes;
	intake->number = number;
	return intake;
}

static void let_go(struct intake *intake)
{
	trace_writer__close(intake->writer);
	dumpalloc__free(intake->dump);
	intake->writer = NULL;
	intake->dump = NULL;
	if (intake->fd >= 0)
		close(intake->fd);
	intake->fd = -1;
}

void intake__free(struct intake *intake)
{
	if (!intake)
		return;
	let_go(intake);
	if (intake->temporary[0])
		unlinkat(intake->folder, intake->temporary, 0);
	free(intake->reason);
	free(intake->name);
	free(intake);
}

/* The first reason is the one. */
static int end_for(struct intake *intake, int err, const char *reason)
{
	if (!intake->reason)
		intake->reason = xstrdup(reason);
	return err;
}

static int cannot_write(struct intake *intake, int err)
{
	if (!intake->reason)
		intake->reason = xasprintf("cannot be written: %s", strerror(-err));
	return err;
}

/* The file, under a name that tells what it is should we be killed. */
static int create(struct intake *intake)
{
	snprintf(intake->temporary, sizeof(intake->temporary),
		 "heaptap-receive.%d.%" PRIu64 ".part", (int)getpid(), intake->number);
	intake->fd = openat(intake->folder, intake->temporary,
			    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (intake->fd < 0) {
		int err = -errno;

		intake->temporary[0] = '\0'; /* not ours */
		return cannot_write(intake, err);
	}
	output__give_to_caller(intake->fd);
	return 0;
}

static int copy(struct intake *intake, const void *data, size_t len)
{
	while (len) {
		ssize_t done = write(intake->fd, data, len);

		if (done < 0 && errno != EINTR)
			return cannot_write(intake, -errno);
		if (done <= 0)
			continue;
		data = (const char *)data + done;
		len -= (size_t)done;
	}
	return 0;
}

/* The recording that a stream is converted into begins with its first record. */
static int begin_recording(struct intake *intake, const struct wire_head *record)
{
	uint64_t monotonic_ns, realtime_ns;
	int err = create(intake);

	if (err)
		return err;
	intake_target__set(&intake->target, (const struct wire_target *)record);
	dumpalloc__anchor(intake->dump, &monotonic_ns, &realtime_ns);
	intake->writer =
		trace_writer__new_guessed(intake->fd, intake->temporary, monotonic_ns, realtime_ns);
	return intake->writer ? 0 : cannot_write(intake, -errno);
}

static int drain(struct intake *intake)
{
	const struct wire_head *record;
	int more, err;

	while ((more = dumpalloc__next(intake->dump, &record)) > 0) {
		err = intake->writer ? 0 : begin_recording(intake, record);
		if (err)
			return err;
		err = trace_writer__append(intake->writer, record);
		if (err)
			return cannot_write(intake, err);
	}
	return more < 0 ? end_for(intake, more, dumpalloc__reason(intake->dump)) : 0;
}

static int convert(struct intake *intake, const void *data, size_t len)
{
	dumpalloc__feed(intake->dump, data, len);
	return drain(intake);
}

/* Is the header of a recording there, and good? 0: not all of it; 1; -errno. */
static int check_header(struct intake *intake)
{
	struct trace_header header;
	struct trace_start found;
	const char *reason;
	int err = header__check_start(intake->start, intake->nr_start, &found, &reason);

	if (!err && intake->nr_start < found.header_size)
		return 0;
	if (!err)
		err = header__check(intake->start, &found, &header, &reason);
	return err ? end_for(intake, err, reason) : 1;
}

/* What is it? Begins to take it once that is known. */
static int sniff(struct intake *intake)
{
	int known;

	/* Enough to tell all kinds. */
	if (intake->nr_start < DUMPALLOC_START_SIZE)
		return 0;
	if (dumpalloc__begins(intake->start, intake->nr_start)) {
		intake->stage = CONVERT;
		intake->dump = dumpalloc__new(clock__realtime_ns());
		return convert(intake, intake->start, intake->nr_start);
	}
	known = check_header(intake);
	if (known <= 0)
		return known;
	intake->stage = COPY;
	known = create(intake);
	return known ? known : copy(intake, intake->start, intake->nr_start);
}

/* The beginning of the stream is kept until it is enough. */
static int take_start(struct intake *intake, const uint8_t *data, size_t len)
{
	size_t now = min(len, sizeof(intake->start) - intake->nr_start);
	int err;

	memcpy(intake->start + intake->nr_start, data, now);
	intake->nr_start += now;
	err = sniff(intake);
	if (err || now == len)
		return err;
	return intake->stage == COPY ? copy(intake, data + now, len - now)
				     : convert(intake, data + now, len - now);
}

int intake__take(struct intake *intake, const void *data, size_t len)
{
	size_t now = (size_t)min((uint64_t)len, intake->max_bytes - intake->bytes);
	int err;

	intake->bytes += now;
	if (intake->stage == SNIFF)
		err = take_start(intake, data, now);
	else if (intake->stage == COPY)
		err = copy(intake, data, now);
	else
		err = convert(intake, data, now);
	if (!err && now < len)
		err = end_for(intake, -EFBIG, "is longer than --max-bytes allows");
	return err;
}

/* What is still to be written when no more comes. */
static void complete(struct intake *intake, bool stopped)
{
	int err = 0;

	if (intake->stage == SNIFF && intake->nr_start)
		end_for(intake, -EBADMSG, "ends before it has told what it is");
	else if (intake->stage == SNIFF)
		end_for(intake, -EBADMSG, "is empty");
	if (intake->stage == CONVERT && !intake->reason) {
		dumpalloc__end(intake->dump, stopped);
		drain(intake);
	}
	err = trace_writer__close(intake->writer);
	intake->writer = NULL;
	if (err)
		cannot_write(intake, err);
}

const char *intake__finish(struct intake *intake, bool stopped)
{
	complete(intake, stopped);
	if (intake->fd >= 0) {
		if (intake->stage == COPY)
			intake_target__find(&intake->target, intake->fd);
		intake->name =
			intake_target__rename(&intake->target, intake->folder, intake->temporary);
		intake->temporary[0] = '\0';
	}
	let_go(intake);
	return intake->name;
}

const char *intake__reason(const struct intake *intake)
{
	return intake->reason;
}

uint64_t intake__bytes(const struct intake *intake)
{
	return intake->bytes;
}

bool intake__is_converted(const struct intake *intake)
{
	return intake->stage == CONVERT;
}
