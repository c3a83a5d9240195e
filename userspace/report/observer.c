// SPDX-License-Identifier: BSD-2-Clause
#include "report/observer.h"

#include <stddef.h>

#include "report/process.h"

void observer__happened(const struct heap_event *event, void *data)
{
	struct process *process = data;

	for (struct observer *o = process->observers; o; o = o->next)
		if (o->event)
			o->event(process, event, o->data);
}
