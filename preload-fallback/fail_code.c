// SPDX-License-Identifier: BSD-2-Clause
#include "fail_code.h"

#include <errno.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "hash.h"
#include "lookup.h"
#include "objects.h"
#include "os.h"

#define MAX_FUNCTIONS 64u
#define MAX_SYMBOLS   (1u << 20)
/* Of a function whose size the symbol does not say. */
#define GUESSED_BYTES 64u
/* Naps for another thread that refreshes, of 100 us. */
#define MAX_NAPS 100u

/* Their callers cannot do without: the loader and the C library end the process, or lose what was
 * to be done at its end. */
static const char protected_names[] = "__cxa_thread_atexit_impl\0"
				      "atexit\0"
				      "at_quick_exit\0"
				      "pthread_create\0"
				      "dlopen\0"
				      "dlmopen\0"
				      "dlclose\0"
				      "dlsym\0"
				      "dlvsym\0"
				      "dlerror\0"
				      "dladdr\0"
				      "dladdr1\0"
				      "dlinfo\0"
				      "dl_iterate_phdr\0"
				      "__tls_get_addr\0";

struct function {
	uintptr_t start, end; /* end 0: it is gone */
	bool is_wanted;
};

static struct {
	uint32_t locked;
	uint32_t nr_refreshed;
	const char *wanted;
	uintptr_t allocator, loader;
	struct fail_object *objects;
	uint32_t nr_objects, max_objects;
	struct function functions[MAX_FUNCTIONS];
	uint32_t nr_functions;
} code;

/* Where the kernel has put the loader; 0: nowhere. */
static uintptr_t loader_base(void)
{
	ElfW(auxv_t) entries[32];
	size_t used = os__read_file("/proc/self/auxv", (char *)entries, sizeof(entries));

	for (size_t i = 0; i < used / sizeof(entries[0]); i++)
		if (entries[i].a_type == AT_BASE)
			return entries[i].a_un.a_val;
	return 0;
}

void fail_code__init(void *memory, uint32_t bytes, const char *function, uintptr_t allocator)
{
	code.objects = memory;
	code.max_objects = bytes / (uint32_t)sizeof(*code.objects);
	code.wanted = function;
	code.allocator = allocator;
	code.loader = loader_base();
}

/* ---- an object --------------------------------------------------------------------------------
 */

static void set_path(struct fail_object *object, const char *name)
{
	char path[1024];
	size_t len = strlen(name);

	if (!len) {
		ssize_t got = readlink("/proc/self/exe", path, sizeof(path));

		len = got > 0 ? (size_t)got : 0;
		name = path;
	}
	if (len > FAIL_CODE_PATH) {
		name += len - FAIL_CODE_PATH;
		len = FAIL_CODE_PATH;
	}
	memcpy(object->path, name, len);
	object->path_len = (uint8_t)len;
}

static void set_id(struct fail_object *object)
{
	char name[FAIL_CODE_PATH + 1] __attribute__((aligned(8)));
	uint8_t begin = object->path_len, len;

	if (object->build_id_len) {
		memcpy(name, object->build_id, object->build_id_len);
		object->id = hash__bytes(name, object->build_id_len);
		return;
	}
	while (begin && object->path[begin - 1] != '/')
		begin--;
	len = (uint8_t)(object->path_len - begin);
	memcpy(name, object->path + begin, len);
	object->id = hash__bytes(name, len);
}

/* ---- functions --------------------------------------------------------------------------------
 */

static bool is_function(const ElfW(Sym) * symbol)
{
	/* The same for both classes. */
	return ELF32_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_shndx != SHN_UNDEF &&
	       symbol->st_value;
}

static void add_function(uintptr_t start, uintptr_t size, bool is_wanted)
{
	uint32_t i = 0;

	while (i < code.nr_functions && code.functions[i].end)
		i++;
	if (i == MAX_FUNCTIONS)
		return;
	code.functions[i].start = start & ~(uintptr_t)1; /* a bit of some machines' modes */
	code.functions[i].is_wanted = is_wanted;
	__atomic_store_n(&code.functions[i].end, start + (size ? size : GUESSED_BYTES),
			 __ATOMIC_RELEASE);
	if (i == code.nr_functions)
		__atomic_store_n(&code.nr_functions, i + 1, __ATOMIC_RELEASE);
}

/* strings: one behind the other, to an empty one. */
static bool is_among(const char *strings, const char *name)
{
	while (*strings && strcmp(strings, name))
		strings = os__nth(strings, 1);
	return *strings;
}

static void find_functions(struct fail_object *object, const struct dl_phdr_info *info)
{
	struct lookup_tables tables;
	uint32_t nr;

	if (!lookup__read_tables(&tables, info))
		return;
	nr = lookup__nr_symbols(&tables);
	for (uint32_t i = 0; i < nr && i < MAX_SYMBOLS; i++) {
		const ElfW(Sym) *symbol = &tables.symbols[i];
		const char *name = tables.strings + symbol->st_name;

		if (!is_function(symbol) ||
		    tables.base + symbol->st_value - object->start >= object->end - object->start)
			continue;
		if (*code.wanted && !strcmp(name, code.wanted))
			add_function(tables.base + symbol->st_value, symbol->st_size, true);
		if (!is_among(protected_names, name))
			continue;
		object->has_protected = true;
		add_function(tables.base + symbol->st_value, symbol->st_size, false);
	}
}

