// SPDX-License-Identifier: BSD-2-Clause
#include "trace/dump_out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/strtab.h"
#include "base/util.h"

/* What one stream may make us keep: many times what any program has. */
#define MAX_OBJECTS	    16384
#define MAX_OBJECT_BYTES    (4u << 20)
#define MAX_PYTHON_LINES    (1u << 18)
#define MAX_PYTHON_BYTES    (16u << 20)
#define MAX_STACKS_INTERNED (1u << 18)

/* Compilers keep an object's code and data within 2 GiB, for what reaches one from the other. */
#define MAX_OBJECT_SPAN (2ull << 30)

/* Where no program has code on any machine: in the upper half, which is the kernel's, and far below
 * the addresses of a 32-bit machine that were sign-extended. */
#define PYTHON_START 0xa000000000000000ull
#define PYTHON_STEP  16 /* between two lines of Python */

/* Which function it was, the stream does not say: these two stand for all. */
#define FUNC_MALLOC WIRE_FUNCTION_USER
#define FUNC_FREE   (WIRE_FUNCTION_USER + 1)

/* The longest that one call makes: names and file of a line of Python. */
#define QUEUE_BYTES (64u << 10)

struct dump_out {
	uint32_t pid;
	uint64_t end_ns;       /* the newest time */
	struct strtab modules; /* paths; the module of one is its id - 1 */
	size_t module_bytes;
	uint64_t *biases; /* of the objects, sorted */
	size_t nr_biases, bias_capacity;
	struct strtab strings; /* by their ids on the wire */
	size_t string_bytes;
	struct hmap lines;  /* hash of a line of Python -> its number */
	struct hmap stacks; /* hash of the frames -> id, and 32 more bits of hash */
	uint32_t nr_stacks;
	char *name; /* argv[0] */
	/* The main program without a name waits for the object behind it. */
	bool held;
	uint64_t held_bias, held_ns;
	size_t used, at; /* bytes of the queue */
	uint64_t queue[QUEUE_BYTES / sizeof(uint64_t)];
};

struct dump_out *dump_out__new(void)
{
	return xcalloc(1, sizeof(struct dump_out));
}

void dump_out__free(struct dump_out *out)
{
	if (!out)
		return;
	strtab__clear(&out->modules);
	strtab__clear(&out->strings);
	hmap__clear(&out->lines);
	hmap__clear(&out->stacks);
	free(out->biases);
	free(out->name);
	free(out);
}

const struct wire_head *dump_out__take(struct dump_out *out)
{
	const struct wire_head *head = (const void *)((const char *)out->queue + out->at);

	if (out->at == out->used) {
		out->at = out->used = 0;
		return NULL;
	}
	out->at += head->size;
	return head;
}

/* Room for a record at the end of the queue, its head filled in, everything else 0. */
static void *put(struct dump_out *out, uint16_t type, size_t size, uint32_t pid)
{
	struct wire_head *head = (void *)((char *)out->queue + out->used);

	size = WIRE_PAD8(size);
	memset(head, 0, size);
	*head = (struct wire_head){ .type = type, .size = (uint16_t)size, .pid = pid };
	out->used += size;
	return head;
}

static void put_function(struct dump_out *out, uint16_t func, const char *symbol)
{
	static const char family[] = "libc";
	struct wire_function *record;

	record = put(out, WIRE_FUNCTION, sizeof(*record) + strlen(family) + strlen(symbol), 0);
	record->func = func;
	record->family_len = (uint16_t)strlen(family);
	record->symbol_len = (uint16_t)strlen(symbol);
	memcpy(record + 1, family, strlen(family));
	memcpy((char *)(record + 1) + strlen(family), symbol, strlen(symbol));
}

void dump_out__process(struct dump_out *out, uint32_t pid, uint64_t time_ns, uint64_t started_ns,
		       const char *name, size_t len)
{
	struct wire_target *record;

	len = strnlen(name, len);
	out->pid = pid;
	out->end_ns = time_ns;
	out->name = xstrndup(name, len);
	record = put(out, WIRE_TARGET, sizeof(*record) + 2 * len, pid);
	record->started_ns = started_ns;
	record->attached_ns = time_ns;
	record->exe_len = record->cmdline_len = (uint32_t)len;
	memcpy(record + 1, name, len);
	memcpy((char *)(record + 1) + len, name, len);
	put_function(out, FUNC_MALLOC, "malloc");
	put_function(out, FUNC_FREE, "free");
}

