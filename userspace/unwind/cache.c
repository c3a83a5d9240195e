// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where the cache is, whether it may be used, and by which key. Everything here may fail: then the
 * table is compiled, as it would be without a cache.
 */
#include "unwind/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "symbol/elf.h"
#include "unwind/cache_file.h"
#include "unwind/cfi.h"

#define MAX_CACHE_BYTES (1ull << 30)
/* As many new bytes pass before its size is looked at again. */
#define PRUNE_EVERY_BYTES (64ull << 20)

/* Shorter ones ("--build-id=0x1234") were chosen by hand. */
#define MIN_BUILD_ID_BYTES 16

/* The folder's path, for the caller to free; the folder above it is made where it is missing. NULL:
 * there is no place for it. */
static char *folder_path(void)
{
	const char *base, *home;
	char *above, *path;

	/* What root writes, and where, is not for the environment to say. */
	if (!geteuid())
		return xstrdup("/var/cache/heaptap");
	base = secure_getenv("XDG_CACHE_HOME");
	home = secure_getenv("HOME");
	if (base && base[0] == '/')
		above = xstrdup(base);
	else if (home && home[0] == '/')
		above = xasprintf("%s/.cache", home);
	else
		return NULL;
	mkdir(above, 0700);
	path = xasprintf("%s/heaptap", above);
	free(above);
	return path;
}

/* The folder, which must be ours and nobody else's to write or read; else -1. */
static int open_folder(void)
{
	char *path = folder_path();
	struct stat status;
	int fd = -1;

	if (!path)
		return -1;
	mkdir(path, 0700);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		log_debug("%s cannot be used to keep unwind tables: %s.", path, strerror(errno));
	} else if (fstat(fd, &status) || status.st_uid != geteuid() || status.st_mode & 077) {
		log_debug("%s is not used to keep unwind tables: others may use it, too.", path);
		close(fd);
		fd = -1;
	}
	free(path);
	return fd;
}

/*
 * Anybody can write libc's build-id into a file of theirs, and would have its rows used for libc.
 * So build-ids count in files only that root, or we, can write; other files are known by what
 * their owners cannot choose.
 */
static bool is_trusted(const struct stat *status)
{
	return (!status->st_uid || status->st_uid == geteuid()) && !(status->st_mode & 022);
}

/* False: not an ELF file. */
static bool make_key(int fd, struct cache_key *key)
{
	struct elf_file *elf;
	struct stat status;
	uint64_t words[4];

	memset(key, 0, sizeof(*key));
	if (fstat(fd, &status) || !(elf = elf__open(fd)))
		return false;
	key->size = (uint64_t)status.st_size;
	if (elf__offset_to_vaddr(elf, 0, &key->vaddr))
		key->vaddr = UINT64_MAX;
	if (is_trusted(&status))
		key->id_len = elf__build_id(elf, key->id, sizeof(key->id));
	elf__close(elf);
	key->is_build_id = key->id_len >= MIN_BUILD_ID_BYTES;
	if (key->is_build_id)
		return true;
	memset(key->id, 0, sizeof(key->id));
	words[0] = status.st_dev;
	words[1] = status.st_ino;
	words[2] = (uint64_t)status.st_ctim.tv_sec;
	words[3] = (uint64_t)status.st_ctim.tv_nsec;
	memcpy(key->id, words, sizeof(words));
	key->id_len = sizeof(words);
	return true;
}

static void store(int folder, const struct cache_key *key, const struct unwind_table *table)
{
	static uint64_t bytes_to_prune;
	uint64_t size = table->nr_rows * sizeof(*table->rows);
	int err = cache_file__store(folder, key, table);

	if (err)
		log_debug("An unwind table could not be kept: %s.", strerror(-err));
	if (bytes_to_prune <= size) {
		cache_file__prune(folder, MAX_CACHE_BYTES);
		bytes_to_prune = PRUNE_EVERY_BYTES;
	} else {
		bytes_to_prune -= size;
	}
}

struct unwind_table *cache__table(int fd, const char **problem, bool *from_cache)
{
	struct unwind_table *table = NULL;
	const char *unasked_problem;
	struct cache_key key, key_after;
	int folder = -1, err = 0;

	problem = problem ? problem : &unasked_problem;
	*problem = NULL;
	if (make_key(fd, &key))
		folder = open_folder();
	if (folder >= 0)
		table = cache_file__load(folder, &key);
	if (from_cache)
		*from_cache = table;
	if (table)
		goto out;
	table = cfi__compile(fd, problem);
	err = errno;
	/* Damage is told each time; a file that changed meanwhile is neither the old nor the new.
	 */
	if (table && folder >= 0 && !*problem && make_key(fd, &key_after) &&
	    !memcmp(&key, &key_after, sizeof(key)))
		store(folder, &key, table);
out:
	if (folder >= 0)
		close(folder);
	errno = err;
	return table;
}
