// SPDX-License-Identifier: BSD-2-Clause
#include "trace/swap.h"

#include <byteswap.h>
#include <stdint.h>
#include <string.h>

#include "base/util.h"
#include "wire.h"

/*
 * The fields behind a known type's head, as swap__fields wants them, and those that repeat behind
 * them to the end of the record; texts, which follow other types, have no byte order.
 */
static const struct {
	const char *fields;
	const char *repeated;
} layouts[] = {
	[WIRE_ALLOC] = { "88844224", NULL },
	[WIRE_FREE] = { "8842244", NULL }, /* the last two only in a longer one */
	[WIRE_STACK] = { "8422", "8" },
	[WIRE_TARGET] = { "884444", NULL },
	[WIRE_MODULE] = { "4444", NULL },
	[WIRE_MAPPING] = { "888844", NULL },
	[WIRE_LOST] = { "88", NULL },
	[WIRE_EXEC] = { "8", NULL },
	[WIRE_SYMBOL] = { "844", "4444" },
	[WIRE_STRING] = { "44", NULL },
	[WIRE_END] = { "844", NULL },
	[WIRE_FORK] = { "844", NULL },
	[WIRE_FUNCTION] = { "2222", NULL },
	[WIRE_MEMORY] = { "88888", NULL },
	[WIRE_INDEX] = { "888844", NULL },
	[WIRE_FOOTER] = { "88888", NULL },
};

static void swap_field(uint8_t *at, size_t width)
{
	uint16_t two;
	uint32_t four;
	uint64_t eight;

	switch (width) {
	case 2:
		memcpy(&two, at, sizeof(two));
		two = bswap_16(two);
		memcpy(at, &two, sizeof(two));
		break;
	case 4:
		memcpy(&four, at, sizeof(four));
		four = bswap_32(four);
		memcpy(at, &four, sizeof(four));
		break;
	case 8:
		memcpy(&eight, at, sizeof(eight));
		eight = bswap_64(eight);
		memcpy(at, &eight, sizeof(eight));
		break;
	}
}

size_t swap__fields(void *data, size_t len, const char *widths)
{
	size_t at = 0;

	for (; *widths; widths++) {
		size_t width = (size_t)(*widths - '0');

		if (width > len - at)
			break;
		swap_field((uint8_t *)data + at, width);
		at += width;
	}
	return at;
}

void swap__head(struct wire_head *head)
{
	swap__fields(head, sizeof(*head), "224");
}

void swap__body(struct wire_head *head, size_t available)
{
	uint8_t *at = (uint8_t *)(head + 1);
	size_t left = min((size_t)head->size, available) - sizeof(*head), done;

	if (head->type >= ARRAY_SIZE(layouts) || !layouts[head->type].fields)
		return;
	done = swap__fields(at, left, layouts[head->type].fields);
	while (layouts[head->type].repeated && done) {
		at += done;
		left -= done;
		done = swap__fields(at, left, layouts[head->type].repeated);
	}
}

void swap__records(void *records, size_t len)
{
	for (size_t at = 0; len - at >= sizeof(struct wire_head);) {
		struct wire_head *head = (void *)((char *)records + at);

		swap__head(head);
		if (head->size < sizeof(*head) || head->size % 8 || head->size > len - at)
			return;
		swap__body(head, len - at);
		at += head->size;
	}
}
