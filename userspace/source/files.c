// SPDX-License-Identifier: BSD-2-Clause
#include "source/files.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "probe/custom.h"
#include "probe/loader.h"
#include "probe/tracer.h"
#include "probe/untouchable.h"
#include "symbol/elf.h"
#include "symbol/modmap.h"
#include "unwind/cache.h"
#include "unwind/cfi.h"

#define MAX_VDSO 65536

void files__init(struct files *files, struct unwind_tables *tables, struct queue *queue,
		 const struct allocator_config *allocators)
{
	*files = (struct files){ .tables = tables, .queue = queue, .allocators = allocators };
}

void files__clear(struct files *files)
{
	for (size_t i = 0; i < files->nr; i++) {
		struct mapped_file *file = &files->files[i];

		elf__close(file->elf);
		if (file->fd >= 0)
			close(file->fd);
		free(file->path);
		free(file->sites);
		free(file->why_none);
	}
	free(files->files);
	*files = (struct files){ 0 };
}

static void send_module(struct files *files, uint32_t id, pid_t pid, const struct mapped_file *file)
{
	uint8_t build_id[MODULE_MAX_BUILD_ID];
	size_t len = file->elf ? elf__build_id(file->elf, build_id, sizeof(build_id)) : 0;
	struct wire_module record = {
		.id = id,
		.path_len = (uint32_t)min(strlen(file->path), (size_t)WIRE_MAX_STRING),
		.build_id_len = (uint32_t)min(len, sizeof(build_id)),
		.flags = (file->nr_functions ? WIRE_MODULE_WATCHED : 0) |
			 (file->maps_memory ? WIRE_MODULE_MAPS : 0),
	};

	queue__add(files->queue, WIRE_MODULE, pid, &record, sizeof(record), build_id,
		   record.build_id_len, file->path, record.path_len);
}

/* Loads a file's unwind table. What is damaged in it costs stacks, so it is said. */
static void load_unwind_table(struct files *files, struct mapped_file *file)
{
	struct unwind_table *table = NULL;
	const char *problem = NULL;

	/* JIT compilers map memory twice, writable and executable: it has a name then. */
	if (!file->elf &&
	    (!strncmp(file->path, "/memfd:", 7) || !strncmp(file->path, "/dev/zero", 9))) {
		file->unwind = UNWIND_MODULE_JIT;
		return;
	}
	if (file->elf)
		table = cache__table(file->fd, &problem, NULL);
	if (problem)
		log_warn("%s %s: stacks through it may be cut.", file->path, problem);
	file->unwind = unwind_tables__add(files->tables, table);
	unwind_table__free(table);
}

/* The vdso is no file, but has unwind information in the memory of the process. */
static void load_vdso_table(struct files *files, struct mapped_file *file, pid_t pid,
			    const struct target_mapping *mapping)
{
	struct unwind_table *table;
	char image[MAX_VDSO];
	size_t len = (size_t)min(mapping->end - mapping->start, (uint64_t)sizeof(image));
	struct iovec local = { image, len };
	struct iovec remote = { (void *)(uintptr_t)mapping->start, len };

	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != (ssize_t)len)
		return;
	table = cfi__compile_image(image, len, NULL);
	file->unwind = unwind_tables__add(files->tables, table);
	unwind_table__free(table);
}

static uint32_t add_file(struct files *files, pid_t pid, const struct mapped_file *file)
{
	files->files =
		array__grow(files->files, files->nr, &files->capacity, sizeof(*files->files));
	files->files[files->nr] = *file;
	send_module(files, (uint32_t)files->nr, pid, file);
	return (uint32_t)files->nr++;
}