/* The id of a module, told where it is new. -E2BIG: there are too many. */
static int64_t module_of(struct dump_out *out, const char *path)
{
	size_t before = out->modules.nr, len = strlen(path);
	struct wire_module *record;
	uint32_t id;

	if (before == MAX_OBJECTS || out->module_bytes + len > MAX_OBJECT_BYTES)
		return -E2BIG;
	id = strtab__add(&out->modules, path, len) - 1;
	if (out->modules.nr == before)
		return id;
	out->module_bytes += len;
	record = put(out, WIRE_MODULE, sizeof(*record) + len, out->pid);
	record->id = id;
	record->path_len = (uint32_t)len;
	memcpy(record + 1, path, len);
	return id;
}

static void put_mapping(struct dump_out *out, uint64_t start, uint64_t end, uint32_t module)
{
	struct wire_mapping *record = put(out, WIRE_MAPPING, sizeof(*record), out->pid);

	record->time_ns = out->end_ns;
	record->start = start;
	record->end = end;
	record->module = module;
}

/* Adds a bias where it is new. Returns the next higher one; UINT64_MAX: none. */
static uint64_t add_bias(struct dump_out *out, uint64_t bias)
{
	size_t at = out->nr_biases;

	while (at && out->biases[at - 1] > bias)
		at--;
	if (!at || out->biases[at - 1] != bias) {
		out->biases = array__grow(out->biases, out->nr_biases, &out->bias_capacity,
					  sizeof(*out->biases));
		memmove(&out->biases[at + 1], &out->biases[at],
			(out->nr_biases - at) * sizeof(*out->biases));
		out->biases[at++] = bias;
		out->nr_biases++;
	}
	return at < out->nr_biases ? out->biases[at] : UINT64_MAX;
}

static bool is_vdso(const char *path)
{
	const char *base = path__base(path);

	return !strncmp(base, "linux-vdso", 10) || !strncmp(base, "linux-gate", 10);
}

static bool is_unnamed(const char *path)
{
	return !*path || !strcmp(path, "??");
}

static int tell_object(struct dump_out *out, uint64_t time_ns, uint64_t bias, const char *path)
{
	int64_t module = module_of(out, path);
	uint64_t end = bias + MAX_OBJECT_SPAN;

	out->end_ns = max(out->end_ns, time_ns);
	if (module < 0 || out->nr_biases == MAX_OBJECTS)
		return -E2BIG;
	if (end < bias)
		end = UINT64_MAX;
	put_mapping(out, bias, min(end, add_bias(out, bias)), (uint32_t)module);
	/* Addresses may mean something else from here on: stacks must be told anew. */
	hmap__clear(&out->stacks);
	return 0;
}

/*
 * Tells the main program, by argv[0]. next: the path of the object behind it; NULL: none. That of
 * the vDSO, which has no file, is one in the program's working directory, and so says what argv[0]
 * is relative to.
 */
static void tell_held(struct dump_out *out, const char *next)
{
	const char *name = out->name;
	char *whole = NULL;

	if (!out->held)
		return;
	out->held = false;
	if (next && *next == '/' && is_vdso(next) && *name != '/' && strchr(name, '/')) {
		name += strncmp(name, "./", 2) ? 0 : 2;
		whole = xasprintf("%.*s%s", (int)(path__base(next) - next), next, name);
	}
	/* The first of all objects always finds room. */
	tell_object(out, out->held_ns, out->held_bias,
		    whole && strlen(whole) <= WIRE_MAX_STRING ? whole : out->name);
	free(whole);
}

/* Only the main program where it is position-independent, and the vDSO, have no name, or one made
 * up. The former comes first. */
int dump_out__object(struct dump_out *out, uint64_t time_ns, uint64_t bias, const char *path,
		     size_t len)
{
	char *text = xstrndup(path, len);
	int err = 0;

	if (!out->modules.nr && !out->held && is_unnamed(text) && *out->name) {
		out->held = true;
		out->held_bias = bias;
		out->held_ns = time_ns;
	} else {
		tell_held(out, text);
		err = tell_object(out, time_ns, bias,
				  is_vdso(text)	     ? "[vdso]"
				  : is_unnamed(text) ? "[unknown]"
						     : text);
	}
	free(text);
	return err;
}

/* The id of a text, told where it is new; 0: it is empty. */
static uint32_t string_of(struct dump_out *out, const char *text, size_t len)
{
	size_t before = out->strings.nr;
	struct wire_string *record;
	uint32_t id;

	len = strnlen(text, len);
	if (!len)
		return 0;
	id = strtab__add(&out->strings, text, len);
	if (out->strings.nr == before)
		return id;
	out->string_bytes += len;
	record = put(out, WIRE_STRING, sizeof(*record) + len, 0);
	record->id = id;
	record->len = (uint32_t)len;
	memcpy(record + 1, text, len);
	return id;
}

