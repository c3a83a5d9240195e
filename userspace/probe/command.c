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
#define MAX_SECTION	65536

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

struct wanted_section {
	const char *name;
	struct elf_section found;
};

static bool match_section(const struct elf_section *section, void *data)
{
	struct wanted_section *wanted = data;

	if (strcmp(section->name, wanted->name))
		return true;
	wanted->found = *section;
	return false;
}

/* The content of a section, up to MAX_SECTION bytes and a NUL; the caller frees it. NULL: none. */
static char *read_section(struct elf_file *elf, const char *name, size_t *len)
{
	struct wanted_section wanted = { .name = name };
	ssize_t got;
	char *text;

	elf__for_each_section(elf, match_section, &wanted);
	if (!wanted.found.name || !wanted.found.has_content)
		return NULL;
	*len = (size_t)min(wanted.found.size, (uint64_t)MAX_SECTION);
	text = xcalloc(*len + 1, 1);
	got = elf__read_at(elf, wanted.found.offset, text, *len);
	*len = got > 0 ? (size_t)got : 0;
	return text;
}

static bool is_of_another_machine(const struct elf_file *elf, const struct elf_file *library)
{
	return elf__machine(elf) != elf__machine(library) ||
	       elf__is_64bit(elf) != elf__is_64bit(library) ||
	       elf__is_big_endian(elf) != elf__is_big_endian(library);
}

/* musl's loader ends a program when a library is missing that a preloaded one needs. */
static bool is_of_another_libc(struct elf_file *elf, struct elf_file *library)
{
	static const char glibc[] = "libc.so.6";
	size_t len = 0, needed_len = 0;
	char *loader = read_section(elf, ".interp", &len);
	char *needed = read_section(library, ".dynstr", &needed_len);
	bool is_musl = loader && !strncmp(path__base(loader), "ld-musl", 7);
	bool wants_glibc = needed && memmem(needed, needed_len, glibc, sizeof(glibc));

	free(loader);
	free(needed);
	return is_musl && wants_glibc;
}

static int check_program(int fd, const char *path, const char *library_path,
			 struct elf_file *library)
{
	struct elf_file *elf = elf__open(fd);
	int err = -ENOTSUP;

	if (!elf)
		return 0; /* whatever it is, exec will say so */
	if (is_of_another_machine(elf, library))
		log_err("%s is made for another machine or word size than %s: the library cannot "
			"be "
			"put into it.",
			path, library_path);
	else if (!elf__has_interpreter(elf))
		log_err("%s is linked statically: no library can be put into it. --engine bpf "
			"watches it from outside, as root.",
			path);
	else if (gains_rights(fd))
		log_err("%s gets rights of its own when it is started (set-user-ID, set-group-ID "
			"or "
			"capabilities), and then no library is put into it. --engine bpf watches "
			"it "
			"from outside, as root.",
			path);
	else if (is_of_another_libc(elf, library))
		log_err("%s is linked to musl, and %s to glibc: it cannot be put into it. --engine "
			"bpf "
			"watches it from outside, as root.",
			path, library_path);
	else
		err = 0;
	elf__close(elf);
	return err;
}

int command__check_preload(const char *path, const char *library_path)
{
	int library_fd = open(library_path, O_RDONLY | O_CLOEXEC), err = 0;
	struct elf_file *library = library_fd >= 0 ? elf__open(library_fd) : NULL;
	char interpreter[MAX_SCRIPT_LINE];

	if (!library) {
		log_err("%s cannot be read as a library. Build it again by `make`.", library_path);
		err = -ENOEXEC;
	}
	for (int i = 0; !err && i < MAX_SCRIPTS; i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		bool is_script = fd >= 0 && read_interpreter(fd, interpreter);

		/* What may be run and not read is taken on trust. */
		if (fd >= 0 && !is_script)
			err = check_program(fd, path, library_path, library);
		if (fd >= 0)
			close(fd);
		if (!is_script)
			break;
		path = interpreter;
	}
	elf__close(library);
	if (library_fd >= 0)
		close(library_fd);
	return err;
}
