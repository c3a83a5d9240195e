// SPDX-License-Identifier: BSD-2-Clause
/*
 * Both directions walk the same code, so that one cannot drift from the other: code_*() writes a
 * value to its column when packing, and when unpacking ignores the value and returns what the
 * column holds. The format is described in docs/format.md.
 */
#include "trace/pack.h"

#include <byteswap.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/util.h"
#include "trace/block.h"
#include "trace/swap.h"
#include "wire.h"

/* The columns, in the order in which they stand in a packed block. */
enum column {
	KINDS,
	TEMPLATES,
	OTHERS,
	TIMES_LOW,
	TIMES_HIGH,
	ALLOC_BACKS,
	FREE_BACKS,
	NEW_ADDRESSES,
	BYTES,
	STACKS,
	STACK_IDS,
	FRAME_BACKS,
	NEW_FRAMES,
	NR_COLUMNS
};

/* A frame of 8 bytes takes 1 and at most 10 in two columns: no column gets longer than this. */
#define COLUMN_CAPACITY (2 * BLOCK_MAX_RAW)

#define MAX_KINDS   (BLOCK_MAX_RAW / sizeof(struct wire_stack) + 1)
#define KIND_BITS   16
#define MAX_HISTORY (BLOCK_MAX_RAW / sizeof(uint64_t))
#define RECENT_BITS 14

/* The records that are packed. */
union record {
	struct wire_head head;
	struct wire_alloc alloc;
	struct wire_free free;
	struct wire_free_from from;
	struct wire_stack stack;
	uint64_t words[sizeof(struct wire_stack) / sizeof(uint64_t) + WIRE_MAX_FRAMES];
};

/* What the records of a kind have in common: their fixed part with 0 for all that varies. */
union template
{
	struct wire_head head;
	struct wire_alloc alloc;
	struct wire_free free;
	struct wire_free_from from;
	struct wire_stack stack;
};

_Static_assert(MAX_KINDS < (1 << KIND_BITS), "there must be free places in kind_table");

/* Numbers that come again: one seen n numbers ago is coded as n. */
struct history {
	uint64_t values[MAX_HISTORY];
	uint32_t nr;
	uint64_t last_new;
	uint32_t recent[1 << RECENT_BITS]; /* by hash: where a value was last; may be out of date */
};

struct cursor {
	uint8_t *at;
	const uint8_t *end; /* when unpacking */
};

struct pack {
	bool packing;
	bool failed; /* unpacking: the input is damaged */
	bool foreign;
	struct cursor columns[NR_COLUMNS];
	uint64_t last_time;
	uint32_t last_stack, last_free_stack;
	uint32_t last_stack_id;
	struct history addresses, frames;
	union template kinds[MAX_KINDS];
	uint32_t nr_kinds;
	uint16_t kind_table[1 << KIND_BITS]; /* by hash: number of a kind, from 1; 0: free */
	uint8_t (*bytes)[COLUMN_CAPACITY];   /* of the columns when packing */
};

struct pack *pack__new(void)
{
	return xcalloc(1, sizeof(struct pack));
}

void pack__free(struct pack *pack)
{
	if (!pack)
		return;
	free(pack->bytes);
	free(pack);
}

void pack__set_foreign(struct pack *pack, bool foreign)
{
	pack->foreign = foreign;
}

static void restart(struct pack *pack, bool packing)
{
	pack->packing = packing;
	pack->failed = false;
	pack->last_time = 0;
	pack->last_stack = pack->last_free_stack = pack->last_stack_id = 0;
	pack->addresses.nr = pack->frames.nr = 0;
	pack->addresses.last_new = pack->frames.last_new = 0;
	pack->nr_kinds = 0;
	if (packing)
		memset(pack->kind_table, 0, sizeof(pack->kind_table));
}

static uint64_t code_byte(struct pack *pack, enum column column, uint64_t value)
{
	struct cursor *cursor = &pack->columns[column];

	if (pack->packing) {
		*cursor->at++ = (uint8_t)value;
		return value;
	}
	if (cursor->at < cursor->end)
		return *cursor->at++;
	pack->failed = true;
	return 0;
}

