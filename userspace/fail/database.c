// SPDX-License-Identifier: BSD-2-Clause
#include "fail/database.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/lines.h"
#include "base/log.h"
#include "base/util.h"

#define NOT_PLAIN (-EMEDIUMTYPE)

static int complain(const char *what, const char *path, int err)
{
	log_err("%s cannot be %s: %s.", path, what,
		err == NOT_PLAIN ? "it is no regular file" : strerror(-err));
	return err;
}

/* Nothing that waits for somebody or never ends, as a FIFO or a device. -errno. */
static int open_plain(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return NOT_PLAIN;
}

struct fail_path *fail_database__find(const struct fail_database *database, uint64_t id)
{
	const uint64_t *index = hmap__find(&database->by_id, id);

	return index ? &database->paths[*index] : NULL;
}

/* Takes path over. A path that is known without a verdict does not replace one with. */
static void keep(struct fail_database *database, struct fail_path *path)
{
	struct fail_path *old = fail_database__find(database, path->id);

	if (old && path->verdict != FAIL_UNTRIED) {
		path->is_new |= old->is_new;
		fail_path__clear(old);
		*old = *path;
	} else if (!old && database->nr < FAIL_MAX_PATHS) {
		database->paths = array__grow(database->paths, database->nr, &database->capacity,
					      sizeof(*database->paths));
		hmap__set(&database->by_id, path->id, database->nr);
		database->paths[database->nr++] = *path;
	} else {
		fail_path__clear(path);
	}
}

/* Calls take for each line of a file; one that is not there has none. 0 or -errno. */
static int for_each_line(struct fail_database *database, const char *path,
			 void (*take)(struct fail_database *database, const struct line *line))
{
	int fd = open_plain(path, O_RDONLY), got;
	struct lines *lines;
	struct line line;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	lines = lines__new(fd);
	while ((got = lines__next(lines, &line)) > 0)
		if (!line.too_long)
			take(database, &line);
	lines__free(lines);
	close(fd);
	return got;
}

static void take_path(struct fail_database *database, const struct line *line)
{
	struct fail_path path;

	if (fail_path__read(&path, line->text, line->len))
		keep(database, &path);
}

static void take_known(struct fail_database *database, const struct line *line)
{
	struct fail_path path = { .exit_status = -1, .client_status = -1 };
	char digits[17] = "";

	if (line->len != 16)
		return;
	memcpy(digits, line->text, 16);
	if (fail_path__parse_id(digits, false, &path.id))
		keep(database, &path);
}

static int read_all(struct fail_database *database)
{
	int err = for_each_line(database, database->file, take_path);

	if (err)
		return complain("read", database->file, err);
	err = for_each_line(database, database->known, take_known);
	return err ? complain("read", database->known, err) : 0;
}

int fail_database__write_known(const struct fail_database *database, const char *path, uint64_t but)
{
	FILE *file = fopen(path, "we");
	int err = 0;

	if (!file)
		return -errno;
	for (size_t i = 0; i < database->nr; i++)
		if (database->paths[i].id != but &&
		    (database->paths[i].verdict != FAIL_UNTRIED || database->paths[i].run))
			fprintf(file, "%016" PRIx64 "\n", database->paths[i].id);
	if (fflush(file))
		err = -errno;
	fclose(file);
	return err;
}

static bool has_untried(const struct fail_database *database)
{
	for (size_t i = 0; i < database->nr; i++)
		if (database->paths[i].verdict == FAIL_UNTRIED)
			return true;
	return false;
}

/* The file again, without the lines whose paths have no verdict: these are to fail again. What a
 * user has taken out stays out. */
static int rewrite_known(struct fail_database *database)
{
	char *text = file__read_all(database->known, 64u << 20, NULL), *rest = text, *line;
	struct fail_path *path;
	FILE *file;
	uint64_t id;

	if (!text)
		return errno == ENOENT ? 0 : -errno;
	file = fopen(database->known, "we");
	while (file && (line = strsep(&rest, "\n"))) {
		path = fail_path__parse_id(line, false, &id) ? fail_database__find(database, id)
							     : NULL;
		if (path && path->verdict != FAIL_UNTRIED)
			fprintf(file, "%016" PRIx64 "\n", id);
	}
	free(text);
	return file ? fclose(file) ? -errno : 0 : -errno;
}

