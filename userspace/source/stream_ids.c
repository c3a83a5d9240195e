// SPDX-License-Identifier: BSD-2-Clause
#include "source/stream_ids.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "probe/allocators.h"
#include "symbol/elf.h"
#include "symbol/modmap.h"
#include "symbol/rootfs.h"

/* Modules of one process at most: an id beyond is no library's. */
#define MAX_MODULES 65536

struct stream_module {
	char *name; /* as the process has it */
	char *path; /* as it is sent: the kernel's, where it could be opened */
	uint8_t build_id[MODULE_MAX_BUILD_ID];
	uint32_t build_id_len;
	uint32_t older; /* id + 1 of another one of the same hash; 0: none */
	int fd;
};

void stream_ids__clear(struct stream_ids *ids)
{
	for (size_t i = 0; i < ids->nr_modules; i++) {
		free(ids->modules[i].name);
		free(ids->modules[i].path);
		if (ids->modules[i].fd >= 0)
			close(ids->modules[i].fd);
	}
	free(ids->modules);
	hmap__clear(&ids->by_hash);
	*ids = (struct stream_ids){ 0 };
}

void local_ids__clear(struct local_ids *local)
{
	free(local->modules);
	hmap__clear(&local->stacks);
	*local = (struct local_ids){ 0 };
}

int stream_ids__fd(const struct stream_ids *ids, uint32_t module)
{
	return module < ids->nr_modules ? ids->modules[module].fd : -1;
}

static bool is_same_build(const struct stream_module *module, struct elf_file *elf)
{
	uint8_t build_id[MODULE_MAX_BUILD_ID];
	size_t len = elf__build_id(elf, build_id, sizeof(build_id));

	return len == module->build_id_len && !memcmp(build_id, module->build_id, len);
}

/* The module's file below root (NULL: ours), if it is the one that was meant: names come from it,
 * and whether it is one that asks the kernel for memory. -1. */
static int open_file(const struct stream_module *module, const char *root, uint32_t *flags)
{
	int fd = rootfs__open(root, module->name);
	struct elf_file *elf = fd >= 0 ? elf__open(fd) : NULL;

	if (elf && is_same_build(module, elf)) {
		*flags |= allocators__maps_memory(elf) ? WIRE_MODULE_MAPS : 0;
		elf__close(elf);
		return fd;
	}
	elf__close(elf);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* As the process sees it, or, when it is gone, as we do. */
static void open_module(struct stream_module *module, pid_t pid, uint32_t *flags)
{
	char root[64], link[64], path[PATH_MAX];
	ssize_t len;

	module->path = xstrdup(strcmp(module->name, "linux-vdso.so.1") ? module->name : "[vdso]");
	if (module->name[0] != '/')
		return;
	snprintf(root, sizeof(root), "/proc/%d/root", pid);
	module->fd = open_file(module, root, flags);
	if (module->fd < 0)
		module->fd = open_file(module, NULL, flags);
	/* Without symbolic links, as the other engine has it. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", module->fd);
	len = module->fd < 0 ? 0 : readlink(link, path, sizeof(path));
	if (len <= 0)
		return;
	free(module->path);
	module->path = xstrndup(path, (size_t)len);
}

static void send_module(const struct stream_ids *ids, uint32_t id, uint32_t flags, pid_t pid,
			struct queue *queue)
{
	const struct stream_module *module = &ids->modules[id];
	struct wire_module record = { .id = id,
				      .path_len = (uint32_t)strlen(module->path),
				      .build_id_len = module->build_id_len,
				      .flags = flags };

	queue__add(queue, WIRE_MODULE, pid, &record, sizeof(record), module->build_id,
		   record.build_id_len, module->path, record.path_len);
}

static bool is_same(const struct stream_module *a, const struct stream_module *b)
{
	return !strcmp(a->name, b->name) && a->build_id_len == b->build_id_len &&
	       !memcmp(a->build_id, b->build_id, a->build_id_len);
}

/* Takes wanted->name over. */
static uint32_t find_or_add(struct stream_ids *ids, struct stream_module *wanted, uint32_t flags,
			    pid_t pid, struct queue *queue)
{
	uint64_t hash = hash__bytes(wanted->name, strlen(wanted->name)) ^
			hash__bytes(wanted->build_id, wanted->build_id_len);
	uint64_t *newest = hmap__find(&ids->by_hash, hash);
	uint32_t id;

	wanted->older = newest ? (uint32_t)*newest : 0;
	for (uint32_t at = wanted->older; at; at = ids->modules[at - 1].older)
		if (is_same(&ids->modules[at - 1], wanted)) {
			free(wanted->name);
			return at - 1;
		}
	flags &= WIRE_MODULE_WATCHED;
	open_module(wanted, pid, &flags);
	ids->modules =
		array__grow(ids->modules, ids->nr_modules, &ids->capacity, sizeof(*ids->modules));
	id = (uint32_t)ids->nr_modules++;
	ids->modules[id] = *wanted;
	hmap__set(&ids->by_hash, hash, id + 1);
	send_module(ids, id, flags, pid, queue);
	return id;
}

void local_ids__add_module(struct local_ids *local, struct stream_ids *ids,
			   const struct wire_module *record, pid_t pid, struct queue *queue)
{
	const char *tail = (const char *)(record + 1);
	struct stream_module wanted = { .fd = -1, .build_id_len = record->build_id_len };

	/* In their order, without gaps. */
	if (record->id != local->nr_modules || local->nr_modules >= MAX_MODULES)
		return;
	memcpy(wanted.build_id, tail, record->build_id_len);
	wanted.name = xstrndup(tail + record->build_id_len, record->path_len);
	local->modules = array__grow(local->modules, local->nr_modules, &local->capacity,
				     sizeof(*local->modules));
	local->modules[local->nr_modules++] = find_or_add(ids, &wanted, record->flags, pid, queue);
}

static uint32_t stack_id(const struct local_ids *local, uint32_t stack)
{
	const uint64_t *id = hmap__find(&local->stacks, stack);

	return id ? (uint32_t)*id : 0;
}

int local_ids__translate(struct local_ids *local, struct stream_ids *ids, struct wire_head *record)
{
	struct wire_mapping *mapping = (struct wire_mapping *)record;
	struct wire_stack *stack = (struct wire_stack *)record;
	struct wire_alloc *alloc = (struct wire_alloc *)record;

	switch (record->type) {
	case WIRE_MAPPING:
		if (mapping->module >= local->nr_modules)
			return -EBADMSG;
		mapping->module = local->modules[mapping->module];
		return 0;
	case WIRE_STACK:
		/* It may be sent again under its number, and is another one then. */
		hmap__set(&local->stacks, stack->id, ++ids->nr_stacks);
		stack->id = ids->nr_stacks;
		return 0;
	case WIRE_ALLOC:
		alloc->stack = stack_id(local, alloc->stack);
		return 0;
	case WIRE_FREE:
		if (record->size >= sizeof(struct wire_free_from)) {
			struct wire_free_from *from = (struct wire_free_from *)record;

			from->stack = stack_id(local, from->stack);
		}
		return 0;
	}
	return -EBADMSG;
}
