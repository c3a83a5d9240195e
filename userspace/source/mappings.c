// SPDX-License-Identifier: BSD-2-Clause
#include "source/mappings.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "probe/allocators.h"
#include "probe/trial.h"
#include "symbol/elf.h"
#include "symbol/modmap.h"
#include "unwind/cache.h"
#include "unwind/cache.h"
#include "unwind/cfi.h"

#define MAX_VDSO 65536

struct mapped_file {
	dev_t device; /* both 0: no file */
	ino_t inode;
	char *path;
	int fd;		      /* -1: none */
	struct elf_file *elf; /* NULL: none */
	uint32_t unwind;      /* number of its unwind table */
};

struct mapped_range {
	uint64_t start, end, offset;
	uint32_t module;
};

void mappings__init(struct mappings *mappings, struct engine *engine, struct queue *queue,
		    struct walks *walks, pid_t pid)
{
	*mappings =
		(struct mappings){ .engine = engine, .queue = queue, .walks = walks, .pid = pid };
}

void mappings__clear(struct mappings *mappings)
{
	for (size_t i = 0; i < mappings->nr_files; i++) {
		struct mapped_file *file = &mappings->files[i];

		elf__close(file->elf);
		if (file->fd >= 0)
			close(file->fd);
		free(file->path);
	}
	free(mappings->files);
	free(mappings->ranges);
	*mappings = (struct mappings){ 0 };
}

static void send_module(struct mappings *mappings, uint32_t id, const struct mapped_file *file)
{
	uint8_t build_id[MODULE_MAX_BUILD_ID];
	size_t len = file->elf ? elf__build_id(file->elf, build_id, sizeof(build_id)) : 0;
	struct wire_module record = {
		.id = id,
		.path_len = (uint32_t)min(strlen(file->path), (size_t)WIRE_MAX_STRING),
		.build_id_len = (uint32_t)min(len, sizeof(build_id)),
	};

	queue__add(mappings->queue, WIRE_MODULE, mappings->pid, &record, sizeof(record), build_id,
		   record.build_id_len, file->path, record.path_len);
}

/* Names the chosen instructions and what they will cost, for --verbose. */
static void describe_sites(const char *path, const struct engine *engine,
			   const struct probe_site *sites, int nr_sites)
{
	struct trial_cost cost;
	char predicted[32] = "";

	if (log__level() < LOG_INFO)
		return;
	if (trial__cost(&cost))
		cost = (struct trial_cost){ 0 };
	for (int i = 0; i < nr_sites; i++) {
		if (cost.emulated_ns > 0)
			snprintf(predicted, sizeof(predicted), ", %.2f us a call",
				 trial_cost__call_ns(&cost, &sites[i]) / 1e3);
		log_info("%s: %s is probed at +%u, on `%s` (%s%s), by %s link.", path__base(path),
			 sites[i].fn->symbol, sites[i].place.offset, sites[i].place.text,
			 sites[i].place.emulated ? "emulated" : "single-stepped", predicted,
			 link_kind__name(engine->kind));
	}
}

/* Probes the allocator functions of a file seen for the first time. */
static void probe_file(struct mappings *mappings, const struct mapped_file *file, const char *path)
{
	struct probe_site *sites = NULL;
	int nr_sites = allocators__find(file->elf, &sites), err;

	if (nr_sites > 0) {
		err = engine__attach(mappings->engine, path, mappings->pid, sites,
				     (size_t)nr_sites);
		if (err) {
			mappings->probe_error = err;
			log_debug("Probing %s failed: %s.", file->path, strerror(-err));
		} else {
			mappings->nr_probed += (size_t)nr_sites;
			describe_sites(file->path, mappings->engine, sites, nr_sites);
		}
	}
	free(sites);
}

/* Loads a file's unwind table. What is damaged in it costs stacks, so it is said. */
static void load_unwind_table(struct mappings *mappings, struct mapped_file *file)
{
	struct unwind_tables *tables = &mappings->engine->tables;
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
	file->unwind = unwind_tables__add(tables, table);
	unwind_table__free(table);
}

/* The vdso is no file, but has unwind information in the memory of the process. */
static void load_vdso_table(struct mappings *mappings, struct mapped_file *file,
			    const struct target_mapping *mapping)
{
	struct unwind_table *table;
	char image[MAX_VDSO];
	size_t len = (size_t)min(mapping->end - mapping->start, (uint64_t)sizeof(image));
	struct iovec local = { image, len };
	struct iovec remote = { (void *)(uintptr_t)mapping->start, len };

	if (process_vm_readv(mappings->pid, &local, 1, &remote, 1, 0) != (ssize_t)len)
		return;
	table = cfi__compile_image(image, len, NULL);
	file->unwind = unwind_tables__add(&mappings->engine->tables, table);
	unwind_table__free(table);
}

static uint32_t add_file(struct mappings *mappings, const struct mapped_file *file)
{
	mappings->files = array__grow(mappings->files, mappings->nr_files,
				      &mappings->files_capacity, sizeof(*mappings->files));
	mappings->files[mappings->nr_files] = *file;
	send_module(mappings, (uint32_t)mappings->nr_files, file);
	return (uint32_t)mappings->nr_files++;
}

