// SPDX-License-Identifier: BSD-2-Clause
#include "report/by_process.h"

#include <stdlib.h>

#include "base/util.h"
#include "report/process.h"

void *by_process__get(struct by_process *table, const struct process *process, size_t size)
{
	while (table->nr <= process->number) {
		table->all =
			array__grow(table->all, table->nr, &table->capacity, sizeof(*table->all));
		table->all[table->nr++] = NULL;
	}
	if (!table->all[process->number])
		table->all[process->number] = xcalloc(1, size);
	return table->all[process->number];
}

void *by_process__find(const struct by_process *table, const struct process *process)
{
	return process->number < table->nr ? table->all[process->number] : NULL;
}

void by_process__clear(struct by_process *table, void (*clear)(void *kept))
{
	for (size_t i = 0; i < table->nr; i++) {
		if (table->all[i])
			clear(table->all[i]);
		free(table->all[i]);
	}
	free(table->all);
	*table = (struct by_process){ 0 };
}
