// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/debugfile.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "symbol/callsite.h"
#include "symbol/elf.h"
#include "symbol/elf_match.h"
#include "symbol/places.h"
#include "symbol/rootfs.h"

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

/* What a search for the module's file knows. */
struct search {
	const struct module *module;
	const uint64_t *vaddrs;
	uint32_t nr;
	struct debugfile *file; /* where to put it */
};

/* Is the ELF file what ran? 0 or -errno. */
static int compare(const struct search *search, int fd, bool *is_certain)
{
	const struct module *module = search->module;
	uint8_t build_id[MODULE_MAX_BUILD_ID];
	struct elf_file *elf = elf__open(fd);
	struct callsite_fit fit;
	int err = 0;
	size_t len;

	if (!elf)
		return -errno;
	*is_certain = module->fd >= 0 || module->build_id_len;
	if (module->build_id_len) {
		/* A file that has no build-id at all is not the one that had one. */
		len = elf__build_id(elf, build_id, sizeof(build_id));
		if (len != module->build_id_len || memcmp(build_id, module->build_id, len))
			err = -ESTALE;
	} else if (module->fd < 0) {
		fit = callsite__fit(elf, search->vaddrs, search->nr);
		if (!callsite__is_plausible(&fit))
			err = -ESTALE;
	}
	elf__close(elf);
	return err;
}

static int try_place(const struct search *search, const struct place *place)
{
	struct debugfile *file = search->file;
	int err;

	file->fd = rootfs__open(place->root, place->path);
	if (file->fd < 0)
		return file->fd;
	err = compare(search, file->fd, &file->is_certain);
	if (!err) {
		file->path = place__on_this_machine(place);
		return 0;
	}
	close(file->fd);
	file->fd = -1;
	return err;
}

static bool is_it(const struct place *place, void *data)
{
	return !try_place(data, place);
}

/* The very file, held open since it was mapped. */
static int open_held(struct search *search)
{
	int fd = fcntl(search->module->fd, F_DUPFD_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	err = compare(search, fd, &search->file->is_certain);
	if (err) {
		close(fd);
		return err;
	}
	search->file->fd = fd;
	search->file->path = xstrdup(search->module->path);
	return 0;
}

int debugfile__open(const struct module *module, const struct sym_options *options,
		    const uint64_t *vaddrs, uint32_t nr, struct debugfile *file)
{
	struct place place = { .root = options->sysroot, .path = module->path };
	struct search search = { .module = module, .vaddrs = vaddrs, .nr = nr, .file = file };
	int err;

	*file = (struct debugfile){ .fd = -1 };
	err = module->fd >= 0 ? open_held(&search) : try_place(&search, &place);
	/* The first says best why there is none. */
	if (err && places__visit(module, options, is_it, &search))
		err = 0;
	return err;
}

/* What a search for separate debug information knows. */
struct separate_search {
	struct elf_file *stripped;
	struct debugfile *file; /* where to put it */
	bool by_crc;
	uint32_t crc;
};

/* Symbols alone are better than nothing, but something better may come. */
static bool is_separate(const struct place *place, void *data)
{
	const struct separate_search *search = data;
	int fd = rootfs__open(place->root, place->path);
	struct elf_file *elf = fd >= 0 ? elf__open(fd) : NULL;
	bool has_all = elf && elf__has_debug_info(elf);
	bool is_wanted = elf && (has_all || (search->file->fd < 0 && elf__has_symtab(elf) &&
					     !elf__has_symtab(search->stripped)));

	if (is_wanted && (elf_match__is_same_build(search->stripped, elf) ||
			  (search->by_crc && elf_match__has_crc(elf, search->crc)))) {
		debugfile__close(search->file);
		*search->file = (struct debugfile){ .fd = fd,
						    .path = place__on_this_machine(place),
						    .is_certain = true };
		fd = -1;
	} else {
		has_all = false;
	}
	elf__close(elf);
	if (fd >= 0)
		close(fd);
	return has_all;
}

bool debugfile__open_separate(const struct module *module, const struct sym_options *options,
			      const struct debugfile *file, struct debugfile *separate)
{
	struct separate_search search = { .stripped = elf__open(file->fd), .file = separate };
	struct module with_id = *module;
	char name[ELF_MATCH_MAX_LINK];

	*separate = (struct debugfile){ .fd = -1 };
	if (!search.stripped)
		return false;
	with_id.build_id_len = (uint32_t)elf__build_id(search.stripped, with_id.build_id,
						       sizeof(with_id.build_id));
	if (!elf__has_debug_info(search.stripped) &&
	    !places__visit(&with_id, options, is_separate, &search)) {
		search.by_crc = elf_match__debug_link(search.stripped, name, &search.crc);
		if (search.by_crc)
			places__visit_link(module, options, name, is_separate, &search);
	}
	elf__close(search.stripped);
	return separate->fd >= 0;
}

void debugfile__close(struct debugfile *file)
{
	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
	*file = (struct debugfile){ .fd = -1 };
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
