// SPDX-License-Identifier: BSD-2-Clause
#include "modules.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "block_out.h"
#include "objects.h"
#include "os.h"
#include "wire.h"

#define MAX_RANGES   512u
#define MAX_PATH     1024u
#define MAX_BUILD_ID 64u
/* Naps for another thread that refreshes, of 100 us. */
#define MAX_NAPS 100u

struct range {
	uintptr_t start, end; /* end 0: it is gone; start and end are written when all else is */
	uint32_t module;
	uint32_t name_hash;
	uint32_t seen; /* number of the refresh that saw it last */
};

static struct {
	uint32_t locked;
	uint32_t pid;
	uintptr_t allocator;
	uint32_t nr_refreshed, nr_modules;
	uint32_t nr_ranges;
	struct range *ranges;
	uint8_t *records;
	uint32_t size;
	uint32_t *used, own_used; /* used: where others look, too */
} catalogue;

/* One object, as it is looked at. */
struct object {
	char path[MAX_PATH];
	uint32_t path_len;
	uint8_t build_id[MAX_BUILD_ID];
	uint32_t build_id_len;
	uint32_t hash;
};

static char program[MAX_PATH]; /* its path */
static size_t program_len;
static struct object looked_at; /* under the lock: a kilobyte that no small stack is asked for */

void modules__init(void *memory, uint32_t bytes, uint32_t pid, uintptr_t allocator)
{
	uint32_t for_ranges = MAX_RANGES * (uint32_t)sizeof(struct range);

	catalogue.ranges = memory;
	catalogue.records = (uint8_t *)memory + for_ranges;
	catalogue.size = bytes - for_ranges;
	catalogue.used = &catalogue.own_used;
	catalogue.pid = pid;
	catalogue.allocator = allocator;
}

void modules__share(void *records, uint32_t bytes, uint32_t *used)
{
	catalogue.records = records;
	catalogue.size = bytes;
	catalogue.used = used;
}

void modules__forked(uint32_t pid)
{
	catalogue.locked = 0;
	catalogue.pid = pid;
	*catalogue.used = catalogue.nr_ranges = catalogue.nr_modules = 0;
}

static uint32_t hash_bytes(uint32_t hash, const void *data, uint32_t len)
{
	for (const uint8_t *at = data; len--; at++)
		hash = (hash ^ *at) * 16777619u;
	return hash;
}

static void find_path(struct object *object, const char *name)
{
	ssize_t len = 0;

	if (!*name) {
		len = readlink("/proc/self/exe", object->path, MAX_PATH);
		/* A forked child may be where there is no /proc. */
		if (len > 0)
			memcpy(program, object->path, program_len = (size_t)len);
		else
			memcpy(object->path, program, (size_t)(len = (ssize_t)program_len));
	} else if (*name != '/' && strchr(name, '/') && getcwd(object->path, MAX_PATH - 1)) {
		len = (ssize_t)strlen(object->path);
		object->path[len++] = '/';
	}
	object->path_len = len > 0 ? (uint32_t)len : 0;
	len = (ssize_t)strlen(name);
	if ((size_t)len > MAX_PATH - object->path_len)
		len = MAX_PATH - object->path_len;
	memcpy(object->path + object->path_len, name, (size_t)len);
	object->path_len += (uint32_t)len;
}

static void describe(struct object *object, const struct dl_phdr_info *info)
{
	object->build_id_len = objects__build_id(info, object->build_id, MAX_BUILD_ID);
	find_path(object, info->dlpi_name ? info->dlpi_name : "");
	object->hash = hash_bytes(2166136261u, object->path, object->path_len);
	object->hash = hash_bytes(object->hash, object->build_id, object->build_id_len);
}

/* Zeroed room for a record with its head; NULL: the catalogue is full. */
static void *put(uint16_t type, uint32_t size)
{
	struct wire_head *head = (void *)(catalogue.records + *catalogue.used);

	size = WIRE_PAD8(size);
	if (size > catalogue.size - *catalogue.used)
		return NULL;
	memset(head, 0, size);
	head->type = type;
	head->size = (uint16_t)size;
	head->pid = catalogue.pid;
	return head;
}

static void publish(const struct wire_head *head)
{
	__atomic_store_n(catalogue.used, *catalogue.used + head->size, __ATOMIC_RELEASE);
}

/* The id of a module; -1: there is no room. */
static int64_t module_id(const struct object *object, bool watched)
{
	struct wire_module *record;
	uint8_t *text;

	for (uint32_t i = 0; i < catalogue.nr_ranges; i++)
		if (catalogue.ranges[i].name_hash == object->hash)
			return catalogue.ranges[i].module;
	record = put(WIRE_MODULE, sizeof(*record) + object->build_id_len + object->path_len);
	if (!record)
		return -1;
	text = (uint8_t *)(record + 1);
	record->id = catalogue.nr_modules++;
	record->path_len = object->path_len;
	record->build_id_len = object->build_id_len;
	record->flags = watched ? WIRE_MODULE_WATCHED : 0;
	memcpy(text, object->build_id, object->build_id_len);
	memcpy(text + object->build_id_len, object->path, object->path_len);
	publish(&record->head);
	return record->id;
}