static void clear_paths(struct fail_database *database)
{
	for (size_t i = 0; i < database->nr; i++)
		fail_path__clear(&database->paths[i]);
	database->nr = 0;
	hmap__clear(&database->by_id);
}

/* What a broken run has left, when there is nobody else whose run may be going on. */
static int clean(struct fail_database *database, const char *directory)
{
	char *path = xasprintf("%s/lock", directory);
	int err = 0;

	database->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	free(path);
	if (database->lock_fd < 0)
		return -errno;
	if (!flock(database->lock_fd, LOCK_EX | LOCK_NB) && has_untried(database)) {
		err = rewrite_known(database);
		clear_paths(database);
		err = err ? err : read_all(database);
	}
	flock(database->lock_fd, LOCK_SH);
	return err;
}

/* For programs that go to another directory. */
static char *absolute(const char *path)
{
	char *here = *path == '/' ? NULL : getcwd(NULL, 0);
	char *whole = here ? xasprintf("%s/%s", here, path) : xstrdup(path);

	free(here);
	return whole;
}

int fail_database__open(struct fail_database *database, const char *directory, const char *known,
			bool read_only)
{
	char *own;
	int err;

	*database = (struct fail_database){ .fd = -1, .lock_fd = -1 };
	if (!read_only && mkdir(directory, 0777) && errno != EEXIST) {
		err = -errno;
		log_err("%s cannot be made: %s. --database names another directory.", directory,
			strerror(-err));
		return err;
	}
	if (read_only && access(directory, R_OK))
		return complain("read", directory, -errno);
	database->file = xasprintf("%s/paths.jsonl", directory);
	own = xasprintf("%s/known", directory);
	database->known = absolute(known ? known : own);
	free(own);
	err = read_all(database);
	if (err || read_only)
		return err;
	err = known ? 0 : clean(database, directory);
	if (err)
		return complain("used", directory, err);
	database->fd = open_plain(database->file, O_RDWR | O_CREAT | O_APPEND);
	return database->fd < 0 ? complain("written", database->file, database->fd) : 0;
}

/* Has somebody not come to the end of the last line? */
static bool is_torn(int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);
	char last;

	return end > 0 && pread(fd, &last, 1, end - 1) == 1 && last != '\n';
}

int fail_database__add(struct fail_database *database, struct fail_path *path)
{
	char *line = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&line, &len);
	ssize_t done;
	int err = 0;

	if (!out)
		return -ENOMEM;
	if (is_torn(database->fd))
		fputc('\n', out);
	fail_path__write(path, out);
	fputc('\n', out);
	fclose(out);
	/* One write, so that lines of others do not get into it. */
	done = write(database->fd, line, len);
	if (done != (ssize_t)len)
		err = complain("written", database->file, done < 0 ? -errno : -ENOSPC);
	free(line);
	path->is_new = true;
	keep(database, path);
	return err;
}

int fail_database__check_known(struct fail_database *database, uint64_t id)
{
	struct fail_database noted = { .fd = -1, .lock_fd = -1 };
	int err = for_each_line(&noted, database->known, take_known);

	if (!err && !fail_database__find(&noted, id)) {
		log_err("%s does not keep the call paths that have failed, so the search would not "
			"come to an end. It must be a file that the program can write to, on a "
			"disk "
			"with room.",
			database->known);
		err = -EIO;
	}
	fail_database__close(&noted);
	return err;
}

int fail_database__reload(struct fail_database *database)
{
	return read_all(database);
}

void fail_database__close(struct fail_database *database)
{
	clear_paths(database);
	free(database->paths);
	free(database->known);
	free(database->file);
	if (database->fd >= 0)
		close(database->fd);
	if (database->lock_fd >= 0)
		close(database->lock_fd);
}