static void code_bytes(struct pack *pack, enum column column, void *bytes, size_t len)
{
	struct cursor *cursor = &pack->columns[column];

	if (pack->packing) {
		memcpy(cursor->at, bytes, len);
	} else if (len <= (size_t)(cursor->end - cursor->at)) {
		memcpy(bytes, cursor->at, len);
	} else {
		pack->failed = true;
		return;
	}
	cursor->at += len;
}

/* Seven bits a byte, the lowest first; the top bit says that more follow. */
static uint64_t code_number(struct pack *pack, enum column column, uint64_t value)
{
	uint64_t coded, result = 0;
	unsigned shift = 0;

	do {
		coded = code_byte(pack, column, (value & 0x7f) | (value > 0x7f ? 0x80 : 0));
		result |= (coded & 0x7f) << shift;
		value >>= 7;
		shift += 7;
	} while (coded & 0x80 && shift < 64);
	return result;
}

/* A difference of either sign as a small number: 0, -1, 1, -2, … become 0, 1, 2, 3, … */
static uint64_t code_difference(struct pack *pack, enum column column, uint64_t value,
				uint64_t from)
{
	uint64_t difference = value - from;

	difference = difference << 1 ^ -(difference >> 63);
	difference = code_number(pack, column, difference);
	return from + (difference >> 1 ^ -(difference & 1));
}

/* The times' lowest bytes are noise: zlib does better with the rest when they stand apart. */
static void code_time(struct pack *pack, uint64_t *time_ns)
{
	uint64_t difference = *time_ns - pack->last_time;

	difference = difference << 1 ^ -(difference >> 63);
	difference = code_byte(pack, TIMES_LOW, difference & 0xff) |
		     code_number(pack, TIMES_HIGH, difference >> 8) << 8;
	pack->last_time += difference >> 1 ^ -(difference & 1);
	*time_ns = pack->last_time;
}

/* How many values ago this one was; 0: not seen, or forgotten. */
static uint64_t find_back(struct history *history, uint64_t value)
{
	uint32_t *recent = &history->recent[hash__u64(value) >> (64 - RECENT_BITS)];
	uint32_t at = *recent;

	*recent = history->nr;
	return at < history->nr && history->values[at] == value ? history->nr - at : 0;
}

static void code_repeated(struct pack *pack, struct history *history, enum column backs,
			  enum column news, uint64_t *value)
{
	uint64_t back = pack->packing ? find_back(history, *value) : 0;

	back = code_number(pack, backs, back);
	if (back > history->nr)
		pack->failed = true;
	else if (back)
		*value = history->values[history->nr - back];
	else
		*value = history->last_new = code_difference(pack, news, *value, history->last_new);
	history->values[history->nr++] = *value;
}

static void code_alloc(struct pack *pack, struct wire_alloc *alloc)
{
	code_time(pack, &alloc->time_ns);
	code_repeated(pack, &pack->addresses, ALLOC_BACKS, NEW_ADDRESSES, &alloc->addr);
	alloc->bytes = code_number(pack, BYTES, alloc->bytes);
	alloc->stack = (uint32_t)code_difference(pack, STACKS, alloc->stack, pack->last_stack);
	pack->last_stack = alloc->stack;
}

static void code_free(struct pack *pack, union record *record)
{
	struct wire_free_from *from = &record->from;

	code_time(pack, &record->free.time_ns);
	code_repeated(pack, &pack->addresses, FREE_BACKS, NEW_ADDRESSES, &record->free.addr);
	if (record->head.size != sizeof(*from))
		return;
	from->stack = (uint32_t)code_difference(pack, STACKS, from->stack, pack->last_free_stack);
	pack->last_free_stack = from->stack;
}

static void code_stack(struct pack *pack, struct wire_stack *stack)
{
	code_time(pack, &stack->time_ns);
	stack->id = (uint32_t)code_difference(pack, STACK_IDS, stack->id, pack->last_stack_id);
	pack->last_stack_id = stack->id;
	for (uint16_t i = 0; i < stack->nr_frames; i++)
		code_repeated(pack, &pack->frames, FRAME_BACKS, NEW_FRAMES, &stack->frames[i]);
}

