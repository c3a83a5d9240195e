// SPDX-License-Identifier: BSD-2-Clause
/*
 * The folder is opened once and all names are looked up in it, so that nobody who may rename
 * folders on the way can make us rename something else. Symbolic links are followed by the kernel,
 * which in a folder like /tmp does not follow those of other people (fs.protected_symlinks).
 */
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"

#define MAX_TRIES 100

struct output {
	FILE *stream;
	char *shown;	    /* the name in messages */
	int folder;	    /* of the file to be; -1: written directly */
	char *name;	    /* in folder */
	char temporary[32]; /* likewise; "": there is none */
	bool is_nameless;   /* the file has no name yet: it goes when heaptap is killed */
};

void output__give_to_caller(int fd)
{
	const char *uid = getenv("SUDO_UID"), *gid = getenv("SUDO_GID");
	uint64_t user, group;

	if (geteuid() == 0 && uid && gid && !parse__u64(uid, UINT32_MAX - 1, &user) &&
	    !parse__u64(gid, UINT32_MAX - 1, &group) && fchown(fd, (uid_t)user, (gid_t)group))
		log_info("The output stays root's: %s.", strerror(errno));
}

static bool is_same_file(const struct stat *status, int fd)
{
	struct stat other;

	return !fstat(fd, &other) && other.st_dev == status->st_dev &&
	       other.st_ino == status->st_ino;
}

