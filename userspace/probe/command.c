// SPDX-License-Identifier: BSD-2-Clause
#include "probe/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "symbol/elf.h"

/* Scripts whose interpreters are scripts (execve(2)). */
#define MAX_SCRIPTS 5
/* Of the first line of a script that counts (BINPRM_BUF_SIZE of include/uapi/linux/binfmts.h). */
#define MAX_SCRIPT_LINE 256

/* What stands in the way of a library. */
enum obstacle { OBSTACLE_NONE, OBSTACLE_MACHINE, OBSTACLE_STATIC, OBSTACLE_RIGHTS };

static const struct {
	const char *reason; /* the end of a clause that begins with a program's path */
	const char *advice;
	bool from_outside; /* where it is, that would be a way */
} obstacles[] = {
	[OBSTACLE_MACHINE] = { "is made for another machine or word size than the library",
			       ": it cannot be put into it.", false },
	[OBSTACLE_STATIC] = { "is linked statically", ": no library can be put into it.", true },
	[OBSTACLE_RIGHTS] = { "gets rights of its own when it is started (set-user-ID, "
			      "set-group-ID or capabilities)",
			      ", and then no library is put into it.", true },
};

static bool is_program(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

char *command__find(const char *name)
{
	const char *at = getenv("PATH"), *end;

	if (strchr(name, '/'))
		return is_program(name) ? xstrdup(name) : NULL;
	for (at = at ? at : "/bin:/usr/bin"; *name; at = end + 1) {
		char *path;

		end = strchrnul(at, ':');
		path = end == at ? xstrdup(name) : xasprintf("%.*s/%s", (int)(end - at), at, name);
		if (is_program(path))
			return path;
		free(path);
		if (!*end)
			break;
	}
	return NULL;
}

/* The program named by the first line of a script: false when it is no script. */
static bool read_interpreter(int fd, char path[MAX_SCRIPT_LINE])
{
	char line[MAX_SCRIPT_LINE];
	ssize_t got = pread(fd, line, sizeof(line) - 1, 0);
	char *at = line + 2;

	if (got < 3 || line[0] != '#' || line[1] != '!')
		return false;
	line[got] = '\0';
	line[strcspn(line, "\n")] = '\0';
	at += strspn(at, " \t");
	at[strcspn(at, " \t")] = '\0';
	strcpy(path, at);
	return *path;
}

/* Would the kernel tell the loader to trust nobody (ld.so(8), secure-execution mode)? */
static bool gains_rights(int fd)
{
	char capabilities[64];
	struct stat st;

	if (fstat(fd, &st))
		return false;
	if (st.st_mode & S_ISUID && st.st_uid != getuid())
		return true;
	if (st.st_mode & S_ISGID && st.st_mode & S_IXGRP && st.st_gid != getgid())
		return true;
	return getuid() &&
	       fgetxattr(fd, "security.capability", capabilities, sizeof(capabilities)) > 0;
}

static bool is_of_another_machine(const struct elf_file *elf, const struct elf_file *library)
{
	return elf__machine(elf) != elf__machine(library) ||
	       elf__is_64bit(elf) != elf__is_64bit(library) ||
	       elf__is_big_endian(elf) != elf__is_big_endian(library);
}

static enum obstacle obstacle_in(int fd, const struct elf_file *library)
{
	struct elf_file *elf = elf__open(fd);
	enum obstacle obstacle = OBSTACLE_NONE;

	if (!elf)
		return obstacle; /* whatever it is, exec will say so */
	if (is_of_another_machine(elf, library))
		obstacle = OBSTACLE_MACHINE;
	else if (!elf__has_interpreter(elf))
		obstacle = OBSTACLE_STATIC;
	else if (gains_rights(fd))
		obstacle = OBSTACLE_RIGHTS;
	elf__close(elf);
	return obstacle;
}

/* Of the program at path, or of the interpreter of the script there, whose path is then in
 * interpreter. */
static enum obstacle find_obstacle(const char *path, const struct elf_file *library,
				   char interpreter[MAX_SCRIPT_LINE])
{
	enum obstacle obstacle = OBSTACLE_NONE;

	for (int i = 0; i < MAX_SCRIPTS; i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		bool is_script = fd >= 0 && read_interpreter(fd, interpreter);

		/* What may be run and not read is taken on trust. */
		if (fd >= 0 && !is_script)
			obstacle = obstacle_in(fd, library);
		if (fd >= 0)
			close(fd);
		if (!is_script)
			break;
		path = interpreter;
	}
	return obstacle;
}

static struct elf_file *open_library(const char *path, int *fd)
{
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd >= 0 ? elf__open(*fd) : NULL;
}

static void close_library(struct elf_file *library, int fd)
{
	elf__close(library);
	if (fd >= 0)
		close(fd);
}

const char *command__why_not_preload(const char *path, const char *library_path)
{
	char interpreter[MAX_SCRIPT_LINE];
	int fd;
	struct elf_file *library = open_library(library_path, &fd);
	enum obstacle obstacle = OBSTACLE_NONE;

	if (library && is_program(path))
		obstacle = find_obstacle(path, library, interpreter);
	close_library(library, fd);
	return obstacles[obstacle].reason;
}

int command__check_preload(const char *path, const char *library_path, const char *outside)
{
	char interpreter[MAX_SCRIPT_LINE] = "";
	int fd, err = 0;
	struct elf_file *library = open_library(library_path, &fd);
	enum obstacle obstacle = OBSTACLE_NONE;

	if (library) {
		obstacle = find_obstacle(path, library, interpreter);
	} else {
		log_err("%s cannot be read as a library. Build it again by `make`.", library_path);
		err = -ENOEXEC;
	}
	if (obstacle) {
		log_err("%s %s%s%s%s", *interpreter ? interpreter : path,
			obstacles[obstacle].reason, obstacles[obstacle].advice,
			obstacles[obstacle].from_outside ? " " : "",
			obstacles[obstacle].from_outside ? outside : "");
		err = -ENOTSUP;
	}
	close_library(library, fd);
	return err;
}