void modules__add_target(uint32_t sample_bytes)
{
	struct wire_head *head = (void *)(catalogue.records + *catalogue.used);

	if (target_out__write(head, catalogue.size - *catalogue.used, catalogue.pid, 0,
			      sample_bytes))
		publish(head);
}

static struct range *free_range(void)
{
	for (uint32_t i = 0; i < catalogue.nr_ranges; i++)
		if (!catalogue.ranges[i].end)
			return &catalogue.ranges[i];
	return catalogue.nr_ranges < MAX_RANGES ? &catalogue.ranges[catalogue.nr_ranges] : NULL;
}

static void add_range(const struct dl_phdr_info *info, uintptr_t start, uintptr_t end)
{
	struct range *range = free_range();
	struct wire_mapping *record;
	int64_t module;

	describe(&looked_at, info);
	module = module_id(&looked_at, catalogue.allocator - start < end - start);
	record = module < 0 || !range ? NULL : put(WIRE_MAPPING, sizeof(*record));
	if (!record)
		return;
	record->time_ns = os__monotonic_ns();
	record->start = start;
	record->end = end;
	record->vaddr = start - info->dlpi_addr;
	record->module = (uint32_t)module;
	publish(&record->head);
	range->module = (uint32_t)module;
	range->name_hash = looked_at.hash;
	range->seen = catalogue.nr_refreshed;
	range->start = start;
	__atomic_store_n(&range->end, end, __ATOMIC_RELEASE);
	if (range == &catalogue.ranges[catalogue.nr_ranges])
		__atomic_store_n(&catalogue.nr_ranges, catalogue.nr_ranges + 1, __ATOMIC_RELEASE);
}

static void see_range(const struct dl_phdr_info *info, uintptr_t start, uintptr_t end)
{
	for (uint32_t i = 0; i < catalogue.nr_ranges; i++) {
		struct range *range = &catalogue.ranges[i];

		if (range->start == start && range->end == end) {
			range->seen = catalogue.nr_refreshed;
			return;
		}
	}
	add_range(info, start, end);
}

static void drop_unseen(void (*unloaded)(uintptr_t start, uintptr_t end))
{
	for (uint32_t i = 0; i < catalogue.nr_ranges; i++) {
		struct range *range = &catalogue.ranges[i];
		uintptr_t end = range->end;

		if (!end || range->seen == catalogue.nr_refreshed)
			continue;
		__atomic_store_n(&range->end, 0, __ATOMIC_RELEASE);
		if (unloaded)
			unloaded(range->start, end);
	}
}

void modules__refresh(void (*unloaded)(uintptr_t start, uintptr_t end))
{
	int saved = errno;
	sigset_t before;

	/* A handler that jumps out would leave it locked. */
	os__block_signals(&before);
	if (os__lock(&catalogue.locked, MAX_NAPS)) {
		catalogue.nr_refreshed++;
		objects__look(see_range);
		drop_unseen(unloaded);
		__atomic_store_n(&catalogue.locked, 0, __ATOMIC_RELEASE);
	}
	os__allow_signals(&before);
	errno = saved;
}

static const struct range *find_range(uintptr_t address)
{
	uint32_t nr = __atomic_load_n(&catalogue.nr_ranges, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < nr; i++) {
		const struct range *range = &catalogue.ranges[i];
		uintptr_t end = __atomic_load_n(&range->end, __ATOMIC_ACQUIRE);

		if (address >= range->start && address < end)
			return range;
	}
	return NULL;
}

bool modules__know(const uintptr_t *frames, unsigned nr_frames)
{
	uintptr_t start = 0, end = 0;

	for (unsigned i = 0; i < nr_frames; i++) {
		const struct range *range;

		/* Callers are mostly of one module. */
		if (frames[i] - 1 - start < end - start)
			continue;
		range = find_range(frames[i] - 1);
		if (!range)
			return false;
		start = range->start;
		end = __atomic_load_n(&range->end, __ATOMIC_ACQUIRE);
	}
	return true;
}

bool modules__more(uint32_t at)
{
	return at < __atomic_load_n(catalogue.used, __ATOMIC_ACQUIRE);
}

uint32_t modules__take(uint32_t *at, void *to, uint32_t room)
{
	uint32_t used = __atomic_load_n(catalogue.used, __ATOMIC_ACQUIRE), taken = 0;

	while (*at < used) {
		const struct wire_head *head = (const void *)(catalogue.records + *at);

		if (head->size > room - taken)
			break;
		memcpy((uint8_t *)to + taken, head, head->size);
		taken += head->size;
		*at += head->size;
	}
	return taken;
}
