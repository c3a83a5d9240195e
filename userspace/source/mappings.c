// SPDX-License-Identifier: BSD-2-Clause
#include "source/mappings.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "probe/allocators.h"
#include "probe/trial.h"
#include "symbol/elf.h"
#include "symbol/modmap.h"

struct mapped_file {
	dev_t device; /* both 0: no file */
	ino_t inode;
	char *path;
	int fd;		      /* -1: none */
	struct elf_file *elf; /* NULL: none */
};

struct mapped_range {
	uint64_t start, end, offset;
	uint32_t module;
};

void mappings__init(struct mappings *mappings, struct engine *engine, struct queue *queue,
		    pid_t pid)
{
	*mappings = (struct mappings){ .engine = engine, .queue = queue, .pid = pid };
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

static uint32_t add_file(struct mappings *mappings, const struct mapped_file *file)
{
	mappings->files = array__grow(mappings->files, mappings->nr_files,
				      &mappings->files_capacity, sizeof(*mappings->files));
	mappings->files[mappings->nr_files] = *file;
	send_module(mappings, (uint32_t)mappings->nr_files, file);
	return (uint32_t)mappings->nr_files++;
}

/* What cannot be opened (the vdso, generated code) is known by its name alone. */
static uint32_t find_nameless(struct mappings *mappings, const char *name)
{
	for (size_t i = 0; i < mappings->nr_files; i++)
		if (mappings->files[i].fd < 0 && !strcmp(mappings->files[i].path, name))
			return (uint32_t)i;
	return add_file(mappings, &(struct mapped_file){ .path = xstrdup(name), .fd = -1 });
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
		return find_nameless(mappings, mapping->path[0] == '[' ? mapping->path : "[anon]");
	fd = target__open_mapped(mappings->pid, mapping->start, mapping->end, mapping->path,
				 openable, sizeof(openable));
	if (fd < 0 || fstat(fd, &st)) {
		if (fd >= 0)
			close(fd);
		return find_nameless(mappings, mapping->path);
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
	struct wire_mapping record = { .time_ns = time_ns,
				       .start = mapping->start,
				       .end = mapping->end };
	const struct mapped_file *file;

	record.module = find_module(mappings, mapping);
	if (is_known(mappings, mapping, record.module))
		return;
	file = &mappings->files[record.module];
	if (!file->elf)
		/* The vdso's addresses count from its start; others without ELF keep theirs. */
		record.vaddr = !strcmp(file->path, "[vdso]") ? 0 : mapping->start;
	else if (elf__offset_to_vaddr(file->elf, mapping->offset, &record.vaddr))
		record.vaddr = mapping->offset;
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

int mappings__scan(struct mappings *mappings)
{
	return target__for_each_mapping(mappings->pid, add_now, mappings);
}

int mappings__module_fd(const struct mappings *mappings, uint32_t module)
{
	return module < mappings->nr_files ? mappings->files[module].fd : -1;
}