/* What cannot be opened (the vdso, generated code) is known by its name alone. */
static uint32_t find_nameless(struct mappings *mappings, const struct target_mapping *mapping,
			      const char *name)
{
	struct mapped_file file = { .path = xstrdup(name), .fd = -1 };
	size_t i;

	for (i = 0; i < mappings->nr_files; i++)
		if (mappings->files[i].fd < 0 && !strcmp(mappings->files[i].path, name))
			break;
	if (i < mappings->nr_files) {
		free(file.path);
		return (uint32_t)i;
	}
	if (!strcmp(name, "[vdso]"))
		load_vdso_table(mappings, &file, mapping);
	else if (name[0] == '[' && strcmp(name, "[vsyscall]"))
		file.unwind = UNWIND_MODULE_JIT;
	return add_file(mappings, &file);
}

/* The module a mapping shows: known, or opened, sent and probed. */
static uint32_t find_module(struct mappings *mappings, const struct target_mapping *mapping)
{
	char openable[PATH_MAX + 64];
	struct mapped_file file;
	struct stat st;
	uint32_t id;
	int fd;

	if (mapping->path[0] != '/' || !strncmp(mapping->path, "//anon", 6))
		return find_nameless(mappings, mapping,
				     mapping->path[0] == '[' ? mapping->path : "[anon]");
	fd = target__open_mapped(mappings->pid, mapping->start, mapping->end, mapping->path,
				 openable, sizeof(openable));
	if (fd < 0 || fstat(fd, &st)) {
		if (fd >= 0)
			close(fd);
		return find_nameless(mappings, mapping, mapping->path);
	}
	for (size_t i = 0; i < mappings->nr_files; i++) {
		if (mappings->files[i].inode == st.st_ino &&
		    mappings->files[i].device == st.st_dev) {
			close(fd);
			return (uint32_t)i;
		}
	}
	file = (struct mapped_file){ .device = st.st_dev,
				     .inode = st.st_ino,
				     .path = xstrdup(mapping->path),
				     .fd = fd,
				     .elf = elf__open(fd) };
	load_unwind_table(mappings, &file);
	id = add_file(mappings, &file);
	if (file.elf)
		probe_file(mappings, &file, openable);
	return id;
}

/* Is that what was last sent of these addresses? */
static bool is_known(const struct mappings *mappings, const struct target_mapping *mapping,
		     uint32_t module)
{
	for (size_t i = mappings->nr_ranges; i-- > 0;) {
		const struct mapped_range *range = &mappings->ranges[i];

		if (range->start < mapping->end && mapping->start < range->end)
			return range->start == mapping->start && range->end == mapping->end &&
			       range->offset == mapping->offset && range->module == module;
	}
	return false;
}

void mappings__add(struct mappings *mappings, const struct target_mapping *mapping,
		   uint64_t time_ns)
{
	/* Where return probes lead: the walker looks up what they replaced. */
	static const char trampolines[] = "[uprobes]";
	struct wire_mapping record = { .time_ns = time_ns,
				       .start = mapping->start,
				       .end = mapping->end };
	const struct mapped_file *file;

	if (!strcmp(mapping->path, trampolines))
		return;
	record.module = find_module(mappings, mapping);
	if (is_known(mappings, mapping, record.module))
		return;
	file = &mappings->files[record.module];
	mappings->nr_generated += file->unwind == UNWIND_MODULE_JIT;
	if (!file->elf)
		/* The vdso's addresses count from its start; others without ELF keep theirs. */
		record.vaddr = !strcmp(file->path, "[vdso]") ? 0 : mapping->start;
	else if (elf__offset_to_vaddr(file->elf, mapping->offset, &record.vaddr))
		record.vaddr = mapping->offset;
	unwind_tables__map(&mappings->engine->tables, record.start, record.end, record.vaddr,
			   file->unwind);
	if (file->elf)
		walks__map(mappings->walks, record.start, record.end, record.vaddr, file->fd,
			   file->path);
	queue__add(mappings->queue, WIRE_MAPPING, mappings->pid, &record, sizeof(record), NULL, 0,
		   NULL, 0);
	mappings->ranges = array__grow(mappings->ranges, mappings->nr_ranges,
				       &mappings->ranges_capacity, sizeof(*mappings->ranges));
	mappings->ranges[mappings->nr_ranges++] =
		(struct mapped_range){ mapping->start, mapping->end, mapping->offset,
				       record.module };
}

static int add_now(const struct target_mapping *mapping, void *data)
{
	mappings__add(data, mapping, clock__monotonic_ns());
	return 0;
}

void mappings__publish(struct mappings *mappings)
{
	if (mappings->nr_published == mappings->nr_ranges)
		return;
	unwind_tables__publish(&mappings->engine->tables);
	mappings->nr_published = mappings->nr_ranges;
}

int mappings__restart(struct mappings *mappings)
{
	unwind_tables__unmap_all(&mappings->engine->tables);
	mappings->nr_ranges = 0;
	mappings->nr_published = SIZE_MAX; /* whatever is found is news */
	return mappings__scan(mappings);
}

int mappings__scan(struct mappings *mappings)
{
	int err = target__for_each_mapping(mappings->pid, add_now, mappings);

	mappings__publish(mappings);
	return err;
}

int mappings__module_fd(const struct mappings *mappings, uint32_t module)
{
	return module < mappings->nr_files ? mappings->files[module].fd : -1;
}
