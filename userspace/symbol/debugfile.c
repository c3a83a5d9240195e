// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/debugfile.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"
#include "symbol/elf.h"

/* A path may come from a recording: what it names must not block or become our terminal. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

bool debugfile__is_file(const struct module *module)
{
	if (module->fd >= 0)
		return true;
	return module->path[0] == '/' && module->path[1] != '/';
}

bool debugfile__is_generated(const struct module *module)
{
	char magic[SELFMAG];

	if (!debugfile__is_file(module))
		return strcmp(module->path, "[vdso]") && strcmp(module->path, "[vsyscall]");
	/* How code is mapped twice, writable and executable. */
	if (strncmp(module->path, "/memfd:", 7) && strncmp(module->path, "/dev/zero", 9))
		return false;
	return module->fd < 0 || pread(module->fd, magic, SELFMAG, 0) != SELFMAG ||
	       memcmp(magic, ELFMAG, SELFMAG);
}

char *debugfile__path(const struct module *module, const char *sysroot)
{
	return xasprintf("%s%s", sysroot ? sysroot : "", module->path);
}

static bool has_dotdot(const char *path)
{
	for (const char *at = path; (at = strstr(at, "..")); at += 2) {
		if ((at == path || at[-1] == '/') && (at[2] == '/' || !at[2]))
			return true;
	}
	return false;
}

/* Absolute symbolic links below sysroot mean the target's root, not ours. */
static int open_below(const char *sysroot, const char *path)
{
	struct open_how how = { .flags = OPEN_FLAGS, .resolve = RESOLVE_IN_ROOT };
	char *whole;
	int root, fd;

	if (has_dotdot(path))
		return -ENOENT;
	root = open(sysroot, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	fd = fd < 0 ? -errno : fd;
	close(root);
	if (fd != -ENOSYS && fd != -EPERM)
		return fd;
	/* A kernel before 5.6, or a container's seccomp filter that does not know the call. */
	whole = xasprintf("%s%s", sysroot, path);
	fd = open(whole, OPEN_FLAGS);
	fd = fd < 0 ? -errno : fd;
	free(whole);
	return fd;
}

static int check(const struct module *module, int fd)
{
	uint8_t build_id[MODULE_MAX_BUILD_ID];
	struct elf_file *elf;
	struct stat status;
	size_t len;

	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -ENOEXEC;
	elf = elf__open(fd);
	if (!elf)
		return -errno;
	len = elf__build_id(elf, build_id, sizeof(build_id));
	elf__close(elf);
	/* A file that has no build-id at all is not the one that had one. */
	if (module->build_id_len && (len != module->build_id_len ||
				     memcmp(build_id, module->build_id, module->build_id_len)))
		return -ESTALE;
	return 0;
}

int debugfile__open(const struct module *module, const char *sysroot)
{
	int fd, err;

	if (module->fd < 0 && sysroot) {
		fd = open_below(sysroot, module->path);
	} else {
		fd = module->fd >= 0 ? fcntl(module->fd, F_DUPFD_CLOEXEC, 0)
				     : open(module->path, OPEN_FLAGS);
		fd = fd < 0 ? -errno : fd;
	}
	if (fd < 0)
		return fd;
	err = check(module, fd);
	if (!err)
		return fd;
	close(fd);
	return err;
}

/*
 * elfutils takes a relative directory as below the file's own. An absolute one is left as it is:
 * /proc/PID/root resolved would be our own root.
 */
static char *absolute(const char *directory)
{
	if (!directory)
		return NULL;
	return directory[0] == '/' ? xstrdup(directory) : realpath(directory, NULL);
}

char *debugfile__search_path(const char *sysroot, const char *debug_dir)
{
	char *first = absolute(debug_dir), *root = absolute(sysroot);
	char *path =
		xasprintf("%s%s:.debug%s%s%s:/usr/lib/debug", first ? first : "", first ? ":" : "",
			  root ? ":" : "", root ? root : "", root ? "/usr/lib/debug" : "");

	free(first);
	free(root);
	return path;
}
