// SPDX-License-Identifier: BSD-2-Clause
#include "source/intake_name.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "base/util.h"
#include "trace/reader.h"
#include "wire.h"

/* Records in which a recording says whose it is, if it ever does. */
#define MAX_RECORDS 1000
#define MAX_TRIES   100000

/* Bytes of a character that means nothing to a shell, a terminal or a file system; 0: it may. */
static size_t harmless(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "._+@=-";

	if (*text & 0x80)
		return text__character(text);
	return *text && strchr(plain, *text) ? 1 : 0;
}

void intake_target__set(struct intake_target *target, const struct wire_target *record)
{
	char *exe = xstrndup((const char *)(record + 1), record->exe_len);
	const char *base = path__base(exe);
	size_t used = 0;

	while (*base) {
		size_t len = harmless(base);

		if (used + max(len, (size_t)1) > INTAKE_NAME_MAX)
			break;
		if (len && (used || !strchr(".-", *base)))
			memcpy(target->name + used, base, len);
		else
			target->name[used] = '_';
		used += max(len, (size_t)1);
		base += max(len, (size_t)1);
	}
	target->name[used] = '\0';
	target->pid = record->head.pid;
	free(exe);
}

void intake_target__find(struct intake_target *target, int fd)
{
	const struct wire_head *record;
	struct trace_reader *reader;
	const char *reason;

	if (lseek(fd, 0, SEEK_SET))
		return;
	reader = trace_reader__new(fd, &reason);
	for (unsigned i = 0; reader && i < MAX_RECORDS; i++) {
		if (trace_reader__next(reader, &record) <= 0)
			break;
		if (record->type == WIRE_TARGET) {
			intake_target__set(target, (const struct wire_target *)record);
			break;
		}
	}
	trace_reader__free(reader);
}

/* Renames where there is nothing of that name. 0 or -errno. */
static int rename_new(int folder, const char *from, const char *to)
{
	int fd;

	if (!renameat2(folder, from, folder, to, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A file system without that: an empty file of our own is replaced instead. */
	fd = openat(folder, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	if (!renameat(folder, from, folder, to))
		return 0;
	fd = -errno;
	unlinkat(folder, to, 0);
	return fd;
}

static char *name_of(const struct intake_target *target, unsigned number)
{
	if (!target->name[0])
		return xasprintf("receive.%u.htap", number);
	if (number == 1)
		return xasprintf("%s.%" PRIu32 ".htap", target->name, target->pid);
	return xasprintf("%s.%" PRIu32 ".%u.htap", target->name, target->pid, number);
}

char *intake_target__rename(const struct intake_target *target, int folder, const char *from)
{
	int err = -EEXIST;

	for (unsigned i = 1; err == -EEXIST && i <= MAX_TRIES; i++) {
		char *name = name_of(target, i);

		err = rename_new(folder, from, name);
		if (!err)
			return name;
		free(name);
	}
	log_warn("%s keeps that name, for it cannot be renamed: %s.", from, strerror(-err));
	return xstrdup(from);
}
