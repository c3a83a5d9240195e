/* SPDX-License-Identifier: BSD-2-Clause */
/* Records made here, outside the ring, that wait to be handed on. */
#ifndef QUEUE_H
#define QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "source/source.h"
#include "wire.h"

/* Zero-initialise. */
struct queue {
	uint8_t *bytes;
	size_t used, capacity;
};

/*
 * Appends a record of type: fixed_size bytes at record (its head is filled in here), then the two
 * texts, then padding. A text of length 0 may be NULL. The lengths must fit WIRE_MAX_RECORD.
 */
void queue__add(struct queue *queue, uint16_t type, pid_t pid, void *record, size_t fixed_size,
		const void *text1, size_t len1, const void *text2, size_t len2);
/* Hands everything on and empties the queue. 0, or what take returned. */
int queue__take(struct queue *queue, record_fn take, void *data);
void queue__clear(struct queue *queue);

#endif /* QUEUE_H */
