// SPDX-License-Identifier: BSD-2-Clause
#include "fail/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_read.h"
#include "base/lines.h"
#include "base/util.h"

/* Failures of one run at most that are looked at. */
#define MAX_FAILURES 10000

void fail_paths__clear(struct fail_paths *failed)
{
	for (size_t i = 0; i < failed->nr; i++)
		fail_path__clear(&failed->paths[i]);
	free(failed->paths);
	*failed = (struct fail_paths){ 0 };
}

struct fail_path *fail_paths__find(const struct fail_paths *failed, uint64_t id)
{
	for (size_t i = 0; i < failed->nr; i++)
		if (failed->paths[i].id == id)
			return &failed->paths[i];
	return NULL;
}

/* A line of the library's log. */
static void take_line(struct fail_paths *failed, const struct line *line)
{
	struct fail_path path = { .exit_status = -1, .client_status = -1 };
	const struct json_value *root;
	const char *function;
	struct json_doc doc;
	pid_t pid;

	if (line->too_long || json_read__parse(&doc, line->text, line->len))
		return;
	root = json_read__root(&doc);
	if (!fail_path__parse_id(json_read__text(&doc, root, "path"), false, &path.id))
		goto out;
	pid = (pid_t)min(json_read__u64(&doc, root, "pid", 0), (uint64_t)INT32_MAX);
	/* The latest failure of a path counts: moved to the end. */
	for (size_t i = 0; i < failed->nr; i++)
		if (failed->paths[i].id == path.id) {
			path = failed->paths[i];
			path.pid = pid;
			memmove(&failed->paths[i], &failed->paths[i + 1],
				(failed->nr - i - 1) * sizeof(path));
			failed->paths[failed->nr - 1] = path;
			goto out;
		}
	function = json_read__text(&doc, root, "function");
	path.function = function ? xstrdup(function) : NULL;
	path.size = json_read__u64(&doc, root, "size", 0);
	path.pid = pid;
	path.stack = fail_stack__read(&doc, json_read__member(&doc, root, "frames"));
	failed->paths =
		array__grow(failed->paths, failed->nr, &failed->capacity, sizeof(*failed->paths));
	failed->paths[failed->nr++] = path;
out:
	json_read__clear(&doc);
}

int fail_paths__read_log(struct fail_paths *failed, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), got, nr = 0;
	struct lines *lines;
	struct line line;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	lines = lines__new(fd);
	while ((got = lines__next(lines, &line)) > 0 && nr++ < MAX_FAILURES)
		take_line(failed, &line);
	lines__free(lines);
	close(fd);
	return min(got, 0);
}