/* Writes to what is there: a duplicate of an open descriptor, or a special file. */
static int write_directly(struct output *output, const char *path, const struct stat *status)
{
	static const int standard[] = { STDOUT_FILENO, STDERR_FILENO };
	int fd = -1, err;

	/* /dev/stdout may be a file, whose position is to stay the shell's. */
	for (size_t i = 0; status && fd < 0 && i < ARRAY_SIZE(standard); i++)
		if (is_same_file(status, standard[i]))
			fd = fcntl(standard[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (fd < 0)
		fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	output->stream = fdopen(fd, "w");
	if (output->stream)
		return 0;
	err = -errno;
	close(fd);
	return err;
}

/* What path names: *status is of the file, links followed; *behind its path when path is a link,
 * for the caller to free. 0, -ENOENT when there is nothing, -errno. */
static int look(const char *path, struct stat *status, char **behind)
{
	char link[64], target[PATH_MAX];
	int fd = open(path, O_PATH | O_CLOEXEC), err = 0;
	struct stat itself;
	ssize_t len;

	*behind = NULL;
	if (fd < 0)
		return -errno;
	if (fstat(fd, status) || lstat(path, &itself)) {
		err = -errno;
	} else if (S_ISLNK(itself.st_mode) && S_ISREG(status->st_mode)) {
		/* As the kernel followed it: a link changed meanwhile does not matter. */
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		len = readlink(link, target, sizeof(target) - 1);
		if (len > 0 && target[0] == '/')
			*behind = xstrndup(target, (size_t)len);
		else
			err = len < 0 ? -errno : -ENOENT;
	}
	close(fd);
	return err;
}

/* Splits path into the folder, which is opened, and the name in it. */
static int open_folder(struct output *output, const char *path)
{
	const char *base = path__base(path);
	char *folder;

	if (!*base)
		return *path ? -EISDIR : -ENOENT;
	folder = base == path ? xstrdup(".") : xstrndup(path, (size_t)(base - path));
	output->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	if (output->folder < 0)
		return -errno;
	output->name = xstrdup(base);
	return 0;
}

/* As open does: a descriptor, or -1 with errno. */
static int create_named(struct output *output, const char *name)
{
	return openat(output->folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		      0600);
}

/* Gives the file its temporary name; likewise. */
static int link_nameless(struct output *output, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fileno(output->stream));
	return linkat(AT_FDCWD, path, output->folder, name, AT_SYMLINK_FOLLOW);
}

/* Has make make something of a name that nobody has. What it returned, or -errno. */
static int make_temporary(struct output *output, int (*make)(struct output *, const char *))
{
	char *name = output->temporary;
	uint64_t number;
	int result;

	for (unsigned i = 0; i < MAX_TRIES; i++) {
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			return -EIO;
		snprintf(name, sizeof(output->temporary), ".heaptap-%016" PRIx64, number);
		result = make(output, name);
		if (result >= 0)
			return result;
		if (errno != EEXIST)
			break;
	}
	result = -errno;
	name[0] = '\0';
	return result;
}

/* A descriptor of a new file in the folder, or -errno. */
static int create(struct output *output)
{
	int fd = openat(output->folder, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	output->is_nameless = fd >= 0 && !access("/proc/self/fd", X_OK);
	if (output->is_nameless)
		return fd;
	if (fd >= 0)
		close(fd);
	return make_temporary(output, create_named);
}

/* Permissions go with the owner: who planted a file for us to replace gets nothing to read. */
static void keep_mode(int fd, const struct stat *before)
{
	struct stat now;

	if (!fstat(fd, &now) && now.st_uid == before->st_uid && now.st_gid == before->st_gid &&
	    fchmod(fd, before->st_mode & 0777))
		log_info("The output can be read by its owner only: %s.", strerror(errno));
}

/* before: the file that is to be replaced; NULL: there is none. */
static int write_beside(struct output *output, const char *path, const struct stat *before)
{
	int err = open_folder(output, path), fd;

	if (err)
		return err;
	/* A file that cannot be written to is not to be replaced, either. */
	if (before && faccessat(output->folder, output->name, W_OK, AT_EACCESS))
		return -errno;
	fd = create(output);
	if (fd < 0)
		return fd;
	output__give_to_caller(fd);
	if (before)
		keep_mode(fd, before);
	output->stream = fdopen(fd, "w");
	if (output->stream)
		return 0;
	err = -errno;
	close(fd);
	return err;
}

static int open_named(struct output *output, const char *path)
{
	struct stat status, link;
	char *behind;
	int err = look(path, &status, &behind);

	/* A link to nothing is not followed to create something. */
	if (err == -ENOENT && lstat(path, &link))
		err = write_beside(output, path, NULL);
	else if (!err && S_ISDIR(status.st_mode))
		err = -EISDIR;
	else if (!err && (!S_ISREG(status.st_mode) || is_same_file(&status, STDOUT_FILENO) ||
			  is_same_file(&status, STDERR_FILENO)))
		err = write_directly(output, path, &status);
	else if (!err)
		err = write_beside(output, behind ? behind : path, &status);
	free(behind);
	return err;
}

struct output *output__open(const char *path)
{
	struct output *output = xcalloc(1, sizeof(*output));
	int err;

	output->folder = -1;
	if (!strcmp(path, "-")) {
		output->shown = xstrdup("Standard output");
		output->stream = stdout;
		return output;
	}
	output->shown = xstrdup(path);
	err = open_named(output, path);
	if (!err)
		return output;
	log_err("%s cannot be written: %s.", path, strerror(-err));
	output__abandon(output);
	errno = -err;
	return NULL;
}

FILE *output__stream(const struct output *output)
{
	return output->stream;
}

/* What has not been written by now never will be. 0 or -errno. */
static int finish_stream(struct output *output)
{
	bool failed = ferror(output->stream);
	int err = 0;

	errno = 0;
	if (fflush(output->stream))
		err = errno ? -errno : -EIO;
	else if (failed)
		err = -EIO;
	if (!err && output->is_nameless)
		err = make_temporary(output, link_nameless);
	if (output->stream == stdout) {
		/* Said once: main looks, too. */
		if (err) {
			__fpurge(stdout);
			clearerr(stdout);
		}
	} else if (fclose(output->stream) && !err) {
		err = -errno;
	}
	output->stream = NULL;
	return err;
}

int output__commit(struct output *output)
{
	int err = finish_stream(output);

	if (!err && output->temporary[0]) {
		if (renameat(output->folder, output->temporary, output->folder, output->name))
			err = -errno;
		else
			output->temporary[0] = '\0';
	}
	if (err)
		log_err("%s could not be written: %s.", output->shown, strerror(-err));
	output__abandon(output);
	return err;
}

void output__abandon(struct output *output)
{
	if (!output)
		return;
	if (output->stream && output->stream != stdout)
		fclose(output->stream);
	if (output->temporary[0])
		unlinkat(output->folder, output->temporary, 0);
	if (output->folder >= 0)
		close(output->folder);
	free(output->name);
	free(output->shown);
	free(output);
}