uint64_t dump_out__python(struct dump_out *out, const char *name, size_t name_len, const char *file,
			  size_t file_len, uint32_t line)
{
	struct wire_symbol_frame frame = { .line = line };
	const uint64_t *known;
	struct wire_symbol *record;
	uint64_t hash, vaddr;
	int64_t module;

	tell_held(out, NULL);
	if (out->lines.nr == MAX_PYTHON_LINES || out->string_bytes > MAX_PYTHON_BYTES)
		return 0;
	module = module_of(out, "[python]");
	if (module < 0)
		return 0;
	if (!out->lines.nr)
		put_mapping(out, PYTHON_START, PYTHON_START + (1ull << 32), (uint32_t)module);
	frame.function = string_of(out, name, name_len);
	frame.file = string_of(out, file, file_len);
	hash = hash__bytes(&frame, sizeof(frame));
	known = hmap__find(&out->lines, hash);
	if (known)
		return PYTHON_START + *known * PYTHON_STEP;
	hmap__set(&out->lines, hash, out->lines.nr + 1);
	vaddr = out->lines.nr * PYTHON_STEP;
	record = put(out, WIRE_SYMBOL, sizeof(*record) + sizeof(frame), 0);
	record->vaddr = vaddr;
	record->module = (uint32_t)module;
	record->nr_frames = 1;
	record->frames[0] = frame;
	return PYTHON_START + vaddr;
}

static void put_stack(struct dump_out *out, const struct dump_alloc *alloc)
{
	size_t size = alloc->nr_frames * sizeof(alloc->frames[0]);
	struct wire_stack *record = put(out, WIRE_STACK, sizeof(*record) + size, out->pid);

	record->time_ns = alloc->time_ns;
	record->id = out->nr_stacks;
	record->nr_frames = alloc->nr_frames;
	record->flags = alloc->cut ? WIRE_STACK_CUT : 0;
	memcpy(record->frames, alloc->frames, size);
}

/* The id of an allocation's stack, told where it is new. -E2BIG: there are too many. */
static int64_t stack_of(struct dump_out *out, const struct dump_alloc *alloc)
{
	size_t size = alloc->nr_frames * sizeof(alloc->frames[0]);
	uint64_t hash = hash__bytes(alloc->frames, size) + alloc->cut, rest;
	const uint64_t *known = hmap__find(&out->stacks, hash);

	if (!alloc->nr_frames)
		return 0;
	/* An id is 32 bits: the rest of the value tells different stacks of one key. */
	rest = hash__u64(hash ^ alloc->frames[0] ^ alloc->nr_frames) << 32;
	if (known && (*known & ~(uint64_t)UINT32_MAX) == rest)
		return (uint32_t)*known;
	if (out->nr_stacks == UINT32_MAX)
		return -E2BIG;
	/* A stack met again after this gets another id, which costs room in the recording only. */
	if (out->stacks.nr == MAX_STACKS_INTERNED)
		hmap__clear(&out->stacks);
	hmap__set(&out->stacks, hash, rest | ++out->nr_stacks);
	put_stack(out, alloc);
	return out->nr_stacks;
}

int dump_out__alloc(struct dump_out *out, const struct dump_alloc *alloc)
{
	struct wire_alloc *record;
	int64_t stack;

	tell_held(out, NULL);
	stack = stack_of(out, alloc);
	if (stack < 0)
		return (int)stack;
	out->end_ns = max(out->end_ns, alloc->time_ns);
	record = put(out, WIRE_ALLOC, sizeof(*record), out->pid);
	record->time_ns = alloc->time_ns;
	record->addr = alloc->addr;
	record->bytes = alloc->bytes;
	record->tid = out->pid;
	record->stack = (uint32_t)stack;
	record->func = FUNC_MALLOC;
	return 0;
}

void dump_out__release(struct dump_out *out, uint64_t time_ns, uint64_t addr)
{
	struct wire_free *record;

	tell_held(out, NULL);
	out->end_ns = max(out->end_ns, time_ns);
	if (!addr)
		return;
	record = put(out, WIRE_FREE, sizeof(*record), out->pid);
	record->time_ns = time_ns;
	record->addr = addr;
	record->tid = out->pid;
	record->func = FUNC_FREE;
}

static void put_end(struct dump_out *out, uint32_t pid)
{
	struct wire_end *record = put(out, WIRE_END, sizeof(*record), pid);

	record->time_ns = out->end_ns;
	record->reason = WIRE_END_STOPPED;
}

void dump_out__end(struct dump_out *out)
{
	tell_held(out, NULL);
	put_end(out, out->pid);
	put_end(out, 0);
}