static void code_varying(struct pack *pack, union record *record)
{
	switch (record->head.type) {
	case WIRE_ALLOC:
		code_alloc(pack, &record->alloc);
		break;
	case WIRE_FREE:
		code_free(pack, record);
		break;
	case WIRE_STACK:
		code_stack(pack, &record->stack);
		break;
	}
}

/* The template's bytes for a record that begins like this one; 0: such a record is not packed. */
static size_t template_size(const struct wire_head *head)
{
	const struct wire_stack *stack = (const void *)head;

	switch (head->type) {
	case WIRE_ALLOC:
		return head->size == sizeof(struct wire_alloc) ? sizeof(struct wire_alloc) : 0;
	case WIRE_FREE:
		return head->size == sizeof(struct wire_free) ||
				       head->size == sizeof(struct wire_free_from)
			       ? head->size
			       : 0;
	case WIRE_STACK:
		return head->size >= sizeof(*stack) && stack->nr_frames <= WIRE_MAX_FRAMES &&
				       head->size == sizeof(*stack) + stack->nr_frames * 8u
			       ? sizeof(*stack)
			       : 0;
	default:
		return 0;
	}
}

static void make_template(union template *template, const struct wire_head *head, size_t size)
{
	*template = (union template){ 0 };
	memcpy(template, head, size);
	switch (head->type) {
	case WIRE_ALLOC:
		template->alloc.time_ns = template->alloc.addr = template->alloc.bytes = 0;
		template->alloc.stack = 0;
		break;
	case WIRE_FREE:
		template->free.time_ns = template->free.addr = 0;
		if (size == sizeof(template->from))
			template->from.stack = 0;
		break;
	case WIRE_STACK:
		template->stack.time_ns = template->stack.id = 0;
		break;
	}
}

/* The number, from 1, of the record's kind. A new one is added to the kinds and the templates. */
static uint32_t find_kind(struct pack *pack, const struct wire_head *head, size_t size)
{
	union template template;
	uint32_t i;

	make_template(&template, head, size);
	i = hash__bytes(&template, sizeof(template)) >> (64 - KIND_BITS);
	for (; pack->kind_table[i]; i = (i + 1) % (1 << KIND_BITS)) {
		uint16_t kind = pack->kind_table[i];

		if (!memcmp(&pack->kinds[kind - 1], &template, sizeof(template)))
			return kind;
	}
	pack->kinds[pack->nr_kinds++] = template;
	pack->kind_table[i] = (uint16_t)pack->nr_kinds;
	code_bytes(pack, TEMPLATES, &template, size);
	return pack->nr_kinds;
}

static void pack_record(struct pack *pack, const struct wire_head *head)
{
	size_t size = template_size(head);
	union record record;

	if (!size) {
		code_number(pack, KINDS, 0);
		code_bytes(pack, OTHERS, (void *)head, head->size);
		return;
	}
	code_number(pack, KINDS, find_kind(pack, head, size));
	memcpy(&record, head, head->size);
	code_varying(pack, &record);
}

size_t pack__pack(struct pack *pack, const void *raw, size_t raw_len, void *packed)
{
	uint32_t lengths[NR_COLUMNS];
	size_t packed_len = sizeof(lengths);
	uint8_t *to = packed;

	restart(pack, true);
	if (!pack->bytes)
		pack->bytes = xcalloc(NR_COLUMNS, sizeof(*pack->bytes));
	for (size_t i = 0; i < NR_COLUMNS; i++)
		pack->columns[i].at = pack->bytes[i];
	for (size_t at = 0; at < raw_len;) {
		const struct wire_head *head = (const void *)((const char *)raw + at);

		if (head->size < sizeof(*head) || head->size > raw_len - at)
			return 0;
		pack_record(pack, head);
		at += head->size;
	}
	for (size_t i = 0; i < NR_COLUMNS; i++) {
		lengths[i] = (uint32_t)(pack->columns[i].at - pack->bytes[i]);
		packed_len += lengths[i];
	}
	if (packed_len > raw_len)
		return 0;
	memcpy(to, lengths, sizeof(lengths));
	to += sizeof(lengths);
	for (size_t i = 0; i < NR_COLUMNS; to += lengths[i++])
		memcpy(to, pack->bytes[i], lengths[i]);
	return packed_len;
}