/* ---- what is loaded ---------------------------------------------------------------------------
 */

static void see(const struct dl_phdr_info *info, uintptr_t start, uintptr_t end)
{
	struct fail_object *free_one = NULL, fresh;

	for (uint32_t i = 0; i < code.nr_objects; i++) {
		struct fail_object *object = &code.objects[i];

		if (object->start == start && object->end == end) {
			object->seen = code.nr_refreshed;
			return;
		}
		free_one = object->end ? free_one : object;
	}
	if (!free_one && code.nr_objects == code.max_objects)
		return;
	memset(&fresh, 0, sizeof(fresh));
	fresh.start = start;
	fresh.end = end;
	fresh.bias = info->dlpi_addr;
	fresh.seen = code.nr_refreshed;
	fresh.is_loader = code.loader && code.loader == info->dlpi_addr &&
			  code.allocator - start >= end - start;
	set_path(&fresh, info->dlpi_name ? info->dlpi_name : "");
	fresh.build_id_len = (uint8_t)objects__build_id(info, fresh.build_id, FAIL_CODE_BUILD_ID);
	set_id(&fresh);
	find_functions(&fresh, info);
	if (!free_one)
		free_one = &code.objects[code.nr_objects];
	fresh.end = 0;
	*free_one = fresh;
	__atomic_store_n(&free_one->end, end, __ATOMIC_RELEASE);
	if (free_one == &code.objects[code.nr_objects])
		__atomic_store_n(&code.nr_objects, code.nr_objects + 1, __ATOMIC_RELEASE);
}

static void drop_unseen(void)
{
	for (uint32_t i = 0; i < code.nr_objects; i++) {
		struct fail_object *object = &code.objects[i];

		if (!object->end || object->seen == code.nr_refreshed)
			continue;
		for (uint32_t n = 0; n < code.nr_functions; n++)
			if (code.functions[n].start - object->start < object->end - object->start)
				__atomic_store_n(&code.functions[n].end, 0, __ATOMIC_RELEASE);
		__atomic_store_n(&object->end, 0, __ATOMIC_RELEASE);
	}
}

void fail_code__refresh(void)
{
	int saved = errno;
	sigset_t before;

	os__block_signals(&before);
	if (os__lock(&code.locked, MAX_NAPS)) {
		code.nr_refreshed++;
		objects__look(see);
		drop_unseen();
		__atomic_store_n(&code.locked, 0, __ATOMIC_RELEASE);
	}
	os__allow_signals(&before);
	errno = saved;
}

const struct fail_object *fail_code__of(uintptr_t address)
{
	uint32_t nr = __atomic_load_n(&code.nr_objects, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < nr; i++) {
		const struct fail_object *object = &code.objects[i];
		uintptr_t end = __atomic_load_n(&object->end, __ATOMIC_ACQUIRE);

		if (address >= object->start && address < end)
			return object;
	}
	return NULL;
}

static bool is_in(uintptr_t address, bool is_wanted)
{
	uint32_t nr = __atomic_load_n(&code.nr_functions, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < nr; i++) {
		const struct function *function = &code.functions[i];
		uintptr_t end = __atomic_load_n(&function->end, __ATOMIC_ACQUIRE);

		if (function->is_wanted == is_wanted && address >= function->start && address < end)
			return true;
	}
	return false;
}

bool fail_code__is_wanted(uintptr_t address)
{
	return is_in(address, true);
}

bool fail_code__is_protected(uintptr_t address)
{
	return is_in(address, false);
}

/* ---- names ------------------------------------------------------------------------------------
 */

struct naming {
	uintptr_t address, start;
	char *name;
	uint32_t size;
};

static int name_in(struct dl_phdr_info *info, size_t size, void *data)
{
	struct naming *naming = data;
	const char *name = "";
	struct lookup_tables tables;
	uint32_t nr;
	size_t len;

	if (!objects__segment(info, naming->address))
		return 0;
	nr = lookup__read_tables(&tables, info) ? lookup__nr_symbols(&tables) : 0;
	for (uint32_t i = 0; i < nr && i < MAX_SYMBOLS; i++) {
		const ElfW(Sym) *symbol = &tables.symbols[i];
		uintptr_t start = tables.base + symbol->st_value;

		if (is_function(symbol) && naming->address - start < symbol->st_size) {
			name = tables.strings + symbol->st_name;
			naming->start = start;
		}
	}
	len = strlen(name) < naming->size ? strlen(name) : naming->size - 1;
	memcpy(naming->name, name, len);
	naming->name[len] = '\0';
	return 1;
}

void fail_code__name(uintptr_t address, char *name, uint32_t size, uintptr_t *offset)
{
	struct naming naming = { .address = address, .name = name, .size = size };

	name[0] = '\0';
	dl_iterate_phdr(name_in, &naming);
	*offset = name[0] ? address - naming.start : 0;
}