/* What cannot be opened (the vdso, generated code) is known by its name alone. */
static uint32_t find_nameless(struct files *files, pid_t pid, const struct target_mapping *mapping,
			      const char *name)
{
	bool is_vdso = !strcmp(name, "[vdso]"), is_vsyscall = !strcmp(name, "[vsyscall]");
	struct mapped_file file = { .pid = is_vdso || is_vsyscall ? 0 : pid, .fd = -1 };

	for (size_t i = 0; i < files->nr; i++)
		if (files->files[i].fd < 0 && files->files[i].pid == file.pid &&
		    !strcmp(files->files[i].path, name))
			return (uint32_t)i;
	file.path = xstrdup(name);
	if (is_vdso)
		load_vdso_table(files, &file, pid, mapping);
	else if (name[0] == '[' && !is_vsyscall)
		file.unwind = UNWIND_MODULE_JIT;
	return add_file(files, pid, &file);
}

static void examine(struct files *files, struct mapped_file *file)
{
	struct probe_site news;
	int nr;

	load_unwind_table(files, file);
	if (!file->elf)
		return;
	nr = allocators__find(file->elf, files->allocators, file->path, &file->sites);
	file->nr_sites = file->nr_functions = nr > 0 ? (size_t)nr : 0;
	if (!nr)
		file->why_none = allocators__why_none(file->elf, file->path);
	file->maps_memory = allocators__maps_memory(file->elf);
	file->traces = tracer__is(file->elf);
	if (files->allocators && files->allocators->failing)
		file->nr_sites = untouchable__add_sites(file->elf, &file->sites, file->nr_sites);
	if (!loader__site(file->elf, &news))
		return;
	file->sites = xreallocarray(file->sites, file->nr_sites + 1, sizeof(news));
	file->sites[file->nr_sites++] = news;
}

uint32_t files__find(struct files *files, pid_t pid, const struct target_mapping *mapping)
{
	char openable[PATH_MAX + 64];
	struct mapped_file file;
	struct stat st;
	int fd;

	if (mapping->path[0] != '/' || !strncmp(mapping->path, "//anon", 6))
		return find_nameless(files, pid, mapping,
				     mapping->path[0] == '[' ? mapping->path : "[anon]");
	fd = target__open_mapped(pid, mapping->start, mapping->end, mapping->path, openable,
				 sizeof(openable));
	if (fd < 0 || fstat(fd, &st)) {
		if (fd >= 0)
			close(fd);
		return find_nameless(files, pid, mapping, mapping->path);
	}
	for (size_t i = 0; i < files->nr; i++) {
		if (files->files[i].inode == st.st_ino && files->files[i].device == st.st_dev) {
			close(fd);
			return (uint32_t)i;
		}
	}
	file = (struct mapped_file){ .device = st.st_dev,
				     .inode = st.st_ino,
				     .path = xstrdup(mapping->path),
				     .fd = fd,
				     .elf = elf__open(fd) };
	examine(files, &file);
	return add_file(files, pid, &file);
}

uint64_t files__vaddr(const struct mapped_file *file, const struct target_mapping *mapping)
{
	uint64_t vaddr;

	/* The vdso's addresses count from its start; others without ELF keep theirs. */
	if (!file->elf)
		return !strcmp(file->path, "[vdso]") ? 0 : mapping->start;
	return elf__offset_to_vaddr(file->elf, mapping->offset, &vaddr) ? mapping->offset : vaddr;
}

size_t files__nr_generators(const struct files *files)
{
	size_t nr = 0;
	pid_t last = 0;

	/* Where several are interleaved one may be counted twice: they are several all the same. */
	for (size_t i = 0; i < files->nr; i++) {
		const struct mapped_file *file = &files->files[i];

		if (file->unwind != UNWIND_MODULE_JIT || !file->pid || file->pid == last)
			continue;
		last = file->pid;
		nr++;
	}
	return nr;
}

const char *files__why_none(const struct files *files)
{
	for (size_t i = 0; i < files->nr; i++)
		if (files->files[i].why_none)
			return files->files[i].why_none;
	return NULL;
}

int files__fd(const struct files *files, uint32_t module)
{
	return module < files->nr ? files->files[module].fd : -1;
}