/* Unpacks a head as this machine has it. */
static void code_head(struct pack *pack, enum column column, struct wire_head *head)
{
	code_bytes(pack, column, head, sizeof(*head));
	if (pack->foreign)
		swap__head(head);
}

static bool read_kind(struct pack *pack)
{
	union template *template = &pack->kinds[pack->nr_kinds];
	size_t size;

	*template = (union template){ 0 };
	code_head(pack, TEMPLATES, &template->head);
	switch (template->head.type) {
	case WIRE_ALLOC:
		size = sizeof(struct wire_alloc);
		break;
	case WIRE_FREE:
		size = template->head.size == sizeof(struct wire_free_from)
			       ? sizeof(struct wire_free_from)
			       : sizeof(struct wire_free);
		break;
	case WIRE_STACK:
		size = sizeof(struct wire_stack);
		break;
	default:
		return false;
	}
	code_bytes(pack, TEMPLATES, &template->head + 1, size - sizeof(template->head));
	if (pack->foreign && template->head.size >= sizeof(template->head))
		swap__body(&template->head, size);
	pack->nr_kinds++;
	return !pack->failed && template_size(&template->head) == size;
}

/* The size of the record that was unpacked to `to`; 0: damage. */
static size_t unpack_other(struct pack *pack, struct wire_head *to, size_t room)
{
	if (room < sizeof(*to))
		return 0;
	code_head(pack, OTHERS, to);
	if (pack->failed || to->size < sizeof(*to) || to->size % 8 || to->size > room)
		return 0;
	code_bytes(pack, OTHERS, to + 1, to->size - sizeof(*to));
	if (pack->foreign)
		swap__body(to, to->size);
	return to->size;
}

static size_t unpack_record(struct pack *pack, union record *to, size_t room)
{
	uint64_t kind = code_number(pack, KINDS, 0);
	const union template *template;

	if (pack->failed || kind > pack->nr_kinds + 1)
		return 0;
	if (!kind)
		return unpack_other(pack, &to->head, room);
	if (kind > pack->nr_kinds && !read_kind(pack))
		return 0;
	template = &pack->kinds[kind - 1];
	if (template->head.size > room)
		return 0;
	memcpy(to, template, template_size(&template->head));
	code_varying(pack, to);
	return to->head.size;
}

/* Points the columns at their parts of a packed block, which they must fill. */
static bool find_columns(struct pack *pack, const void *packed, size_t packed_len)
{
	uint32_t lengths[NR_COLUMNS];
	const uint8_t *at = packed, *end = at + packed_len;

	if (packed_len < sizeof(lengths))
		return false;
	memcpy(lengths, packed, sizeof(lengths));
	at += sizeof(lengths);
	for (size_t i = 0; i < NR_COLUMNS && pack->foreign; i++)
		lengths[i] = bswap_32(lengths[i]);
	for (size_t i = 0; i < NR_COLUMNS; i++) {
		if (lengths[i] > (size_t)(end - at))
			return false;
		pack->columns[i] = (struct cursor){ (uint8_t *)at, at + lengths[i] };
		at += lengths[i];
	}
	return at == end;
}

bool pack__unpack(struct pack *pack, const void *packed, size_t packed_len, void *raw,
		  size_t raw_len)
{
	restart(pack, false);
	if (!find_columns(pack, packed, packed_len))
		return false;
	for (size_t at = 0; at < raw_len;) {
		size_t size = unpack_record(pack, (void *)((char *)raw + at), raw_len - at);

		if (!size || pack->failed)
			return false;
		at += size;
	}
	for (size_t i = 0; i < NR_COLUMNS; i++)
		if (pack->columns[i].at != pack->columns[i].end)
			return false;
	return true;
}
