/* SPDX-License-Identifier: BSD-2-Clause */
/* How much memory a process has, now and then, whoever manages it: WIRE_MEMORY. */
#ifndef MEMORY_H
#define MEMORY_H

#include <sys/types.h>

#include "source/queue.h"

/* Queues a record of what process pid has now. Nothing when it is gone. */
void memory__sample(struct queue *queue, pid_t pid);

#endif /* MEMORY_H */
