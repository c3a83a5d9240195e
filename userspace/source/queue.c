// SPDX-License-Identifier: BSD-2-Clause
#include "source/queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static void append(struct queue *queue, const void *bytes, size_t len)
{
	if (len)
		memcpy(queue->bytes + queue->used, bytes, len);
	queue->used += len;
}

void queue__add(struct queue *queue, uint16_t type, pid_t pid, void *record, size_t fixed_size,
		const void *text1, size_t len1, const void *text2, size_t len2)
{
	static const uint8_t zeros[8];
	size_t used = fixed_size + len1 + len2, size = WIRE_PAD8(used);
	struct wire_head *head = record;

	head->type = type;
	head->size = (uint16_t)size;
	head->pid = (uint32_t)pid;
	if (queue->used + size > queue->capacity) {
		queue->capacity = max(queue->capacity * 2, queue->used + size + 4096);
		queue->bytes = xrealloc(queue->bytes, queue->capacity);
	}
	append(queue, record, fixed_size);
	append(queue, text1, len1);
	append(queue, text2, len2);
	append(queue, zeros, size - used);
}

int queue__take(struct queue *queue, record_fn take, void *data)
{
	int err = 0;

	for (size_t at = 0; !err && at < queue->used;) {
		const struct wire_head *head = (const struct wire_head *)(queue->bytes + at);

		err = take(head, data);
		at += head->size;
	}
	queue->used = 0;
	return err;
}

void queue__clear(struct queue *queue)
{
	free(queue->bytes);
	*queue = (struct queue){ 0 };
}
